"""Which language a text is in, told by its letters and its commonest words; None where unsure.

Small on purpose: a wrong guess would have a customer answered in a language that is not theirs, so
that a short or mixed text is nobody's.
"""

from __future__ import annotations

import re
from collections import Counter

SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "uk": re.compile(r"[іїєґІЇЄҐ]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
}
"""Languages by a script of theirs, the rarer first: kana stand among Chinese signs, and Ukrainian
letters among Cyrillic ones."""

COMMON = {
    "en": "the and is are was were have has not you your my for with this that please can what it"
    " to of in on i we they would could",
    "de": "der die das und ist sind war nicht ich wir sie mein meine bitte für mit auf ein eine"
    " einen zu von im den dem wurde habe haben ihr ihre",
    "fr": "le la les et est sont était pas je nous vous mon ma mes pour avec dans un une des du au"
    " ce cette que qui merci avez",
    "es": "el la los las y es son no yo mi mis por para con en un una del que este esta gracias ha"
    " han se lo su usted",
    "it": "il lo la gli le e è sono non io mio mia per con in un una del della che questo questa"
    " grazie ho hanno di si vi",
    "nl": "de het een en is zijn was niet ik wij u mijn voor met op van dat deze dit bedankt heb"
    " heeft naar aan te uw",
    "pt": "o os as e é são não eu meu minha por para com em um uma do da que este esta obrigado foi"
    " tem se você os ao",
    "pl": "i jest są nie ja mój moja dla z w na do się że to ten ta proszę dziękuję był była mam od"
    " po jak",
    "sv": "och är var inte jag vi ni min mitt för med på en ett den det som till av tack har att",
    "da": "og er var ikke jeg vi min mit for med på en et den det som til af tak har at",
}
"""Words that hardly a sentence goes without, by language."""

_WORDS = {code: frozenset(words.casefold().split()) for code, words in COMMON.items()}
_WORD = re.compile(r"[^\W\d_]+")

LEAST = 2
"""Common words that a text has to have before anything is said of it."""

LEAD = 1.25
"""How many times as many as the next language's."""

NAMES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
    "pl": "Polish",
    "sv": "Swedish",
    "da": "Danish",
    "ja": "Japanese",
    "ko": "Korean",
    "zh": "Chinese",
    "el": "Greek",
    "he": "Hebrew",
    "ar": "Arabic",
    "th": "Thai",
    "hi": "Hindi",
    "uk": "Ukrainian",
    "ru": "Russian",
}
"""By code, as a model is told."""


def detect(text: str) -> str | None:
    """The text's language as a two-letter code; None where it cannot be told."""
    letters = sum(sign.isalpha() for sign in text)
    for code, script in SCRIPTS.items():
        share = 0.05 if code in ("ja", "uk") else 0.3
        if letters and len(script.findall(text)) >= max(2, share * letters):
            return code
    words = Counter(_WORD.findall(text.casefold()))
    hits = {code: sum(words[word] for word in known) for code, known in _WORDS.items()}
    (best, most), (_, second) = Counter(hits).most_common(2)
    return best if most >= LEAST and most >= LEAD * second else None

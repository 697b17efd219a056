"""Words as the index holds them: folded, cut to their stems, and hashed for one tenant.

A hash keyed by the content key tells nobody what stands in a sealed file, and one that covers the
tenant can be found by that tenant's queries only, whatever they say: a query has no syntax.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""Scripts that put no blanks between words: they are searched by pairs of signs."""

_HASH = 8
_STEM = 4
"""Bytes of a word's hash, and the letters that an ending leaves at least."""

_COMMON = (
    "a about after all also am an and any are as at be been before being but by can could did do"
    " does for from had has have he her him his how i if in into is it its just may me might more"
    " most my no not of on only or our out over she should so some such than that the their them"
    " then there these they this those to under up us was we were what when where which while who"
    " why will with would you your"
)
COMMON = frozenset(_COMMON.split())
"""Words that stand in every text: a query is cut down to what tells texts apart."""


def words(text: str) -> list[str]:
    """The stems of a text, in order."""
    if text.isascii():
        return [stem(word) for word in _WORD.findall(text.lower())]
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(sign for sign in folded if not unicodedata.combining(sign))
    found: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFC", plain)):
        found += _pairs(word) if _WIDE.match(word) else [stem(word)]
    return found


def asked(query: str, most: int) -> list[str]:
    """The different stems of a query that tell texts apart, the first `most`."""
    found = list(dict.fromkeys(words(query)))
    telling = [word for word in found if word not in _COMMON_STEMS]
    return (telling or found)[:most]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """An English word without its ending; others only lose what looks like one, in queries too."""
    if len(word) <= _STEM - 1 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > _STEM:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= _STEM - 1 and re.search("[aeiouy]", base):
            doubled = base[-1] == base[-2] and base[-1] not in "aeioulsz"
            word = base[:-1] if doubled else base
            break
    if word.endswith("ll") and len(word) > _STEM + 1:
        return word[:-1]
    return word.removesuffix("e") if len(word) > _STEM - 1 else word


_COMMON_STEMS = frozenset(map(stem, COMMON))


@lru_cache(maxsize=262_144)
def hashed(key: bytes, tenant: str, word: str) -> str:
    """A word as one tenant's index holds it."""
    known = f"{tenant}\0{word}".encode()
    return hashlib.blake2b(known, digest_size=_HASH, key=key).hexdigest()


def entry(key: bytes, tenant: str, text: str) -> str:
    """What the index holds of a text."""
    return " ".join(hashed(key, tenant, word) for word in words(text))


def any_of(marks: Sequence[str]) -> str:
    """The index's question for texts that hold one of these hashes."""
    return " OR ".join(f'"{mark}"' for mark in marks)


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]

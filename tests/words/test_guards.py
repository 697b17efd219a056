"""Guards: what they find in a draft, and what they leave alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.evidence import Evidence, Shown
from agent_runtime.guard import (
    Guards,
    Voice,
    disallowed,
    examine,
    language,
    length,
    links,
    personal_data,
    ungrounded,
    voice,
)
from agent_runtime.language import detect

ORDER = "Order 8821 of 24 March, total 129.90, status: delivered."


TEXTS = {
    "en": "Please refund my order, I have not used it and would like the money back.",
    "de": "Bitte erstatten Sie mir die Bestellung, ich habe sie nicht benutzt.",
    "fr": "Je voudrais être remboursé pour ma commande, merci de votre aide dans cette affaire.",
    "es": "Por favor, quiero que me devuelvan el dinero de la compra que hice en su tienda.",
    "it": "Vorrei il rimborso del mio ordine, non ho usato il prodotto che è arrivato.",
    "nl": "Ik wil graag mijn geld terug voor de bestelling, het is niet aangekomen.",
    "pt": "Não usei os créditos e quero o meu dinheiro de volta, obrigado.",
    "pl": "Proszę o zwrot pieniędzy za zamówienie, nie było to dla mnie.",
    "ja": "注文を返金してください。まだ使っていません。",
    "zh": "请给我退款。我还没有使用。",
    "ru": "Пожалуйста, верните мне деньги за заказ.",
    "uk": "Будь ласка, поверніть мені гроші за замовлення, які є.",
    "ko": "주문을 환불해 주세요.",
    "ar": "من فضلك أعد لي المال",
}


@pytest.mark.parametrize(
    ("draft", "hosts"),
    [
        ("See https://shop.example/returns for more.", []),
        ("See https://help.shop.example/x.", []),
        ("See www.evil.example now.", ["www.evil.example"]),
        ("See https://evilshop.example/x.", ["evilshop.example"]),
        ("See http://shop.example.evil.org/.", ["shop.example.evil.org"]),
        ("See https://shop.example@evil.org/x.", ["evil.org"]),
        ("See HTTPS://EVIL.org.", ["evil.org"]),
        ("Write to help@www.org.", []),
    ],
)
def test_links_lead_to_listed_hosts_only(draft: str, hosts: list[str]) -> None:
    """The real host counts, not what looks like it."""
    found = [finding.text for finding in links(draft, ["shop.example"])]
    assert found == [f"leads to {host}" for host in hosts]


@pytest.mark.parametrize(
    ("draft", "kind"),
    [
        ("Write to ann@here.org.", "a mail address"),
        ("Pay to DE89 3704 0044 0532 0130 00.", "an account's number"),
        ("Card 4111 1111 1111 1111 was charged.", "a card's number"),
        ("Call +49 30 1234567.", "a telephone number"),
        ("Card 4111 1111 1111 1112 was charged.", None),
        ("Pay to GB82 WEST 1234 5698 7654 33.", None),
        ("Order 8821 for 129.90.", None),
        ("Your bob@there.org is known.", None),
    ],
)
def test_personal_data_of_others_is_found(draft: str, kind: str | None) -> None:
    """By check digits where there are any; what the customer wrote may be written back."""
    found = [finding.text for finding in personal_data(draft, "I am bob@there.org.")]
    assert found == ([] if kind is None else [f"has {kind}"])


@pytest.mark.parametrize(
    ("draft", "held"),
    [
        ("Your order 8821 cost 129.90.", True),
        ("Your order 8821 cost 129.99.", False),
        ("It is delivered.", True),
        ('It says "status: delivered" there.', True),
        ('It says "never returned" there.', False),
        ("Order 8821 is here. You get 500 back.", False),
    ],
)
def test_claims_stand_in_a_cited_source(draft: str, held: bool) -> None:
    """Each sentence with figures or quoted words, all of them in one source."""
    assert (list(ungrounded(draft, [ORDER])) == []) is held


def test_a_sentence_stands_in_one_source_or_in_none() -> None:
    """Two figures of two sources make a claim that neither makes."""
    sources = ["order 8821 cost 129.90", "order 8822 cost 80.00"]
    assert not list(ungrounded("Order 8822 cost 80.00.", sources))
    assert list(ungrounded("Order 8822 cost 129.90.", sources))


RULES = (
    Voice(pattern=r"!!", why="no shouting"),
    Voice(pattern=r"kind regards", why="sign off kindly", required=True),
)


@pytest.mark.parametrize(
    ("draft", "broken"),
    [
        ("Thanks!!", ["no shouting", "sign off kindly"]),
        ("Thanks!! KIND regards", ["no shouting"]),
        ("Thanks.", ["sign off kindly"]),
        ("Thanks. Kind regards", []),
    ],
)
def test_the_voice_of_the_house(draft: str, broken: list[str]) -> None:
    """Words that must not be there, and some that must."""
    assert [found.text for found in voice(draft, RULES)] == broken


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        ("We GUARANTEE\n it.", True),
        ("We guarantee items.", False),
        ("We aguarantee it.", False),
        ("It is ours.", False),
    ],
)
def test_disallowed_words_are_found_however_they_are_written(draft: str, says: bool) -> None:
    """Whole words, in any case, over any white space."""
    found = [finding.text for finding in disallowed(draft, ["guarantee it"])]
    assert found == (["says 'guarantee it'"] if says else [])


@pytest.mark.parametrize(
    ("draft", "held"), [("x" * 10, True), ("x" * 11, False), ("  x ", True), ("  ", False)]
)
def test_a_draft_is_neither_too_short_nor_too_long(draft: str, held: bool) -> None:
    """White space around it does not count."""
    assert (list(length(draft, 1, 10)) == []) is held


@pytest.mark.parametrize(
    ("draft", "guard"),
    [
        ("", "length"),
        ("See www.evil.org there.", "links"),
        ("You are a fool.", "disallowed"),
        ("Wait!!", "brand_voice"),
        ("Write to ann@here.org.", "personal_data"),
        (TEXTS["de"], "language"),
        ("It cost 129.90.", "ungrounded"),
    ],
)
def test_each_declared_guard_looks_at_a_draft(draft: str, guard: str) -> None:
    """By itself, of all that stand on the step."""
    guards = Guards(drafts=("body",), disallowed=("fool",), voice=RULES[:1])
    found = examine(guards, {"body": draft}, {"message": TEXTS["en"]}, [], [])
    assert [finding.guard for finding in found] == [guard]


@pytest.mark.parametrize(
    "body",
    [
        {"subject": "Hello", "text": "See www.evil.org there."},
        ["Hello.", "See www.evil.org there."],
        {"parts": [{"text": "See www.evil.org there."}, {"pages": 2}]},
    ],
)
def test_every_text_of_a_draft_is_looked_at(body: Any) -> None:
    """However the tool wants them: a subject beside a text, or paragraphs."""
    guards = Guards(drafts=("body",), language=None)
    found = examine(guards, {"body": body}, {}, [], [])
    assert [finding.guard for finding in found] == ["links"]


def test_a_pattern_that_is_none_is_refused() -> None:
    """When it is declared, not when a draft comes."""
    with pytest.raises(ValueError, match="no regular expression"):
        Voice(pattern="(", why="?")


@pytest.mark.parametrize("code", TEXTS)
def test_a_language_is_told(code: str) -> None:
    """By its script, or by its commonest words."""
    assert detect(TEXTS[code]) == code


@pytest.mark.parametrize("text", ["", "ok", "12.50", "refund order-8821", "Amazon Prime", "de la"])
def test_what_cannot_be_told_is_not_guessed(text: str) -> None:
    """Nobody is answered in a language by chance."""
    assert detect(text) is None


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    """Neither for the detector nor for any guard."""
    detect(text)
    guards = Guards(drafts=("body",), disallowed=("x",))
    examine(guards, {"body": text}, {"message": text}, [], [])


def test_another_language_than_the_customers() -> None:
    """Told by name; a draft that cannot be told is no finding."""
    assert [f.text for f in language(TEXTS["de"], "en")] == ["is in German, not in English"]
    assert not list(language("ok", "en"))
    assert not list(language(TEXTS["de"], None))


def shown(text: str, source: str = "order") -> Shown:
    now = datetime(2026, 3, 30, tzinfo=UTC)
    return Shown(source=source, text=text, origin="tool", retrieved_at=now)


def test_only_cited_sources_ground_a_draft() -> None:
    """What was shown and not cited is not what the draft rests on."""
    guards = Guards(drafts=("body",))
    arguments: dict[str, Any] = {"body": "Your order 8821 cost 129.90."}
    cited = [Evidence(source="order", quote="total 129.90")]
    assert examine(guards, arguments, {}, cited, [shown(ORDER)]) == ()
    (finding,) = examine(guards, arguments, {}, [], [shown(ORDER)])
    assert finding.guard == "ungrounded"
    failed = shown(ORDER).model_copy(update={"origin": "failure"})
    assert len(examine(guards, arguments, {}, cited, [failed])) == 1
    unasked = guards.model_copy(update={"grounded": False})
    assert examine(unasked, arguments, {}, [], [shown(ORDER)]) == ()
    assert examine(None, arguments, {}, [], []) == ()

"""Redaction: what was declared leaves, everything else does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.errors import WorkflowError
from agent_runtime.redact import PSEUDONYM, Minimise, Redactor, reveal
from agent_runtime.store.pseudonyms import pseudonym
from tests.knowledge.planted import PLANTED, iban_of, leaked, sentence

ALL = Minimise(text={"email": "mask", "phone": "mask", "iban": "mask", "card": "mask"}, region="GB")


@pytest.mark.parametrize("kind", PLANTED)
def test_each_kind_is_recognised_alone(kind: str) -> None:
    """Fifty of them, each written in one of several ways."""
    redactor = Redactor(ALL)
    missed = [value for value in PLANTED[kind] if value in redactor.text(f"It is {value}.")]
    assert missed == []


def test_an_iban_ends_where_its_checksum_says() -> None:
    """Words may follow it with nothing but a blank between, and stay."""
    redactor = Redactor(ALL)
    told = {redactor.text(f"It is {value} of the bank now") for value in PLANTED["iban"]}
    assert told == {"It is [iban] of the bank now"}


def test_an_iban_of_a_country_that_is_not_known_is_masked_too() -> None:
    """Whose numbers have as many signs as its checksum holds for."""
    assert Redactor(ALL).text(f"It is {iban_of('ZZ', '12345678901234')}.") == "It is [iban]."


@pytest.mark.parametrize("number", range(0, 50, 7))
def test_a_sentence_keeps_all_but_what_was_planted(number: int) -> None:
    """The words between stay, in their order."""
    text = Redactor(ALL).text(sentence(number))
    assert leaked(text) == []
    assert text.startswith("Write to [email] or call [phone] about case")
    assert "not to the card [card]!" in text


SIGNS = "a1B2c3D4" * 5
SECRETS = [
    *(f"{prefix}-{SIGNS}" for prefix in ("sk", "rk", "pk", "glpat", "pypi", "hf", "xoxp")),
    *(f"{prefix}_{SIGNS}" for prefix in ("whsec", "art", "npm", "dop_v1", "gho", "github_pat")),
    "AKIA" + "A1B2C3D4" * 2,
    "ASIA" + "A1B2C3D4" * 2,
    f"AIza{SIGNS}",
    f"eyJ{SIGNS}.eyJ{SIGNS}.{SIGNS}",
    f"-----BEGIN PRIVATE KEY-----\n{SIGNS}",
]
SAID = (
    f"https://mia:{SIGNS}@example.com/x",
    *(f"{word}: {SIGNS}" for word in ("api key", "API_KEY", "token", "secret", "passphrase")),
    *(f"the {word} is {SIGNS}" for word in ("password", "passwd", "pwd")),
    f"Bearer {SIGNS}",
    f'"token": "{SIGNS}"',
)


@pytest.mark.parametrize("secret", SECRETS)
def test_each_form_of_a_secret_is_masked_whole(secret: str) -> None:
    """By how it looks, with nothing said beside it."""
    assert Redactor(Minimise()).text(f"See {secret} here").replace(" here", "") == "See [secret]"


@pytest.mark.parametrize("text", SAID)
def test_what_is_said_to_be_a_secret_is_masked(text: str) -> None:
    """And only that: the words beside it tell what it was."""
    told = Redactor(Minimise()).text(text)
    assert SIGNS not in told
    assert "[secret]" in told


HARMLESS = (
    "Order 12345678 of 2026-03-30 cost 1,234.56 EUR.",
    "Item 1234567890 and tracking 778801023155.",
    "The number 4111 1111 1111 1112 fails its check.",
    "DE00 1234 5678 9012 3456 78 fails its check.",
    "The token economy is a secret garden; passwords are kept elsewhere.",
    "Meet @home, or a@b, at 10:30.",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_alike_stays(text: str) -> None:
    """Checksums and shapes decide."""
    assert Redactor(ALL).text(text) == text


RECORD = {
    "id": "c1",
    "name": "Mia Hart",
    "email": "mia@example.com",
    "address": {"city": "Bristol", "street": "14 Orchard Row"},
    "addr": "14 Orchard Row",
    "cards": [{"brand": "visa", "number": "4111111111111111"}],
}
FIELDS = {"id": "show", "name": "mask", "address.city": "show", "cards.brand": "show"}


def test_only_listed_fields_leave() -> None:
    """Of records in lists too; what no path names is not there."""
    seen = Redactor(Minimise(results={"get": FIELDS})).result("get", [RECORD])  # type: ignore[dict-item]
    cards = [{"brand": "visa"}]
    assert seen == [{"id": "c1", "name": "[name]", "address": {"city": "Bristol"}, "cards": cards}]


def test_a_result_without_fields_is_not_shown_where_fields_are_declared() -> None:
    """Nobody can tell what stands in it."""
    redactor = Redactor(Minimise(results={"get": {"id": "show"}}))
    assert redactor.result("get", "id: c1, name: Mia Hart") == "[not shown]"


def test_secrets_are_masked_where_nothing_is_declared() -> None:
    """A step that wants them says so."""
    text = "password = hunter2hunter2"
    assert Redactor(Minimise()).text(text) == "password = [secret]"
    assert Redactor(Minimise(text={"secret": "show"})).text(text) == text


def test_a_misspelt_treatment_is_an_error_of_the_author() -> None:
    """It would show what was to be hidden."""
    with pytest.raises(WorkflowError, match="hide"):
        Minimise(results={"get": {"id": "hide"}})  # type: ignore[dict-item]
    with pytest.raises(WorkflowError, match="e-mail"):
        Minimise(text={"e-mail": "mask"})  # type: ignore[dict-item]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(PLANTED["email"]), min_size=1, max_size=5), st.text(max_size=20))
def test_pseudonyms_are_turned_back_to_what_they_stand_for(values: list[str], glue: str) -> None:
    """Whatever stands between them; the same value has the same name, and no other has it."""
    known: dict[str, str] = {}

    def name(kind: str, value: str) -> str:
        made = pseudonym(b"key", kind, value)
        known[made] = value
        return made

    glue = f" {glue.replace('@', '')} "
    text = glue.join(values)
    hidden = Redactor(Minimise(text={"email": "pseudonym", "secret": "show"}), name).text(text)
    assert leaked(hidden) == []
    assert len(set(known)) == len(set(known.values()))
    assert reveal({"to": [hidden]}, known.get) == {"to": [text]}


def test_a_pseudonym_that_nobody_gave_is_not_turned_back() -> None:
    """Whoever made it up gets nothing."""
    made_up = "[email:abcdefghijkl]"
    assert PSEUDONYM.fullmatch(made_up)
    with pytest.raises(LookupError):
        reveal([made_up], dict[str, str]().get)


def test_what_is_dropped_leaves_no_trace() -> None:
    """Neither a field nor what stands in the middle of a text."""
    sees = Minimise(results={"get": {"id": "show", "notes": "drop"}}, text={"email": "drop"})
    seen = Redactor(sees).result("get", {"id": "c1 mia@example.com!", "notes": "old"})
    assert seen == {"id": "c1 !"}

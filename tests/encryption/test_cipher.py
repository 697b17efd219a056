"""The cipher by itself: what it seals it opens, there and nowhere else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from agent_runtime.cipher import CLEAR, Sealing, make_cipher
from agent_runtime.errors import SettingsError, StoreError
from tests.encryption.conftest import FOREIGN, KEY, NEWER

quick = settings(deadline=None, derandomize=True, max_examples=60)
PLACE = ("default", "runs.input", "run-1")
texts = st.text(st.characters(codec="utf-8")) | st.text(
    st.sampled_from("\x01sealed:1"), max_size=12
)


def cipher(*keys: str) -> Sealing:
    made = make_cipher(SecretStr(" ".join(keys)))
    assert isinstance(made, Sealing)
    return made


@quick
@given(texts, st.binary(max_size=200), st.sampled_from(["msgpack", "bytes", "null"]))
def test_what_is_sealed_is_opened_in_its_place(text: str, body: bytes, type_: str) -> None:
    """Texts and serialized values, whatever they hold; in clear they stay what they are."""
    for one in (cipher(KEY), CLEAR):
        assert one.open(one.seal(text, *PLACE), *PLACE) == text
        assert one.open_typed(one.seal_typed((type_, body), *PLACE), *PLACE) == (type_, body)


@quick
@given(texts)
def test_a_text_from_before_there_was_a_key_is_read_as_it_is(text: str) -> None:
    """Also one that somebody made to look like a sealed one."""
    assert cipher(KEY).open(CLEAR.seal(text, *PLACE), *PLACE) == text


def test_in_clear_nothing_is_copied() -> None:
    """Without a key the cost is one comparison."""
    text, value = '{"a": 1}', ("msgpack", b"x" * 99)
    assert CLEAR.seal(text, *PLACE) is text
    assert CLEAR.open(text, *PLACE) is text
    assert CLEAR.seal_typed(value, *PLACE) is value
    assert CLEAR.open_typed(value, *PLACE) is value


@pytest.mark.parametrize(
    "other",
    [
        ("acme", "runs.input", "run-1"),
        ("default", "runs.documents", "run-1"),
        ("default", "runs.input", "run-2"),
        ("default", "runs.inputrun-1", ""),
    ],
)
def test_another_place_does_not_open_it(other: tuple[str, ...]) -> None:
    """Neither another tenant's, nor another column's, nor another row's."""
    sealed = cipher(KEY).seal("secret", *PLACE)
    with pytest.raises(StoreError, match="does not open"):
        cipher(KEY).open(sealed, *other)


def test_the_same_text_is_never_sealed_the_same_way() -> None:
    """Nobody sees from two rows that they hold the same."""
    one = cipher(KEY)
    assert len({one.seal("yes", *PLACE) for _ in range(50)}) == 50


def test_a_sealed_text_names_its_key() -> None:
    """The first of several seals, each opens its own, another one's is named."""
    both = cipher(NEWER, KEY)
    assert both.open(cipher(KEY).seal("old", *PLACE), *PLACE) == "old"
    assert cipher(NEWER).open(both.seal("new", *PLACE), *PLACE) == "new"
    old = cipher(KEY)
    for other in (cipher(FOREIGN), CLEAR):
        with pytest.raises(StoreError, match=f"with the key {old.key_id}, which is not set"):
            other.open(old.seal("old", *PLACE), *PLACE)
        with pytest.raises(StoreError, match=f"with the key {old.key_id}, which is not set"):
            other.open_typed(old.seal_typed(("msgpack", b"old"), *PLACE), *PLACE)


@pytest.mark.parametrize(
    "text", ["correct horse battery staple", KEY[:-4], base64.b64encode(b"k" * 31).decode(), "ä"]
)
def test_a_key_that_is_none_is_refused_and_not_told(text: str) -> None:
    """A password too: it could be guessed. The remedy makes a good one."""
    with pytest.raises(SettingsError, match="32 random bytes in base64") as found:
        make_cipher(SecretStr(text))
    assert "openssl rand -base64 32" in found.value.remedy
    assert text not in str(found.value)


def test_no_key_is_no_cipher() -> None:
    """Neither none nor blanks."""
    assert make_cipher(None) is CLEAR
    assert make_cipher(SecretStr("  ")) is CLEAR

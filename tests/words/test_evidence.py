"""Evidence: quotes held against what was shown, and sources against each other."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.evidence import (
    Evidence,
    Origin,
    Shown,
    contradictions,
    count_tokens,
    unverified,
)

NOW = datetime(2026, 3, 30, tzinfo=UTC)
quick = settings(deadline=None, derandomize=True, max_examples=50)
texts = st.text(min_size=1, max_size=40)
names = st.sampled_from(["a", "b", "c"])
values = st.sampled_from(["1", "2"])


def shown(source: str, text: str = "", origin: Origin = "tool") -> Shown:
    return Shown(source=source, text=text, origin=origin, retrieved_at=NOW)


@quick
@given(before=texts, quote=texts, after=texts)
def test_words_that_stand_in_the_source_are_verified(before: str, quote: str, after: str) -> None:
    """Any part of what was shown is a valid quote of it, and of no other source."""
    passage = shown("a", before + quote + after)
    assert unverified((Evidence(source="a", quote=quote),), [passage]) == []
    assert len(unverified((Evidence(source="b", quote=quote),), [passage])) == 1


@quick
@given(text=texts, quote=texts)
def test_a_quote_is_verified_exactly_when_it_stands_there_verbatim(text: str, quote: str) -> None:
    """Nothing is folded, trimmed or normalized."""
    found = unverified((Evidence(source="a", quote=quote),), [shown("a", text)])
    assert (found == []) == (quote in text)


def test_any_shown_version_of_a_source_verifies() -> None:
    """What the model was shown first may be quoted after the record has changed."""
    versions = [shown("a", "was 10"), shown("a", "is 20")]
    assert unverified((Evidence(source="a", quote="was 10"),), versions) == []


def test_a_failure_verifies_nothing() -> None:
    """The text of an error is no evidence."""
    found = unverified((Evidence(source="a", quote="Error"),), [shown("a", "Error: x", "failure")])
    assert len(found) == 1


def test_an_empty_quote_needs_its_source_shown() -> None:
    """Citing a source as a whole is verified by its having been shown."""
    whole = (Evidence(source="a", quote=""),)
    assert (unverified(whole, [shown("a", "x")]), len(unverified(whole, []))) == ([], 1)


@quick
@given(st.lists(st.tuples(names, st.sampled_from(["f", "g"]), values), max_size=8))
def test_two_sources_contradict_on_exactly_the_fields_where_their_last_words_differ(
    said: list[tuple[str, str, str]],
) -> None:
    """A source that corrects itself contradicts nobody; two that end up apart do."""
    passages = [shown(source).model_copy(update={"claims": {f: v}}) for source, f, v in said]
    found = contradictions(passages)
    last = {(field, source): value for source, field, value in said}
    expected = {f for f, _ in last if len({v for (g, _), v in last.items() if g == f}) > 1}
    assert found == sorted(expected)


@quick
@given(st.text(max_size=100), st.text(max_size=100))
def test_tokens_are_never_underestimated_by_joining(first: str, second: str) -> None:
    """The parts count at least as much as the whole."""
    assert count_tokens(first) + count_tokens(second) >= count_tokens(first + second)
    assert (count_tokens(first) == 0) == (first == "")

"""The bundle: bounded, deterministic, and honest about what was left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.evidence import LeftOut, Origin, Shown
from agent_runtime.knowledge.bundle import add, assemble

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
Passages = list[Shown]


def passage(source: str, text: str, origin: Origin = "tool", minutes: int = 0) -> Shown:
    """One passage, found so many minutes after noon."""
    at = NOON + timedelta(minutes=minutes)
    return Shown(source=source, text=text, origin=origin, retrieved_at=at)


passages = st.lists(
    st.builds(
        passage,
        st.sampled_from(["order-1", "order-2", "policy-1"]),
        st.text("ab c", max_size=40),
        st.sampled_from(["tool", "document", "operator"]),
    ),
    max_size=8,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(passages, passages, st.integers(0, 40))
def test_a_bundle_never_exceeds_its_budget(early: Passages, late: Passages, budget: int) -> None:
    """Whatever was shown and found, the tokens add up and stay within the budget."""
    bundle = assemble(early, late, budget)
    assert bundle.tokens == sum(p.tokens for p in bundle.shown) <= budget
    assert bundle == assemble(early, late, budget)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(passages, passages, st.integers(0, 40))
def test_every_passage_is_shown_or_named_as_left_out(
    early: Passages, late: Passages, budget: int
) -> None:
    """Nothing disappears: each different text is in the bundle or counted among what was left."""
    bundle = assemble(early, late, budget)
    different = {(p.source, p.text) for p in (*early, *late)}
    assert len(bundle.shown) + len(bundle.left_out) == len(different)
    assert {(p.source, p.text) for p in bundle.shown} <= different


def test_the_same_text_found_again_is_shown_once_and_fresher() -> None:
    """A passage that was found again replaces the earlier one of its source."""
    again = passage("order-1", "paid", minutes=5)
    bundle = assemble([passage("order-1", "paid")], [again], 100)
    assert bundle.shown == (again,)


def test_passages_stand_in_the_order_in_which_they_were_found_last() -> None:
    """What came up again stands where it came up, so that the newest is read last."""
    early = [passage("order-1", "paid"), passage("order-2", "open")]
    bundle = assemble(early, [passage("order-1", "paid", minutes=5)], 100)
    assert [p.source for p in bundle.shown] == ["order-2", "order-1"]


def test_what_people_said_goes_first() -> None:
    """Where room is short, the customer's words stay and a tool's result is left out."""
    found = [passage("order-1", "x" * 40), passage("request", "y" * 40, origin="document")]
    bundle = assemble([], found, 10)
    assert [p.source for p in bundle.shown] == ["request"]
    assert [left.source for left in bundle.left_out] == ["order-1"]


def test_a_superseded_text_goes_before_the_newest_of_any_source() -> None:
    """Of an earlier record's versions the oldest is left out first, whenever it was found."""
    early = [passage("order-1", "old " * 5), passage("order-2", "two " * 5)]
    for before in (early, early[::-1]):
        bundle = assemble(before, [passage("order-1", "new " * 5)], 10)
        assert [p.text[:3] for p in bundle.shown] == ["two", "new"]


def test_of_what_was_found_now_the_first_is_the_best() -> None:
    """A search gives its answers in that order: the last is left out first."""
    found = [passage(name, name * 5) for name in ("best", "next", "last")]
    assert [p.source for p in assemble([], found, 10).shown] == ["best", "next"]


def test_two_records_that_read_alike_are_both_shown() -> None:
    """Only documents repeat each other: that both orders are paid is two facts."""
    bundle = assemble([], [passage("order-1", "paid"), passage("order-2", "paid")], 100)
    assert [p.source for p in bundle.shown] == ["order-1", "order-2"]


def test_what_was_seen_cannot_be_unseen() -> None:
    """A look-up that doesn't fit is left out; what reasoning has seen stays."""
    seen = [passage(f"order-{number}", "seen") for number in range(3)]
    bundle = add(seen, [passage("big", "z" * 400)], 20)
    assert bundle.shown == tuple(seen)
    assert [left.source for left in bundle.left_out] == ["big"]


def test_a_digest_covers_all_that_was_shown_and_not_when() -> None:
    """Whoever is shown the same holds the same digest; in nothing may two of one digest differ."""
    one = passage("order-1", "paid")
    left = LeftOut(source="order-2", tokens=1, why="outranked")

    def named(shown: Shown, **more: Any) -> str:
        return assemble([], [shown], **{"budget": 100, **more}).digest

    others = [
        named(one.model_copy(update=changed))
        for changed in ({"text": "open"}, {"source": "o"}, {"version": "2"}, {"claims": {"a": "b"}})
    ]
    others += [named(one, budget=99), named(one, warnings=["less"]), named(one, left_out=[left])]
    assert len({named(one), *others}) == len(others) + 1
    assert named(one) == named(passage("order-1", "paid", minutes=5))

"""Quorum: who still has to say yes, held against a brute-force search."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.approval import Decision, missing_slots
from agent_runtime.verdict import Slot

ROLES = ("lead", "finance", "legal")
quick = settings(deadline=None, derandomize=True, max_examples=50)
holders = st.lists(st.sets(st.sampled_from(ROLES)).map(tuple), max_size=5)
slot_lists = st.lists(
    st.builds(Slot, role=st.sampled_from(ROLES), count=st.integers(1, 2)),
    max_size=3,
    unique_by=lambda slot: slot.role,
)


def yes(number: int, roles: tuple[str, ...]) -> Decision:
    return Decision(
        approval_id="apr-1",
        operator=f"person-{number}",
        roles=roles,
        kind="approve",
        reason="",
        arguments=None,
        channel="",
        at=datetime(2026, 3, 30, tzinfo=UTC),
    )


def best(places: list[str], people: list[tuple[str, ...]]) -> int:
    """How many places can be filled at most, by trying every order of the people."""
    padded = [*people, *[()] * len(places)]
    orders = set(permutations(range(len(padded)), len(places)))
    return max(
        sum(place in padded[person] for place, person in zip(places, order, strict=True))
        for order in orders
    )


@quick
@given(slot_lists, holders.filter(lambda people: len(people) <= 3))
def test_as_many_places_are_filled_as_is_possible(
    slots: list[Slot], people: list[tuple[str, ...]]
) -> None:
    """Whoever has several roles is seated where they help most."""
    places = [slot.role for slot in slots for _ in range(slot.count)][:4]
    slots = [Slot(role=role, count=places.count(role)) for role in sorted(set(places))]
    missing = missing_slots(slots, [yes(n, roles) for n, roles in enumerate(people)])
    assert len(places) - len(missing) == best(places, people)


@quick
@given(slot_lists, holders, holders)
def test_a_further_yes_never_makes_more_missing(
    slots: list[Slot], first: list[tuple[str, ...]], more: list[tuple[str, ...]]
) -> None:
    """Each person fills one place at most."""
    before = missing_slots(slots, [yes(n, roles) for n, roles in enumerate(first)])
    after = missing_slots(slots, [yes(n, roles) for n, roles in enumerate([*first, *more])])
    assert len(before) - len(more) <= len(after) <= len(before)


@pytest.mark.parametrize(
    ("people", "missing"),
    [
        ([], ["finance", "lead"]),
        ([("finance", "lead")], ["lead"]),
        ([("finance", "lead"), ("finance",)], []),
        ([("finance",), ("finance", "lead")], []),
        ([("finance",), ("finance",)], ["lead"]),
        ([("clerk",)], ["finance", "lead"]),
    ],
)
def test_one_person_fills_one_place(people: list[tuple[str, ...]], missing: list[str]) -> None:
    """Two roles in one person are one yes; a better seat is found for them when others come."""
    slots = [Slot(role="finance", count=1), Slot(role="lead", count=1)]
    assert missing_slots(slots, [yes(n, roles) for n, roles in enumerate(people)]) == missing

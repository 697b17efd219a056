"""Properties that hold for every question, whatever the policy: nothing ever widens."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.policy import load_policy, tightened
from agent_runtime.verdict import Operator, Slot, Verdict
from tests.policy.declared import TOOLS, ApproveRefund, ask, facts_of, policy

POLICIES = Path(__file__).parents[2] / "policies"
REFUND = load_policy(POLICIES, "refund", TOOLS)
STRICTNESS = {"allow": 0, "needs_approval": 1, "deny": 2}

CENTS = st.decimals(0, 2_000, places=2)
CONFIDENCE = st.decimals(0, 1, places=4)
RAISED: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "confidence": CONFIDENCE,
        "unverified_quotes": st.integers(0, 2),
        "contradictions": st.integers(0, 2),
        "context_large": st.booleans(),
        "retries": st.integers(0, 5),
        "stale_evidence": st.integers(0, 2),
        "asks_for_person": st.booleans(),
        "amount_difference": st.decimals(0, 1, places=3),
    },
)
ROLES = st.sampled_from(["lead", "finance", "legal"])
SLOTS = st.dictionaries(ROLES, st.integers(1, 3), min_size=1)


def as_verdict(slots: dict[str, int]) -> Verdict:
    """A verdict that demands these slots."""
    demanded = tuple(Slot(role=role, count=count) for role, count in sorted(slots.items()))
    return Verdict(kind="needs_approval", slots=demanded)


VERDICTS = st.one_of(
    st.sampled_from([Verdict(kind="allow"), Verdict(kind="deny")]), SLOTS.map(as_verdict)
)


def demands(verdict: Verdict) -> dict[str, int]:
    """How many of each role a verdict demands."""
    return {slot.role: slot.count for slot in verdict.slots}


def at_least_as_strict(one: Verdict, other: Verdict) -> bool:
    """Whether `one` lets nothing pass that `other` wouldn't."""
    if one.kind != other.kind:
        return STRICTNESS[one.kind] > STRICTNESS[other.kind]
    mine = demands(one)
    return all(mine.get(role, 0) >= count for role, count in demands(other).items())


@given(CENTS, RAISED)
def test_signals_never_widen(amount: Decimal, signals: dict[str, Any]) -> None:
    """No signal lets anything pass that a proposal without a doubt wouldn't."""
    clean = REFUND.judge(ask(facts_of(amount)))
    assert at_least_as_strict(REFUND.judge(ask(facts_of(amount), signals=signals)), clean)


@given(CENTS, CONFIDENCE, CONFIDENCE)
def test_confidence_never_widens(amount: Decimal, one: Decimal, other: Decimal) -> None:
    """Of two proposals the more confident is judged no more strictly, and full confidence no
    more leniently than bare confidence."""
    low, high = sorted((one, other))
    verdicts = [
        REFUND.judge(ask(facts_of(amount), signals={"confidence": confidence}))
        for confidence in (low, high, Decimal("0.70"), Decimal(1))
    ]
    assert at_least_as_strict(verdicts[0], verdicts[1])
    assert verdicts[2] == verdicts[3]


@given(CENTS, CENTS)
def test_larger_amounts_are_never_easier(one: Decimal, other: Decimal) -> None:
    """A larger refund needs at least as much as a smaller one, unless that is of nothing."""
    low, high = sorted((one, other))
    kinds = [STRICTNESS[REFUND.judge(ask(facts_of(amount))).kind] for amount in (low, high)]
    assert kinds[0] <= kinds[1] or low == 0


@given(st.decimals(-1_000, 1_000, places=9))
def test_inexact_decimals_deny(amount: Decimal) -> None:
    """An amount of more than four places is denied in facts, arguments and signals alike."""
    exact = amount == amount.quantize(Decimal("0.0001"))
    given_amount = ApproveRefund(order_id="#W1", amount=amount)
    questions = [
        ask(facts_of(amount)),
        ask(arguments=given_amount),
        ask(signals={"amount_difference": amount}),
    ]
    for question in questions:
        failed = REFUND.judge(question).rules == ("runtime:policy-error",)
        assert failed is not exact


@given(st.sampled_from(["owner", "amount", "status", "flagged", "version"]), CENTS)
def test_missing_facts_deny(field: str, amount: Decimal) -> None:
    """A fact that is missing denies, and no yes counts, whatever the rest says."""
    facts = facts_of(amount)
    partial = {name: value for name, value in facts if name != field}
    question = ask(facts.model_construct(**partial))
    assert REFUND.judge(question).rules == ("runtime:policy-error",)
    assert not REFUND.counts(Operator(name="finn", roles=("finance",)), question).counts


@given(st.lists(SLOTS, min_size=1, max_size=4))
def test_slots_are_monotone(rules: list[dict[str, int]]) -> None:
    """One more matching request rule never takes a slot away, and adds nothing of its own."""
    verdicts = []
    text = ""
    for number, slots in enumerate(rules):
        approvers = ",".join(f"{role}:{count}" for role, count in slots.items())
        text += f'@id("r{number}") @approvers("{approvers}") '
        text += 'permit (principal, action == Action::"request:approve_refund", resource);\n'
        verdicts.append(policy(text).judge(ask()))
    for fewer, more in itertools.pairwise(verdicts):
        assert at_least_as_strict(more, fewer)
    highest = {role: max(r.get(role, 0) for r in rules) for slots in rules for role in slots}
    assert demands(verdicts[-1]) == highest


@given(VERDICTS, VERDICTS)
def test_tightened_only_narrows(earlier: Verdict, now: Verdict) -> None:
    """The result is at least as strict as both, and tightening again changes nothing."""
    result = tightened(earlier, now)
    assert at_least_as_strict(result, earlier)
    assert at_least_as_strict(result, now)
    assert tightened(result, now) == result


@given(st.lists(st.sampled_from(["ann", "bob", "sam"]), max_size=3), st.sampled_from("ab"))
def test_nobody_counts_twice(decided_by: list[str], letter: str) -> None:
    """A person counts exactly when they neither started the run nor said yes before."""
    name = {"a": "ann", "b": "sam"}[letter]
    question = ask(facts_of("5000.00"), started_by="sam")
    ruling = REFUND.counts(Operator(name=name, roles=("finance",)), question, decided_by)
    assert ruling.counts is (name not in decided_by and name != "sam")

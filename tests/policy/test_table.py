"""Decision tables: what they read, what they compare, what they say when it differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_runtime.policy import load_policy, run_table, signals_of
from tests.policy.declared import REQUEST, TOOLS, UNATTENDED, policy

POLICIES = Path(__file__).parents[2] / "policies"
RULES = policy(UNATTENDED + REQUEST)
CASE = {
    "name": "small",
    "tool": "approve_refund",
    "input": {"order_id": "#W1"},
    "facts": {
        "owner": "mara",
        "amount": "50.00",
        "status": "delivered",
        "flagged": False,
        "version": 1,
    },
    "expect": "allow",
}


def failures(*cases: dict[str, Any]) -> list[str]:
    """What a table of these cases, each changed from a plain one, fails with."""
    return run_table(RULES, TOOLS, yaml.safe_dump([{**CASE, **case} for case in cases]))


@pytest.mark.parametrize("name", ["refund", "after_sales"])
def test_shipped_tables(name: str) -> None:
    """The shipped policies answer as their decision tables say."""
    text = (POLICIES / f"{name}.tests.yaml").read_text()
    assert run_table(load_policy(POLICIES, name, TOOLS), TOOLS, text) == []


def test_wrong_verdict() -> None:
    """A case that is judged otherwise fails with the rules that decided."""
    assert failures({"expect": "deny"}) == ["small: expected deny, got allow (unattended)"]


def test_rules_are_those_that_decided() -> None:
    """An expected rule must have decided; a forbid that kept it from running unattended did."""
    doubted = {"signals": {"confidence": "0.5"}, "expect": "needs_approval"}
    assert failures({**doubted, "rules": ["ask-lead", "base-not-confident"]}) == []
    assert failures({**doubted, "rules": ["unattended"]}) == [
        "small: rule unattended did not decide"
    ]


def test_slots_are_exact() -> None:
    """Expected slots are neither more nor fewer than those demanded."""
    doubted = {"signals": {"asks_for_person": True}, "expect": "needs_approval"}
    assert failures({**doubted, "slots": ["support_lead:1"]}) == []
    assert failures({**doubted, "slots": []})[0].endswith("slots [], got ['support_lead:1']")


def test_people() -> None:
    """A case says whose yes counts, and by which rule it doesn't."""
    lead = {"operator": "lea", "roles": ["support_lead"]}
    twice = {**lead, "decided_by": ["lea"], "rules": ["base-approver-decided-already"]}
    assert failures({"approve": [{**lead, "counts": True}, {**twice, "counts": False}]}) == []
    assert failures({"approve": [{**lead, "counts": False, "rules": ["x"]}]}) == [
        "small: lea's yes: rule x did not decide",
        "small: lea's yes counts (lead-may)",
    ]


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ({"tool": "pay_out"}, "small: there is no write tool 'pay_out'"),
        ({"input": {}}, "small: approve_refund: order_id: Field required"),
        ({"facts": {"owner": "mara"}}, "small: 4 validation errors for RefundFacts"),
        ({"signals": {"confidance": 1}}, "small: 1 validation error for Signals"),
        ({"expct": "deny"}, "case 0.expct: Extra inputs are not permitted"),
        ({"expect": "allowed"}, "case 0.expect: Input should be"),
        ({"approve": [{"operator": "lea"}]}, "case 0.approve.0.counts: Field required"),
    ],
)
def test_faulty_case(case: dict[str, Any], problem: str) -> None:
    """A case that doesn't fit is a failure with its name or place, never skipped."""
    assert problem in "\n".join(failures(case))


@pytest.mark.parametrize("text", ["", "[]", "name: small", "- [", "- {}"])
def test_unreadable_table(text: str) -> None:
    """A table without cases, or that isn't one, fails."""
    assert len(run_table(RULES, TOOLS, text)) == 1


def test_doubled_names() -> None:
    """Two cases of one name fail: one of them would hide the other's failure."""
    assert "two cases are named 'small'" in failures({}, {})[0]


@pytest.mark.parametrize(
    ("given", "raised"),
    [
        ({"confidence": "0.69"}, "confident"),
        ({"retries": 3}, "retried_repeatedly"),
        ({"stale_evidence": 1}, "clean"),
        ({"amount_difference": "0.006"}, "clean"),
        ({"context_large": True}, "context_large"),
    ],
)
def test_partial_signals(given: dict[str, Any], raised: str) -> None:
    """What is left out of a case's signals follows from what is given."""
    plain, signals = signals_of({}), signals_of(given)
    assert plain.clean
    assert not signals.clean
    assert getattr(plain, raised) != getattr(signals, raised)

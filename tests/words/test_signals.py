"""Signals: what the runtime measures about a proposal, one table row each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agent_runtime.action import ProposedAction
from agent_runtime.envelope import Envelope
from agent_runtime.evidence import Evidence, Shown
from agent_runtime.signal import Signals, Thresholds, compute_signals

NOW = datetime(2026, 3, 30, tzinfo=UTC)


def passage(source: str = "a", text: str = "Closing amount: 50.00", **fields: Any) -> Shown:
    own = {"source": source, "text": text, "origin": "tool", "retrieved_at": NOW}
    return Shown(**{**own, **fields})


def measure(
    *shown: Shown,
    amount: str | None = "50.00",
    stated: str | None = None,
    retries: int = 0,
    budget: int = 1_000,
    **envelope: Any,
) -> Signals:
    """The signals of an ordinary proposal with these differences."""
    action = ProposedAction(
        type="pay", target_id="a1", stated_amount=None if stated is None else Decimal(stated)
    )
    own: dict[str, Any] = {"step": "s", "status": "proposed", "confidence": 0.9, "reason": ""}
    own |= {"proposed_action": action, "evidence": (Evidence(source="a", quote="Closing"),)}
    return compute_signals(
        Envelope(**{**own, **envelope}),
        list(shown) or [passage()],
        amount=None if amount is None else Decimal(amount),
        retries=retries,
        budget=budget,
        now=NOW,
        thresholds=Thresholds(),
    )


def test_an_ordinary_proposal_is_clean() -> None:
    """No signal is raised."""
    assert measure().clean


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"confidence": 0.69}, "confident", False),
        ({"confidence": 0.699999}, "confident", False),
        ({"status": "needs_approval"}, "asks_for_person", True),
        ({"evidence": (Evidence(source="a", quote="Other"),)}, "unverified_quotes", 1),
        ({"retries": 3}, "retried_repeatedly", True),
        ({"stated": "50.006"}, "amount_difference", Decimal("0.006")),
        ({"stated": "49.00"}, "amount_difference", Decimal("1.00")),
        ({"stated": "1.00", "amount": None}, "amount_difference", Decimal("1.00")),
        ({"budget": 7}, "context_large", True),
    ],
)
def test_a_raised_signal_is_measured_and_not_clean(
    given: dict[str, Any], field: str, value: Any
) -> None:
    """Each doubt alone is enough."""
    signals = measure(**given)
    assert (getattr(signals, field), signals.clean) == (value, False)


@pytest.mark.parametrize(
    "given", [{"confidence": 0.7}, {"retries": 2}, {"stated": "50.005"}, {"stated": "49.995"}]
)
def test_up_to_the_threshold_nothing_is_raised(given: dict[str, Any]) -> None:
    """The thresholds themselves are still clean."""
    assert measure(**given).clean


def test_contradicting_sources_are_counted() -> None:
    """Two sources with two values for one field."""
    told = [passage(claims={"order.used": "0"}), passage("b", claims={"order.used": "3"})]
    assert (measure(*told).contradictions, measure(*told).clean) == (1, False)


def test_evidence_past_its_time_is_stale() -> None:
    """At the very moment it runs out, and not if the same source was read again since."""
    old, fresh = passage(stale_at=NOW), passage(stale_at=NOW + timedelta(seconds=1))
    assert (measure(old).stale_evidence, measure(old, fresh).stale_evidence) == (1, 0)
    assert measure(fresh).clean

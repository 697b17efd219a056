"""Contradictions and staleness: each written case raises its signal, and no other one does."""

from __future__ import annotations

import pytest

from agent_runtime import Claim
from agent_runtime.envelope import Envelope
from agent_runtime.errors import WorkflowError
from agent_runtime.signal import Thresholds, compute_signals
from tests.knowledge.doubts import AGED, QUIET, RAISED, Doubt
from tests.office import NOON

ENVELOPE = Envelope(step="s", status="done", confidence=0.9, reason="")


def named(doubt: Doubt) -> str:
    return doubt.name.replace(" ", "-")


@pytest.mark.parametrize("doubt", [*RAISED, *AGED, *QUIET], ids=named)
def test_a_case_raises_what_it_is_written_for(doubt: Doubt) -> None:
    """So many times, as policy sees it; what raises nothing is clean."""
    signals = compute_signals(
        ENVELOPE,
        list(doubt.shown),
        amount=None,
        retries=0,
        budget=1_000,
        now=NOON,
        thresholds=Thresholds(),
    )
    raised = (signals.contradictions, signals.stale_evidence)
    expected = {
        "contradiction": (doubt.count, 0),
        "stale": (0, doubt.count),
        None: (0, 0),
    }
    assert raised == expected[doubt.raises]
    assert signals.clean == (doubt.raises is None)


def test_there_are_enough_cases() -> None:
    """At least thirty that raise something, and thirty that raise nothing, all different."""
    assert min(len((*RAISED, *AGED)), len(QUIET)) >= 30
    names = [doubt.name for doubt in (*RAISED, *AGED, *QUIET)]
    assert len(set(names)) == len(names)


def test_a_claim_that_reads_nothing_is_an_error_of_the_author() -> None:
    """It would never find a contradiction."""
    for pattern in ("within days", "within (days"):
        with pytest.raises(WorkflowError, match="window"):
            Claim("window", pattern)

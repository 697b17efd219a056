"""Signals: facts that the runtime computes about an envelope and hands to policy."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import TypedDict

from pydantic import BaseModel, ConfigDict

from agent_runtime.envelope import Envelope
from agent_runtime.evidence import (
    Shown,
    Withdrawn,
    contradictions,
    outdated,
    stale,
    unverified,
)
from agent_runtime.guard import Finding
from agent_runtime.provenance import Provenance

UNTRACED = Provenance(asked_for=False, from_tools=True)
"""Of values that nobody looked at."""


class Thresholds(BaseModel):
    """When a signal counts as raised.

    `context_share`: of the step's token budget; a bundle that nearly fills it dilutes what
    matters. `retries` counts malformed envelopes and impossible proposals together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence: Decimal = Decimal("0.70")
    context_share: Decimal = Decimal("0.80")
    retries: int = 3


class Signals(BaseModel):
    """What the runtime measured about one proposal.

    `amount_difference` is |stated - computed| where the proposal states an amount; with nothing
    computed, whatever is stated differs. `asks_for_person`: the proposer itself wants a person.
    `asked_for`, `from_tools`: where the action's values come from (`provenance.py`); no doubt by
    themselves, they are there for policies that let run unattended only what was asked for.
    `guards`: those that found something in a draft, and `findings` what, in words. `repeated`: the
    run has done this very action before, or may have.
    `clean`: no signal is raised.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence: Decimal
    confident: bool
    unverified_quotes: int
    contradictions: int
    context_tokens: int
    context_large: bool
    retries: int
    retried_repeatedly: bool
    stale_evidence: int
    asks_for_person: bool = False
    asked_for: bool = False
    from_tools: bool = True
    guards: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    repeated: bool = False
    amount_difference: Decimal | None = None
    clean: bool


def compute_signals(
    envelope: Envelope,
    shown: list[Shown],
    *,
    amount: Decimal | None,
    retries: int,
    budget: int,
    now: datetime,
    thresholds: Thresholds,
    provenance: Provenance = UNTRACED,
    findings: tuple[Finding, ...] = (),
    withdrawn: tuple[Withdrawn, ...] = (),
    repeated: bool = False,
) -> Signals:
    """Measure one proposal against everything shown in its run.

    `amount` is the computed one, `budget` the step's in tokens; `withdrawn`: what documents no
    longer stand for, which is stale whatever its age.
    """
    # Rounded down: rounding up would lift a proposal over the threshold that it misses.
    confidence = Decimal(str(envelope.confidence)).quantize(Decimal("0.0001"), ROUND_DOWN)
    tokens = sum(passage.tokens for passage in shown)
    measured = Signals(
        confidence=confidence,
        confident=confidence >= thresholds.confidence,
        **_doubts(envelope, shown, now, withdrawn),
        context_tokens=tokens,
        context_large=tokens > thresholds.context_share * budget,
        retries=retries,
        retried_repeatedly=retries >= thresholds.retries,
        asks_for_person=envelope.status == "needs_approval",
        asked_for=provenance.asked_for,
        from_tools=provenance.from_tools,
        guards=tuple(sorted({finding.guard for finding in findings})),
        findings=tuple(f"{finding.guard}: {finding.text}" for finding in findings),
        repeated=repeated,
        amount_difference=_difference(envelope, amount),
        clean=False,
    )
    return measured.model_copy(update={"clean": is_clean(measured)})


class _Doubts(TypedDict):
    unverified_quotes: int
    contradictions: int
    stale_evidence: int


def _doubts(
    envelope: Envelope, shown: list[Shown], now: datetime, withdrawn: tuple[Withdrawn, ...]
) -> _Doubts:
    """How much of the evidence is to be doubted."""
    gone = {one.document for one in withdrawn}
    return {
        "unverified_quotes": len(unverified(envelope.evidence, shown)),
        "contradictions": len(contradictions(shown)),
        "stale_evidence": len({*stale(shown, now), *outdated(shown), *gone}),
    }


def is_clean(signals: Signals) -> bool:
    """Whether none is raised."""
    difference = signals.amount_difference
    return signals.confident and not any(
        (
            signals.unverified_quotes,
            signals.contradictions,
            signals.stale_evidence,
            signals.context_large,
            signals.retried_repeatedly,
            signals.asks_for_person,
            signals.findings,
            signals.repeated,
            difference is not None and difference > Decimal("0.005"),
        )
    )


def _difference(envelope: Envelope, amount: Decimal | None) -> Decimal | None:
    proposed = envelope.proposed_action
    if proposed is None or proposed.stated_amount is None:
        return None
    return abs(proposed.stated_amount - (amount or Decimal(0)))

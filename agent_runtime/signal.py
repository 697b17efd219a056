"""Signals: facts that the runtime computes about an envelope and hands to policy."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from pydantic import BaseModel, ConfigDict

from agent_runtime.envelope import Envelope
from agent_runtime.evidence import (
    Shown,
    contradictions,
    count_tokens,
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
    `guards`: those that found something in a draft, and `findings` what, in words.
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
) -> Signals:
    """Measure one proposal against everything shown in its run.

    `amount` is the computed one, `budget` the step's in tokens.
    """
    # Rounded down: rounding up would lift a proposal over the threshold that it misses.
    confidence = Decimal(str(envelope.confidence)).quantize(Decimal("0.0001"), ROUND_DOWN)
    tokens = sum(count_tokens(passage.text) for passage in shown)
    quotes = len(unverified(envelope.evidence, shown))
    conflicts = len(contradictions(shown))
    old = len({*stale(shown, now), *outdated(shown)})
    difference = _difference(envelope, amount)
    raised = (
        confidence < thresholds.confidence,
        tokens > thresholds.context_share * budget,
        retries >= thresholds.retries,
    )
    asks = envelope.status == "needs_approval"
    wrong_amount = difference is not None and difference > Decimal("0.005")
    return Signals(
        confidence=confidence,
        confident=not raised[0],
        unverified_quotes=quotes,
        contradictions=conflicts,
        context_tokens=tokens,
        context_large=raised[1],
        retries=retries,
        retried_repeatedly=raised[2],
        stale_evidence=old,
        asks_for_person=asks,
        asked_for=provenance.asked_for,
        from_tools=provenance.from_tools,
        guards=tuple(sorted({finding.guard for finding in findings})),
        findings=tuple(f"{finding.guard}: {finding.text}" for finding in findings),
        amount_difference=difference,
        clean=not any((*raised, asks, quotes, conflicts, old, wrong_amount, findings)),
    )


def _difference(envelope: Envelope, amount: Decimal | None) -> Decimal | None:
    proposed = envelope.proposed_action
    if proposed is None or proposed.stated_amount is None:
        return None
    return abs(proposed.stated_amount - (amount or Decimal(0)))

"""What a report holds: the same for people, for programs and for a page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.run import RunState
from agent_runtime.topology import Topology

HIDDEN = "(content is left out)"


class Told(BaseModel):
    """The base of what follows: frozen, with no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PassageTold(Told):
    """One passage that was shown. `text` is None where it was pruned."""

    hash: str
    source: str = ""
    tool: str = ""
    version: str = ""
    retrieved_at: datetime | None = None
    text: str | None = None


class DisputeTold(Told):
    """A field about which sources contradict each other: what each of them says."""

    field: str
    said: tuple[tuple[str, str], ...]


class BundleTold(Told):
    """What reasoning was shown, and what was left out and why. `disputed`: what its sources
    contradict each other about; `stale`: those whose time had passed, or that tell of a record as
    it was before."""

    at: datetime
    tokens: int
    budget: int
    shown: tuple[PassageTold, ...]
    left_out: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...] = ()
    disputed: tuple[DisputeTold, ...] = ()
    stale: tuple[str, ...] = ()


class ExchangeTold(Told):
    """One exchange with a model; `millis` and `cost` (billionths) where they are known. `batched`:
    it went by the provider's batch endpoint."""

    at: datetime
    producer: str
    prompt: tuple[dict[str, Any], ...]
    answer: Any
    outcome: str = ""
    millis: int | None = None
    tokens: int | None = None
    cost: int | None = None
    batched: bool = False


class EnvelopeTold(Told):
    """One node's envelope."""

    at: datetime
    node: str
    status: str
    confidence: float
    reason: str
    producer: str
    evidence: tuple[dict[str, Any], ...]
    action: dict[str, Any] | None


class VerdictTold(Told):
    """The gate's answer with all that it rests on."""

    at: datetime
    kind: str
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    action: dict[str, Any]
    action_digest: str
    facts: dict[str, Any]
    signals: dict[str, Any]
    policy: str | None


class AnswerTold(Told):
    """One person's answer to a question."""

    by: str
    roles: tuple[str, ...]
    kind: str
    reason: str
    arguments: dict[str, Any] | None
    channel: str
    at: datetime


class QuestionTold(Told):
    """One question to people: who was asked, who answered, and what closed it."""

    id: str
    status: str
    asked: tuple[str, ...]
    digest: str
    action: dict[str, Any]
    facts: dict[str, Any]
    asked_at: datetime
    deadline: datetime
    closed_at: datetime | None
    closed_by: str | None
    answers: tuple[AnswerTold, ...]


class ActTold(Told):
    """One call of a write tool, or a right to it that was taken back (`voided`)."""

    tool: str
    state: str
    key: str = ""
    result: Any = None
    at: datetime
    settled_at: datetime | None = None
    why: str = ""


class VisitTold(Told):
    """One visit of a step, in the order of its nodes."""

    step: str
    visit: int
    bundles: tuple[BundleTold, ...]
    exchanges: tuple[ExchangeTold, ...]
    envelopes: tuple[EnvelopeTold, ...]
    verdict: VerdictTold | None
    questions: tuple[QuestionTold, ...]
    acts: tuple[ActTold, ...]


class TurnTold(Told):
    """What the run itself went through: queued, claimed, waiting, resumed, ended; by whom."""

    at: datetime
    type: str
    by: str
    words: str


class CostTold(Told):
    """What models took. `money` in billionths of the price table's currency; None: not known."""

    calls: int
    tokens: int
    money: int | None
    millis: int


class Report(Told):
    """One run. `working` and `waiting` are seconds; `origin`: where it was forked from.

    Without `content`, texts, arguments, facts and results are left out; ids and digests stay.
    """

    run: str
    tenant: str
    workflow: str
    version: str
    label: str
    state: RunState
    reason: str
    trigger: dict[str, Any]
    input: dict[str, Any]
    origin: dict[str, Any] | None
    started_at: datetime
    ended_at: datetime | None
    working: float
    waiting: float
    cost: CostTold | None
    visits: tuple[VisitTold, ...]
    turns: tuple[TurnTold, ...]
    topology: Topology | None
    content: bool = True

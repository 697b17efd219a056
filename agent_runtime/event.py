"""Events: the append-only history, chained by hash over salted digests of their bodies."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import canonical, digest

EventType = Literal[
    "run.queued",
    "run.claimed",
    "run.paused",
    "run.waits",
    "run.resumed",
    "run.forked",
    "run.migrated",
    "run.ended",
    "run.pruned",
    "data.restored",
    "history.acknowledged",
    "bundle.assembled",
    "envelope.emitted",
    "model.failed",
    "model.heard",
    "model.batched",
    "step.skipped",
    "tool.called",
    "tool.failed",
    "tool.refused",
    "gate.judged",
    "approval.requested",
    "approval.opened",
    "approval.decided",
    "approval.closed",
    "approval.held",
    "approval.undone",
    "approval.claimed",
    "approval.released",
    "approval.delegated",
    "approval.commented",
    "approval.reminded",
    "action.authorized",
    "action.voided",
    "action.intended",
    "action.executed",
    "action.settled",
    "schedule.created",
    "schedule.changed",
    "schedule.paused",
    "schedule.resumed",
    "schedule.removed",
    "schedule.skipped",
    "subscription.created",
    "subscription.removed",
    "notice.dead",
    "notice.resent",
    "access.refused",
    "token.created",
    "token.revoked",
    "policy.proposed",
    "policy.activated",
    "knowledge.added",
    "knowledge.removed",
    "tenant.created",
    "tenant.exported",
    "tenant.erased",
    "trigger.created",
    "trigger.changed",
    "trigger.removed",
    "shadow.watched",
    "shadow.compared",
    "outcome.recorded",
    "label.given",
    "run.graded",
    "rollout.started",
    "rollout.ended",
    "alert.raised",
    "alert.ended",
    "runs.exported",
]

HALTS: frozenset[EventType] = frozenset({"run.paused", "run.waits", "run.ended"})
"""Events after which a run stands still: what those who wait for one want to hear of."""

GENESIS = "sha256:" + "0" * 64
"""What the first event of a tenant names as the one before it."""


class Event(BaseModel):
    """One line of history. `body` is None once it has been pruned; the chain still holds.

    `number` counts per tenant from 1; `hash` covers everything but the body, which is bound by
    `body_digest`, a digest over the body and a random salt.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    tenant: str
    run_id: str | None
    type: EventType
    at: datetime
    body: dict[str, Any] | None
    body_digest: str
    previous: str
    hash: str


class Head(BaseModel):
    """The end of one tenant's chain: what an anchor outside the database keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    number: int
    hash: str


class Verification(BaseModel):
    """The outcome of verifying one tenant's chain; `problem` is empty when it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    events: int
    head: str
    anchored: bool
    problem: str = ""
    erased: str = ""
    """Of a tenant that was erased: when and by whom. Of its chain only the head is known."""


def digest_body(salt: str, body: dict[str, Any]) -> str:
    """Salted, so that a guessable body cannot be confirmed from its digest once it is erased."""
    return digest_text(salt, canonical(body))


def digest_text(salt: str, text: bytes) -> str:
    """The digest of a body whose canonical text is known."""
    return "sha256:" + hashlib.sha256(salt.encode() + text).hexdigest()


def link(
    tenant: str, number: int, run_id: str | None, kind: str, at: str, body_digest: str, before: str
) -> str:
    """The hash of one event, over itself and the hash of the one before it."""
    return digest([tenant, number, run_id or "", kind, at, body_digest, before])

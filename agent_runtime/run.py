"""Runs: one execution of a workflow, and the states it goes through."""

from __future__ import annotations

import os
import time
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.trigger import Trigger

EndState = Literal["completed", "rejected", "failed", "cancelled", "expired"]
WaitState = Literal["paused", "needs_attention", "version_mismatch", "outcome_unknown"]
RunState = Literal[
    "queued",
    "running",
    "paused",
    "needs_attention",
    "version_mismatch",
    "outcome_unknown",
    "completed",
    "rejected",
    "failed",
    "cancelled",
    "expired",
]
"""queued: may be claimed; running: a worker owns it; paused: people are asked; needs_attention:
a person resumes or cancels; version_mismatch: newer code cannot resume it; outcome_unknown: a
person says whether the lost call happened; the others are ends."""

ENDS: frozenset[RunState] = frozenset({"completed", "rejected", "failed", "cancelled", "expired"})


Entry = Literal["context", "reasoning", "gate"]
"""A node that a fork may begin at."""


class Origin(BaseModel):
    """Where a fork comes from: another run, before a visit of one of its steps, at a `node`.
    `edits` names what was changed; a rehearsal's effects are stubbed. `state` is the hash of the
    graph's state that it starts with, `prompts` those of other texts by name; `model` is asked in
    place of every other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    step: str
    visit: int
    by: str
    node: Entry = "context"
    edits: tuple[str, ...] = ()
    rehearsal: bool = False
    state: str = ""
    prompts: dict[str, str] = {}
    model: str = ""

    def __str__(self) -> str:
        edited = f", with other {', '.join(self.edits)}" if self.edits else ""
        rehearsed = ", a rehearsal" if self.rehearsal else ""
        return f"forked from {self.run}/{self.step} by {self.by}{edited}{rehearsed}"


class Run(BaseModel):
    """One run as stored. `epoch` rises with every claim; `reason` says why it waits or ended.

    Queued, it may be claimed from `ready_at` on, of several the one with the highest `priority`
    first; `tries` counts the attempts in a row that failed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: str
    workflow: str
    version: str
    state: RunState
    input: dict[str, Any]
    trigger: Trigger
    epoch: int
    owner: str | None = None
    lease_until: datetime | None = None
    trace: str = ""
    reason: str = ""
    priority: int = 0
    ready_at: datetime | None = None
    tries: int = 0
    origin: Origin | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def is_delayed(self) -> bool:
        """Whether it was queued to be claimed later: then it has a timer."""
        since = self.updated_at
        return self.state == "queued" and self.ready_at is not None and self.ready_at > since

    def is_ready(self, now: datetime) -> bool:
        """Whether it is queued and its time has come.

        What was ready when it was queued stays so when the clock goes back; so does a retry.
        """
        at, since = self.ready_at or self.created_at, self.updated_at
        retried = self.tries > 0 and since > now
        return self.state == "queued" and (at <= now or at <= since or retried)


def new_id(prefix: str) -> str:
    """A random id that sorts by time of making: `prefix-` and 20 characters."""
    stamp = int(time.time() * 1000)
    return f"{prefix}-{stamp:011x}{os.urandom(5).hex()[:9]}"

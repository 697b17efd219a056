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


class Run(BaseModel):
    """One run as stored. `epoch` rises with every claim; `reason` says why it waits or ended."""

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
    created_at: datetime
    updated_at: datetime


def new_id(prefix: str) -> str:
    """A random id that sorts by time of making: `prefix-` and 20 characters."""
    stamp = int(time.time() * 1000)
    return f"{prefix}-{stamp:011x}{os.urandom(5).hex()[:9]}"

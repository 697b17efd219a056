"""The queue: which run is worked on next, by whom, and when it is tried again.

A run's row is its job, so that a decision and the wake-up it leads to commit together. A nudge
only wakes whoever waits: one too many, one too late or one lost does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from agent_runtime.evidence import Document
from agent_runtime.run import Run, RunState, new_id
from agent_runtime.store import Session
from agent_runtime.store.timers import TimerKind
from agent_runtime.trigger import Trigger
from agent_runtime.version import Version

IsGone = Callable[[str | None], bool]
"""Whether an owner is known to be dead, however long its lease still lasts."""


@dataclass(frozen=True)
class Job:
    """A claim: who holds this epoch may write for the run until a higher one is given out."""

    tenant: str
    run_id: str
    epoch: int


@dataclass(frozen=True)
class Limits:
    """What may be worked on at once: running runs by workflow and of any one tenant, over all
    processes; and how many runs of one workflow a tenant may have taken up per second."""

    workflows: Mapping[str, int] = field(default_factory=dict)
    per_tenant: int | None = None
    starts_per_second: float | None = None


UNLIMITED = Limits()


@dataclass(frozen=True)
class Stats:
    """How full the queue is, over all tenants. `delayed`: queued, but not to be claimed yet."""

    ready: int
    delayed: int
    running: int
    oldest_ready: float
    """Seconds that the first of the ready runs has waited; 0 when none is ready."""


class Queue(Protocol):
    """The contract; tests/queue/ holds every implementation against it.

    The job is the run, its trigger key the key that deduplicates. Claims go by priority, highest
    first, then in the order of `ready_at`. Of any number of claimers one gets a run, and each
    claim has a higher epoch than the one before. heartbeat, done, retry and park raise
    LostOwnership, with nothing stored, once the claim has lapsed and was given to another.
    Times come from an injected clock, whose jumps neither lose a job nor hand it out twice.
    """

    def nudge(self) -> None:
        """Wake whoever waits in this process."""
        ...

    async def wait(self, until: datetime | None, patience: float) -> bool:
        """Sleep until nudged, until another process has changed something (seen within 250 ms),
        or until the clock reaches `until` or goes back; false if `patience` seconds ended first."""
        ...

    def timer(self) -> datetime | None:
        """When time alone makes something ready or due next."""
        ...

    def due(self) -> list[tuple[str, TimerKind]]:
        """The kinds of timers that are due, with their tenants; delayed runs are `claim`'s."""
        ...

    def asking(self) -> list[str]:
        """The tenants that have open questions."""
        ...

    async def claim(self, owner: str, limits: Limits = UNLIMITED) -> Job | None:
        """Take the first ready run that the limits allow, in one transaction."""
        ...

    async def heartbeat(self, job: Job) -> None:
        """Keep the claim for another lease."""
        ...

    async def done(self, job: Job, state: RunState, reason: str = "") -> Run:
        """Give the claim back with the run in its next state; its failures are forgotten."""
        ...

    async def retry(self, job: Job, delay: timedelta, reason: str) -> Run:
        """Give the claim back after a failure; the run is ready again after the delay."""
        ...

    async def park(self, job: Job, reason: str) -> Run:
        """Give the claim back for good: the run waits for a person."""
        ...

    async def reap(self, is_gone: IsGone) -> list[Job]:
        """Take claims from owners that are gone or let their lease pass, and queue their runs
        again, or park those that have failed too often; returns the claims that were ended."""
        ...

    def stats(self) -> Stats:
        """How full the queue is."""
        ...


def put(
    session: Session,
    version: Version,
    inputs: dict[str, Any],
    trigger: Trigger,
    trace: str,
    *,
    documents: Sequence[Document] = (),
    at: datetime | None = None,
    priority: int = 0,
    told: dict[str, Any] | None = None,
) -> Run:
    """Queue a new run and say so in its history; its input is valid, its trigger key is free.

    `told`: the input as history may tell it, where that is less than all.
    """
    run = Run(
        id=new_id("run"),
        tenant=session.tenant,
        workflow=version.workflow,
        version=version.id,
        state="queued",
        input=inputs,
        trigger=trigger,
        epoch=0,
        trace=trace,
        priority=priority,
        ready_at=at or session.now,
        created_at=session.now,
        updated_at=session.now,
    )
    session.versions.keep(version)
    session.runs.insert(run, documents)
    body: dict[str, Any] = {"workflow": run.workflow, "version": run.version}
    body["input"] = inputs if told is None else told
    session.events.append("run.queued", run.id, **body, trigger=trigger.model_dump())
    return run


def take(
    session: Session, run_id: str, owner: str, lease: float, *, take_over: bool = False
) -> Run:
    """Claim one run and say so in its history; raises Conflict when it cannot be claimed."""
    until = session.now + timedelta(seconds=lease)
    run = session.runs.claim(run_id, owner, until, take_over=take_over)
    session.events.append("run.claimed", run_id, epoch=run.epoch, owner=owner)
    return run

"""The queue over all files of an installation: each file has its own, in one order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from agent_runtime.errors import StoreError
from agent_runtime.queue import UNLIMITED, IsGone, Job, Limits, Stats
from agent_runtime.queue.sqlite import SqliteQueue
from agent_runtime.run import Run, RunState
from agent_runtime.store import Store
from agent_runtime.store.timers import TimerKind
from agent_runtime.telemetry import log

T = TypeVar("T")

TICK = 0.15
"""Seconds between two looks for changes by other processes: wakes them within 250 ms, and costs
seven statements a second that read no table."""


class FilesQueue:
    """The queue of one process on an installation's store; `lease` is in seconds.

    The limit on a workflow counts the runs of all files: while several processes claim in different
    files at the same moment, each may go beyond it by one.
    """

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._queues: dict[Store, SqliteQueue] = {}
        self._failing: set[SqliteQueue] = set()
        """Those that were said to fail, once."""
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """See `Queue.nudge`."""
        self._nudged.set()

    async def wait(self, until: datetime | None, patience: float) -> bool:
        """See `Queue.wait`."""
        end = time.monotonic() + patience
        while not self._stirred(until):
            left = end - time.monotonic()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(min(TICK, left)):
                    await self._nudged.wait()
        self._nudged.clear()
        return True

    def timer(self) -> datetime | None:
        """See `Queue.timer`."""
        return min(filter(None, self._each(SqliteQueue.timer)), default=None)

    def due(self) -> list[tuple[str, TimerKind]]:
        """See `Queue.due`."""
        found = [one for due in self._each(SqliteQueue.due) for one in due]
        return [(tenant, kind) for tenant, kind in found if self._store.serves(tenant)]

    def asking(self) -> list[str]:
        """See `Queue.asking`."""
        found = [tenant for asking in self._each(SqliteQueue.asking) for tenant in asking]
        return [tenant for tenant in found if self._store.serves(tenant)]

    async def claim(self, owner: str, limits: Limits = UNLIMITED) -> Job | None:
        """See `Queue.claim`."""
        queues = self._all()
        if len(queues) == 1:
            return await queues[0].claim(owner, limits)
        own = {
            one: _left(limits, [other for other in queues if other is not one]) for one in queues
        }
        placed = self._each(lambda queue: (queue.place(own[queue]), queue))
        waiting = [(place, queue) for place, queue in placed if place is not None]
        for _, queue in sorted(waiting, key=lambda one: one[0]):
            try:
                job = await queue.claim(owner, own[queue])
            except StoreError as error:
                self._put_up_with(queue, error)
                continue
            if job is not None:  # else another process was faster
                return job
        return None

    async def heartbeat(self, job: Job) -> None:
        """See `Queue.heartbeat`."""
        await self._of(job).heartbeat(job)

    async def done(self, job: Job, state: RunState, reason: str = "") -> Run:
        """See `Queue.done`."""
        return await self._of(job).done(job, state, reason)

    async def retry(self, job: Job, delay: timedelta, reason: str) -> Run:
        """See `Queue.retry`."""
        return await self._of(job).retry(job, delay, reason)

    async def park(self, job: Job, reason: str) -> Run:
        """See `Queue.park`."""
        return await self._of(job).park(job, reason)

    async def reap(self, is_gone: IsGone) -> list[Job]:
        """See `Queue.reap`."""
        found: list[Job] = []
        for queue in self._all():
            try:
                found += await queue.reap(is_gone)
            except StoreError as error:
                self._put_up_with(queue, error)
        return found

    def stats(self) -> Stats:
        """See `Queue.stats`."""
        found = self._each(SqliteQueue.stats)
        return Stats(
            ready=sum(one.ready for one in found),
            delayed=sum(one.delayed for one in found),
            running=sum(one.running for one in found),
            oldest_ready=max(one.oldest_ready for one in found),
        )

    def _stirred(self, until: datetime | None) -> bool:
        """Whether there is anything to look at in any file; each of them has to be asked."""
        return any(self._each(lambda queue: queue.stirred(until))) or self._nudged.is_set()

    def _each(self, ask: Callable[[SqliteQueue], T]) -> list[T]:
        found: list[T] = []
        for queue in self._all():
            try:
                found.append(ask(queue))
            except StoreError as error:
                self._put_up_with(queue, error)
        return found

    def _put_up_with(self, queue: SqliteQueue, error: StoreError) -> None:
        """A file that fails keeps its own tenant waiting; the main one is everybody's: then this
        raises the error."""
        if queue is self._at(self._store):
            raise error
        if queue not in self._failing:
            self._failing.add(queue)
            log("a tenant's file fails", file=queue.name, error=error.code)

    def _of(self, job: Job) -> SqliteQueue:
        return self._at(self._store.of(job.tenant))

    def _all(self) -> list[SqliteQueue]:
        return [self._at(store) for store in self._store.all()]

    def _at(self, store: Store) -> SqliteQueue:
        found = self._queues.get(store)
        if found is None:
            found = self._queues[store] = SqliteQueue(store, self._lease)
        return found


def _left(limits: Limits, others: list[SqliteQueue]) -> Limits:
    """What a file's share of the limits is, beside what runs in the others."""
    if not limits.workflows or not others:
        return limits
    running = [other.running() for other in others]
    left = {
        name: most - sum(counts.get(name, 0) for counts in running)
        for name, most in limits.workflows.items()
    }
    return replace(limits, workflows=left)

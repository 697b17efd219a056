"""The keeper: keeps the sums up with the history, beside the runs and never in their way.

It reads a portion of events, works out what they add, and stores that with the number of the last
one in one short transaction, unless somebody else has counted them meanwhile. So it can be killed
at any moment, and run in any number of processes: each event is counted once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from agent_runtime.errors import AgentRuntimeError
from agent_runtime.evaluation.course import dump, load
from agent_runtime.evaluation.fold import COUNTED, Fold
from agent_runtime.event import Event
from agent_runtime.store import Session, Store
from agent_runtime.store.retention import stored_tenants
from agent_runtime.telemetry import log

PORTION = 500
"""Events at a time: what is read and worked out between two turns of the event loop."""

QUIET = 1.0
"""Seconds between an event and the sums that it is in: many events are counted together."""

REST = 50
"""How many times as long as it worked a follower rests: it takes a fiftieth of one processor."""
LONGEST_REST = 60.0


Then = Callable[[str], Awaitable[object]]


class Keeper:
    """Keeps up all tenants' sums in one file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep_up(self, tenant: str, most: int | None = None) -> int:
        """Count what is not counted yet, `most` events of it; returns how many are left."""
        done = 0
        while most is None or done < most:
            session = self._store.read(tenant)
            before, head = session.measures.cursor(), session.measures.head()
            if before >= head:
                break
            after = min(head, before + PORTION)
            await self._count(tenant, before, after)
            done += after - before
        measures = self._store.read(tenant).measures
        return measures.head() - measures.cursor()

    async def _count(self, tenant: str, before: int, after: int) -> None:
        session = self._store.read(tenant)
        happened = session.measures.happened(before, after, COUNTED)
        known = session.measures.courses({event.run_id for event in happened})
        ended = [event.run_id for event in happened if event.type == "run.ended"]
        spent = session.measures.spent(ended)
        courses_so_far = {run_id: load(text) for run_id, text in known.items()}
        fold = Fold(courses_so_far, spent, session.rollouts.find())
        for event in happened:
            fold.add(event)
        courses = {run_id: dump(fold.courses[run_id]) for run_id in fold.touched}

        def keep(session: Session) -> bool:
            return session.measures.keep(before, after, fold.sums, courses)

        await self._store.write(tenant, keep)


class Follower:
    """Has the sums kept up while a process works: a while after something has happened. `then` is
    done with each tenant whose sums have changed."""

    def __init__(self, store: Store, keeper: Keeper, then: Sequence[Then] = ()) -> None:
        self._store = store
        self._keeper = keeper
        self._then = then
        self._waiting: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Follow the history, beginning with what happened before."""
        self._store.listeners.append(self._hear)
        for file in self._store.all():
            self._waiting.update(stored_tenants(file.read_across().connection))
        self._set_out()

    async def end(self) -> None:
        """Stop; whoever comes next goes on from there."""
        with suppress(ValueError):  # it had not begun
            self._store.listeners.remove(self._hear)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _hear(self, event: Event) -> None:
        self._waiting.add(event.tenant)
        self._set_out()

    def _set_out(self) -> None:
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        rest = QUIET
        while self._waiting:
            await asyncio.sleep(rest)
            tenants, self._waiting = self._waiting, set()
            worked = time.thread_time()
            for tenant in sorted(tenants):
                try:
                    await self._keeper.keep_up(tenant)
                    for follow in self._then:
                        await follow(tenant)
                except AgentRuntimeError as error:  # erased meanwhile, or its disk is full
                    log("sums could not be kept up", tenant=tenant, error=error.code)
            rest = min(LONGEST_REST, max(QUIET, REST * (time.thread_time() - worked)))

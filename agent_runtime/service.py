"""The worker service: takes runs up as they get ready, beside any number of other processes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, assert_never

from agent_runtime.errors import (
    AgentRuntimeError,
    LostOwnership,
    ModelUnavailable,
    StoreError,
)
from agent_runtime.evaluation.keeper import Follower
from agent_runtime.event import Event, EventType
from agent_runtime.figures import Reading
from agent_runtime.queue import UNLIMITED, Job, Limits, Queue
from agent_runtime.queue.files import FilesQueue
from agent_runtime.queue.owner import is_gone
from agent_runtime.queue.retry import backoff
from agent_runtime.retention import prune
from agent_runtime.roots import Roots
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.store import Session
from agent_runtime.store.retention import stored_tenants
from agent_runtime.store.timers import INSTALLATION, TimerKind
from agent_runtime.telemetry import log
from agent_runtime.verdict import Operator
from agent_runtime.worker import Halt

ROUND = 1.0
"""Seconds between two looks for workers that died: a dead process changes nothing in the file."""

DAY = timedelta(days=1)
PRUNE = "prune"
"""What the upkeep's timer is about."""

STIRRING: frozenset[EventType] = frozenset(
    {
        "run.queued",
        "run.resumed",
        "action.settled",
        "approval.opened",
        "approval.closed",
        "approval.held",
        "approval.undone",
        "schedule.created",
        "schedule.changed",
        "schedule.resumed",
    }
)
"""Events of this process that may make a run ready or set a timer."""


class Service:
    """Drives what is ready, `concurrency` segments at a time; a paused run costs it nothing.

    `grace`: seconds that it goes on with what it holds once it is told to stop. `owner`: what its
    claims name, ending in host and process. `follow`: takes over what others have put in force.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        concurrency: int = 4,
        limits: Limits = UNLIMITED,
        grace: float = 10.0,
        rng: random.Random | None = None,
        owner: str | None = None,
        follow: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._runtime = runtime
        self._follow = follow
        self._store = runtime.store
        self._worker = runtime.worker
        self._owner = owner or runtime.worker.name
        self._pending = runtime.pending
        self._desk = runtime.desk
        self._timetable = runtime.timetable
        watching = (runtime.trials.review, runtime.alarms.review)
        self._follower = Follower(runtime.store, runtime.keeper, watching)
        self._roots = Roots(runtime.store, runtime.telemetry, runtime.worker.name)
        self._queue: Queue = FilesQueue(runtime.store, runtime.worker.lease)
        self._concurrency = concurrency
        self._limits = limits
        self._grace = grace
        self._rng = rng or random.SystemRandom()
        self._held: set[asyncio.Task[None]] = set()
        self._upkeep: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, *, once: bool = False) -> None:
        """Work until told to stop; `once`: until nothing is ready and nothing is held."""
        self._store.listeners.append(self._hear)
        watcher = asyncio.create_task(self._watch(stop))
        try:
            await self._review()
            await self._timetable.declare()
            await self._set_upkeep()
            self._follower.begin()
            await self._roots.begin()
            self._runtime.telemetry.measure(Reading(self._store))
            while not stop.is_set():
                whole = await self._turn(stop)
                if once and whole and not self._held and not self._upkeep:
                    break
                await self._sleep(stop)
        finally:
            watcher.cancel()
            self._store.listeners.remove(self._hear)
            await self._follower.end()
            await self._roots.end()
            await self._leave()

    async def _turn(self, stop: asyncio.Event) -> bool:
        """Let time take effect, then take up what is ready. A fault of the installation, such as
        a full disk, is for the next turn to try again: then this is false."""
        try:
            if self._follow is not None:
                await self._follow()
            await self._queue.reap(is_gone)
            await self._fire()
            while len(self._held) < self._concurrency and not stop.is_set():
                job = await self._queue.claim(self._owner, self._limits)
                if job is None:
                    break
                self._hold(job)
        except StoreError as error:
            log("worker turn failed", error=error.code)
            await asyncio.sleep(ROUND)
            self._queue.nudge()
            return False
        return True

    async def _fire(self) -> None:
        """Let timers take effect; one that cannot keeps nothing else back."""
        for tenant, kind in self._queue.due():
            try:
                await self._let(tenant, kind)
            except StoreError:
                raise
            except AgentRuntimeError as error:
                log("timer without effect", kind=kind, error=error.code)

    async def _let(self, tenant: str, kind: TimerKind) -> None:
        match kind:
            case "deadline":
                await self._pending.expire(tenant)
            case "hold":
                await self._desk.take_effect(tenant)
            case "reminder":
                await self._desk.remind(tenant)
            case "schedule":
                await self._timetable.fire(tenant)
            case "upkeep":
                await (self._keep_up() if tenant == INSTALLATION else self._read_again(tenant))
            case "notice":
                self._deliver(tenant)
            case "batch":
                for work in await self._runtime.batches.set_out(tenant):
                    self._beside(work)
            case "start":  # the claim takes it away
                pass
            case _:
                assert_never(kind)

    def _deliver(self, tenant: str) -> None:
        """Tell others beside the runs: nobody waits for a slow receiver."""
        for task in self._runtime.courier.set_out(tenant):
            self._upkeep.add(task)
            task.add_done_callback(self._end_upkeep)

    async def _set_upkeep(self) -> None:
        """Where the settings bound how long content is kept, prune now and once a day."""
        wanted = bool(self._runtime.terms())

        def put(session: Session) -> None:
            if not wanted:
                session.timers.drop("upkeep", PRUNE)
            elif session.timers.get("upkeep", PRUNE) is None:
                session.timers.set("upkeep", PRUNE, session.now)

        stands = self._store.read(INSTALLATION).timers.get("upkeep", PRUNE) is not None
        if stands != wanted:
            await self._store.write(INSTALLATION, put)

    async def _keep_up(self) -> None:
        """Prune beside the runs, unless another process has taken today's turn."""

        def take(session: Session) -> bool:
            if session.timers.fire("upkeep", PRUNE) is None:
                return False
            session.timers.set("upkeep", PRUNE, session.now + DAY)
            return True

        if await self._store.write(INSTALLATION, take):
            self._beside(self._prune())

    async def _read_again(self, tenant: str) -> None:
        """Look at the files of sources that are due, unless another process does."""
        if await self._runtime.library.take_turn(tenant):
            self._beside(self._refresh(tenant))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._upkeep.add(task)
        task.add_done_callback(self._end_upkeep)

    def _end_upkeep(self, task: asyncio.Task[None]) -> None:
        self._upkeep.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log("upkeep failed", error=type(task.exception()).__name__)
        self._queue.nudge()

    async def _prune(self) -> None:
        try:
            given = self._runtime.terms()
            files = [store.read_across().connection for store in self._store.all()]
            for tenant in [tenant for file in files for tenant in stored_tenants(file)]:
                pruner = Operator(name="the settings", tenant=tenant)
                done = await prune(self._store, pruner, given, lambda: None)
                log("pruned", tenant=tenant, runs=len(done.runs), bytes=done.bytes)
        except AgentRuntimeError as error:
            log("pruning failed", error=error.code)  # the next day's turn tries again

    async def _refresh(self, tenant: str) -> None:
        library = self._runtime.library
        try:
            found = [entry.state async for entry in library.refresh(tenant, "worker")]
            with suppress(ModelUnavailable):  # found by words until the endpoint answers
                await self._runtime.retriever.embed_missing(tenant)
            await library.end_turn(tenant)
            lost = found.count("missing") + found.count("refused")
            log("knowledge refreshed", tenant=tenant, sources=len(found), lost=lost)
        except AgentRuntimeError as error:
            log("refreshing failed", error=error.code)  # its turn comes again

    async def _sleep(self, stop: asyncio.Event) -> None:
        """Until something stirs. Meanwhile only the dead are looked for: they cannot stir."""
        try:
            until = self._queue.timer()
            while not await self._queue.wait(until, ROUND):
                if stop.is_set() or await self._queue.reap(is_gone):
                    return
        except StoreError as error:
            log("worker wait failed", error=error.code)
            await asyncio.sleep(ROUND)

    def _hold(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job))
        self._held.add(task)
        task.add_done_callback(self._drop)

    def _drop(self, task: asyncio.Task[None]) -> None:
        self._held.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log("segment failed", error=type(task.exception()).__name__)
        self._queue.nudge()

    async def _work(self, job: Job) -> None:
        """Drive one claim to its next pause or end."""
        run = self._store.read(job.tenant).runs.get(job.run_id)
        if run.epoch != job.epoch:
            # Asleep since the claim: what stands there now is another worker's right, not ours.
            log("run was taken over", run, epoch=job.epoch)
            return
        try:
            await self._settle(job, run, await self._worker.work(run))
        except LostOwnership:
            log("run was taken over", run, epoch=job.epoch)
        except StoreError as error:
            # Nothing says any more that we hold it: its lease passes, and it is taken up again.
            log("run could not be settled", run, epoch=job.epoch, error=error.code)

    async def _settle(self, job: Job, run: Run, halt: Halt) -> None:
        if not halt.transient:
            settled = await self._worker.conclude(run, halt)
            if isinstance(settled, Run):
                return
            halt = settled
        delay = backoff(run.tries + 1, self._rng)
        if delay is None:
            await self._queue.park(job, f"{halt.reason} That was attempt {run.tries + 1}.")
        else:
            await self._queue.retry(job, delay, halt.reason)

    async def _review(self) -> None:
        """Policies are read when a process starts: that is when open questions may be outdated."""
        for tenant in self._queue.asking():
            await self._pending.review(tenant)

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._queue.nudge()

    def _hear(self, event: Event) -> None:
        if event.type in STIRRING:
            self._queue.nudge()

    async def _leave(self) -> None:
        """Finish what is held within the grace period, and hand back the rest."""
        if self._held:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(self._held, timeout=self._grace)
        for task in [*self._held, *self._upkeep]:
            task.cancel()
        await asyncio.gather(*self._held, *self._upkeep, return_exceptions=True)

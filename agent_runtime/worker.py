"""The worker: claims a run and drives one segment of it, up to a pause or its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from traceback import extract_tb
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt, StateSnapshot
from pydantic import ValidationError

from agent_runtime.checkpoint import LANE, Saver, holding
from agent_runtime.errors import (
    AgentRuntimeError,
    Conflict,
    LostOwnership,
    NeedsAttention,
    OutcomeUnknown,
    StoreError,
)
from agent_runtime.graph import RECURSION_LIMIT, Graph, compile_graph
from agent_runtime.installation import Installation
from agent_runtime.models.parking import WAITS, Parked, park
from agent_runtime.queue import take
from agent_runtime.queue.owner import is_gone, this_process
from agent_runtime.queue.retry import is_transient
from agent_runtime.reentry import reentry
from agent_runtime.run import ENDS, Run, RunState
from agent_runtime.segment import Segment
from agent_runtime.standing import Standing, begin, migrated, stands_at
from agent_runtime.store import Lane, Session
from agent_runtime.store.approvals import PENDING
from agent_runtime.store.batches import Line
from agent_runtime.telemetry import log
from agent_runtime.version import mismatch
from agent_runtime.workflow import END_STATES

TOLD = ["outcome", "envelope", "feedback"]
"""What of its state an invocation of the graph gives back."""


@dataclass(frozen=True)
class Halt:
    """How a segment ended: the run's next state and why; `interrupt` when it parked.

    `transient`: the same segment may succeed later without anybody's doing. `lane`: what the
    segment has posted must be committed for this to be true; `line`: it waits for that one's batch.
    """

    state: RunState
    reason: str = ""
    interrupt: Interrupt | None = None
    transient: bool = False
    lane: Lane | None = None
    line: Line | None = None


class Worker:
    """Drives runs of one installation; `graphs` are its compiled workflows by name."""

    def __init__(
        self, installation: Installation, graphs: Mapping[str, Graph], saver: Saver
    ) -> None:
        self._in = installation
        self._graphs = graphs
        self._saver = saver
        self._name = this_process()

    @property
    def name(self) -> str:
        """The owner that its claims name: host and process."""
        return self._name

    @property
    def lease(self) -> float:
        """Seconds that a claim lasts unless it is renewed."""
        return self._in.lease

    async def drive(self, tenant: str, run_id: str) -> Run:
        """Claim the run and advance it; returns it parked, waiting or ended.

        Raises Conflict when it cannot be claimed, LostOwnership when it was taken over.
        """
        run = await self._claim(tenant, run_id)
        settled = await self.conclude(run, await self.work(run))
        return settled if isinstance(settled, Run) else await self.settle(run, settled)

    async def work(self, run: Run) -> Halt:
        """Advance a claimed run; what that led to is still to be settled.

        Cancelled, it hands the run back.
        """
        lane = self._in.store.lane(run.tenant, run.id, run.epoch)
        try:
            with self._kept(run), self._in.telemetry.segment(run) as span:
                halt = await self._advance(run, lane)
                span.set_attribute("agent_runtime.run.state", halt.state)
        except asyncio.CancelledError:
            lane.send()
            await asyncio.shield(self.settle(run, Halt("queued", "The worker was stopped.")))
            raise
        return halt

    def may_claim(self, run: Run) -> bool:
        """Whether nobody is working on a run that is ready or was being driven."""
        now = self._in.clock.now()
        lapsed = run.lease_until is not None and run.lease_until <= now
        return run.is_ready(now) or (run.state == "running" and (lapsed or is_gone(run.owner)))

    async def state_of(self, run: Run) -> StateSnapshot:
        """The graph's latest checkpoint of a run."""
        return await self._graphs[run.workflow].aget_state(config_of(run))

    def history(self, run: Run) -> AsyncIterator[StateSnapshot]:
        """The checkpoints of a run, the newest first."""
        return self._graphs[run.workflow].aget_state_history(config_of(run))

    def new_trace(self) -> str:
        """Plan the trace of a new run."""
        return self._in.telemetry.new_trace()

    async def _claim(self, tenant: str, run_id: str) -> Run:
        def claim(session: Session) -> Run:
            try:
                return take(session, run_id, self._name, self._in.lease)
            except Conflict:
                if not is_gone(session.runs.get(run_id).owner):
                    raise
                return take(session, run_id, self._name, self._in.lease, take_over=True)

        return await self._in.store.write(tenant, claim)

    @contextmanager
    def _kept(self, run: Run) -> Iterator[None]:
        """Renew the lease while the segment works; most end before the first beat."""
        loop, beats = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        timer: asyncio.TimerHandle | None = None

        def wait() -> None:
            nonlocal timer
            timer = loop.call_later(self._in.lease / 3, beat)

        def beat() -> None:
            task = loop.create_task(self._renew(run))
            beats.add(task)
            task.add_done_callback(beats.discard)
            wait()

        wait()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    async def _renew(self, run: Run) -> None:
        # A lock in the way of one beat leaves time for the next; who lost the run learns it from
        # the next write.
        with suppress(StoreError, LostOwnership):
            until = timedelta(seconds=self._in.lease)
            await self._in.store.write(
                run.tenant, lambda s: s.runs.renew(run.id, run.epoch, s.now + until)
            )

    async def _advance(self, run: Run, lane: Lane) -> Halt:
        if run.workflow not in self._graphs:
            return Halt("version_mismatch", f"This app has no workflow {run.workflow!r} any more.")
        try:
            halt = await self._step_graph(self._in.segment(run, lane))
        except LostOwnership:
            raise
        except Parked as parked:
            return Halt("queued", WAITS, lane=lane, line=parked.line)
        except Exception as error:  # noqa: BLE001 — the graph has returned, so no pause passes here;
            # a fault in an author's code must leave the run where a person finds it.
            with suppress(StoreError):
                await lane.settled()
            return self._halt(error)
        return replace(halt, lane=lane)

    def _halt(self, error: Exception) -> Halt:
        """Where an error that ended a segment leaves its run."""
        match error:
            case OutcomeUnknown():
                return Halt("outcome_unknown", str(error))
            case NeedsAttention():
                return Halt("needs_attention", str(error))
            case AgentRuntimeError():
                reason = f"{type(error).__name__}: {error}"
                return Halt("needs_attention", reason, transient=is_transient(error))
            case _:
                frame = _culprit(error, self._in.app.folder)
                return Halt("needs_attention", f"{type(error).__name__} in {frame}{_field(error)}")

    async def _step_graph(self, segment: Segment) -> Halt:
        """Invoke the graph until it parks or ends."""
        graph, config = self._graphs[segment.run.workflow], config_of(segment.run, segment.lane)
        # Every checkpoint is written under a claim: the first claim finds none.
        stands = None if segment.run.epoch <= 1 else await stands_at(graph, self._saver, config)
        if stands is not None:
            fits = stands.fits(segment.workflow)
            if not fits and segment.workflow.migrated(str(stands.values["step"])) is None:
                return Halt("version_mismatch", self._mismatch(segment, stands))
            if fits and stands.idle:
                return Halt(END_STATES[stands.values["outcome"]])
        while True:
            following = await self._following(segment, graph, stands)
            if isinstance(following, Halt):
                return following
            graph, payload = following
            found = holding(config, None if stands is None else stands.newest)
            values = await graph.ainvoke(
                payload, found, context=segment, durability="sync", output_keys=TOLD
            )
            parked: Interrupt | None = next(iter(values.get("__interrupt__", ())), None)
            if parked is None:
                return Halt(END_STATES[values["outcome"]], _last_words(values))
            if parked.value["approval"] in segment.asked:
                return Halt("paused", interrupt=parked)
            stands = await stands_at(graph, self._saver, config)

    async def _following(
        self, segment: Segment, graph: Graph, stands: Standing | None
    ) -> tuple[Graph, Any] | Halt:
        """What the graph is told to go on with, or that it still waits for an answer."""
        wanted = await self._wanted(segment, stands)
        if wanted is not None:
            return wanted
        if stands is None:
            return self._start(segment, graph)
        if not stands.fits(segment.workflow):
            return await self._migrate(segment, stands)
        if stands.parked is None:
            return graph, None
        wake = self._wake(segment, stands.parked)
        if wake is None:
            return Halt("paused", interrupt=stands.parked)
        return graph, Command(resume={stands.parked.id: wake})

    async def _wanted(self, segment: Segment, stands: Standing | None) -> tuple[Graph, Any] | None:
        """Where the person who resumed the run wants it to go on, if elsewhere than it stopped."""
        values = {} if stands is None else stands.values
        found = await reentry(segment, values, self.history(segment.run))
        if found is None:
            return None
        return compile_graph(segment.workflow, self._saver, entry=found.entry), found.state

    def _start(self, segment: Segment, graph: Graph) -> tuple[Graph, Any]:
        """What a run begins with: a fork with the state that it was forked with, at its step."""
        origin = segment.run.origin
        if origin is None:
            return graph, begin(segment.workflow)
        entry = f"{origin.step}.{origin.node}"
        forked = compile_graph(segment.workflow, self._saver, entry=entry)
        return forked, segment.read().recordings.content(origin.state)

    async def _migrate(self, segment: Segment, stands: Standing) -> tuple[Graph, Any]:
        """Go on at the declared step of this version; what was asked or allowed before is void."""
        run, workflow, step = segment.run, segment.workflow, str(stands.values["step"])
        to, version = workflow.migrated(step) or step, self._in.app.version(run.workflow)

        def migrate(session: Session) -> None:
            for asked in session.approvals.find([*PENDING, "approved"], run_id=run.id):
                right = session.journal.right(run.id, asked.step, asked.visit)
                if right is None or session.journal.entry(right.id) is None:
                    session.approvals.close(asked.id, "voided", "migration")
                    body = {"approval": asked.id, "status": "voided", "by": "migration"}
                    session.events.append("approval.closed", run.id, **body)
            session.versions.keep(version)
            session.runs.repin(run.id, version.id)
            body = {"from_version": run.version, "to_version": version.id}
            session.events.append("run.migrated", run.id, **body, step=step, to=to)

        await segment.write(migrate)
        entered = compile_graph(workflow, self._saver, entry=f"{to}.context")
        return entered, migrated(stands.values, workflow, step, to)

    def _mismatch(self, segment: Segment, stands: Standing) -> str:
        """What differs from the version that the run was started under."""
        run, step = segment.run, str(stands.values["step"])
        before = segment.read().versions.get(run.workflow, run.version)
        return mismatch(step, before, self._in.app.version(run.workflow))

    def _wake(self, segment: Segment, parked: Interrupt) -> dict[str, str] | None:
        """What the graph is told of the question that it is parked at, once it is answered."""
        approvals = segment.read().approvals
        approval = approvals.get(parked.value["approval"])
        while approval.replaced_by is not None:
            approval = approvals.get(approval.replaced_by)
        if approval.status in PENDING:
            return None
        return {"approval": approval.id, "status": approval.status}

    async def conclude(self, run: Run, halt: Halt) -> Run | Halt:
        """Settle, or say how the segment ended instead where what it posted was not stored."""
        try:
            return await self.settle(run, halt)
        except StoreError as error:
            if halt.lane is None:
                raise
            return self._halt(error)

    async def settle(self, run: Run, halt: Halt) -> Run:
        """Store how the segment ended and give the claim back, in one commit."""

        def settle(session: Session) -> Run:
            if halt.interrupt is not None:
                _open(session, run, halt.interrupt)
            moved = _moved(session, run, halt)
            if halt.state in ENDS:
                session.events.append("run.ended", run.id, state=halt.state, reason=halt.reason)
                if self._in.telemetry.exports:
                    session.traces.owe(run.id, self._name)
            elif halt.state == "paused":
                session.events.append("run.paused", run.id)
            else:
                session.events.append("run.waits", run.id, state=halt.state, reason=halt.reason)
            return moved

        lane = halt.lane or self._in.store.lane(run.tenant, run.id, run.epoch)
        moved = await lane.write(settle)
        if moved.state in ENDS:
            self._in.telemetry.ended(moved)
        log("segment ended", moved, state=moved.state, epoch=moved.epoch)
        return moved


def _moved(session: Session, run: Run, halt: Halt) -> Run:
    if halt.line is not None:
        return park(session, run, halt.line)
    return session.runs.move(run.id, halt.state, halt.reason)


def config_of(run: Run, lane: Lane | None = None) -> RunnableConfig:
    """The graph's configuration for one claim; the saver checks tenant and epoch."""
    claim: dict[str, Any] = {"thread_id": run.id, "tenant": run.tenant, "epoch": run.epoch}
    if lane is not None:
        claim[LANE] = lane
    return {"configurable": claim, "recursion_limit": RECURSION_LIMIT}


def _open(session: Session, run: Run, parked: Interrupt) -> None:
    """Open the question that the graph is parked at for decisions."""
    approval = session.approvals.get(parked.value["approval"])
    if approval.status != "requested":
        return
    session.approvals.update(approval.id, known=approval, status="open", interrupt_id=parked.id)
    body = {"approval": approval.id, "step": approval.step, "visit": approval.visit}
    session.events.append("approval.opened", run.id, **body)


def _last_words(values: dict[str, Any]) -> str:
    feedback = values.get("feedback") or []
    if values["outcome"] in ("acted", "finished"):
        return str(values.get("envelope", {}).get("reason", ""))
    return str(feedback[-1]["text"]) if feedback else ""


def _field(error: Exception) -> str:
    """Which field pydantic would not have, and why: a declared name and its own words. What a
    validator of the app says is left out, as it may repeat the value."""
    if not isinstance(error, ValidationError):
        return ""
    first = error.errors(include_url=False, include_input=False)[0]
    name = next((str(part) for part in first["loc"]), "")
    why = "" if first["type"] in {"value_error", "assertion_error"} else f": {first['msg']}"
    return f", {error.title}.{name}{why}"


def _culprit(error: Exception, folder: Path) -> str:
    """Where an unexpected error left the app's code, else where it was raised: file and line,
    never its text. A line of the standard library would tell an author nothing."""
    calls = [f"{call.filename}:{call.lineno}" for call in extract_tb(error.__traceback__)]
    own = [call for call in calls if call.startswith(f"{folder}{os.sep}")]
    return own[-1].removeprefix(f"{folder}{os.sep}") if own else (calls or ["unknown"])[-1]

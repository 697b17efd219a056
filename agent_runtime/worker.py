"""The worker: claims a run and drives one segment of it, up to a pause or its end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from traceback import extract_tb
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt, StateSnapshot

from agent_runtime.app import App
from agent_runtime.approval import Approval
from agent_runtime.clock import Clock
from agent_runtime.errors import (
    AgentRuntimeError,
    LostOwnership,
    NeedsAttention,
    OutcomeUnknown,
    SettingsError,
    StoreError,
    WorkflowError,
)
from agent_runtime.graph import RECURSION_LIMIT, Graph
from agent_runtime.models.model import Model, offline_model
from agent_runtime.queue import take
from agent_runtime.queue.retry import is_transient
from agent_runtime.run import ENDS, Run, RunState
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.store import Session, Store
from agent_runtime.store.approvals import PENDING
from agent_runtime.telemetry import Telemetry, log
from agent_runtime.tool import Resources
from agent_runtime.workflow import END_STATES, Workflow


@dataclass(frozen=True)
class Installation:
    """What every segment needs, opened once per process. `model` is None when offline."""

    app: App
    store: Store
    clock: Clock
    resources: Resources
    telemetry: Telemetry
    model: Model | None
    lease: float

    def model_for(self, step: Step) -> Model:
        """Who answers a step's prompt; raises SettingsError when nobody can."""
        if self.model is not None:
            return self.model
        if step.reasoning.offline is None:
            raise SettingsError(
                f"Step {step.name!r} has no offline rule, and no model is configured.",
                remedy="Set OPENAI_API_KEY (and OPENAI_BASE_URL for another provider).",
            )
        return offline_model(step.reasoning.offline)

    def segment(self, run: Run) -> Segment:
        """All that the nodes of one claim may use."""
        events = self.store.read(run.tenant).events
        return Segment(
            run=run,
            workflow=self.app.workflow(run.workflow),
            store=self.store,
            clock=self.clock,
            resources=self.resources,
            policies=self.app.policies,
            prompts=self.app.prompts.get(run.workflow, {}),
            model=self.model_for,
            telemetry=self.telemetry,
            grace=events.count("run.resumed", run.id),
        )


@dataclass(frozen=True)
class Halt:
    """How a segment ended: the run's next state and why; `interrupt` when it parked.

    `transient`: the same segment may succeed later without anybody's doing.
    """

    state: RunState
    reason: str = ""
    interrupt: Interrupt | None = None
    transient: bool = False


class Worker:
    """Drives runs of one installation; `graphs` are its compiled workflows by name."""

    def __init__(self, installation: Installation, graphs: Mapping[str, Graph]) -> None:
        self._in = installation
        self._graphs = graphs
        self._name = f"{socket.gethostname()}:{os.getpid()}"

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
        return await self.settle(run, await self.work(run))

    async def work(self, run: Run) -> Halt:
        """Advance a claimed run; what that led to is still to be settled.

        Cancelled, it hands the run back.
        """
        try:
            async with self._kept(run):
                with self._in.telemetry.segment(run) as span:
                    halt = await self._advance(run)
                    span.set_attribute("agent_runtime.run.state", halt.state)
        except asyncio.CancelledError:
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

    async def _claim(self, tenant: str, run_id: str) -> Run:
        before = self._in.store.read(tenant).runs.get(run_id)
        gone = is_gone(before.owner)

        def claim(session: Session) -> Run:
            # Another worker may have found the same owner gone, and be at work already.
            dead = gone and session.runs.get(run_id).owner == before.owner
            return take(session, run_id, self._name, self._in.lease, take_over=dead)

        return await self._in.store.write(tenant, claim)

    @asynccontextmanager
    async def _kept(self, run: Run) -> AsyncIterator[None]:
        """Renew the lease while the segment works."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(self._in.lease / 3)
                # A lock in the way of one beat leaves time for the next.
                with suppress(StoreError):
                    await self._in.store.write(
                        run.tenant,
                        lambda s: s.runs.renew(
                            run.id, run.epoch, s.now + timedelta(seconds=self._in.lease)
                        ),
                    )

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _advance(self, run: Run) -> Halt:
        if run.workflow not in self._graphs:
            return Halt("version_mismatch", f"This app has no workflow {run.workflow!r} any more.")
        try:
            return await self._step_graph(self._in.segment(run))
        except LostOwnership:
            raise
        except OutcomeUnknown as error:
            return Halt("outcome_unknown", str(error))
        except NeedsAttention as error:
            return Halt("needs_attention", str(error))
        except AgentRuntimeError as error:
            reason = f"{type(error).__name__}: {error}"
            return Halt("needs_attention", reason, transient=is_transient(error))
        except Exception as error:  # noqa: BLE001 — the graph has returned, so no pause passes here;
            # a fault in an author's code must leave the run where a person finds it.
            frame = _culprit(error, self._in.app.folder)
            return Halt("needs_attention", f"{type(error).__name__} in {frame}")

    async def _step_graph(self, segment: Segment) -> Halt:
        """Invoke the graph until it parks or ends."""
        graph, config = self._graphs[segment.run.workflow], config_of(segment.run)
        snapshot = await graph.aget_state(config)
        if snapshot.created_at is None:
            payload: Any = _initial(segment)
        else:
            mismatch = _mismatch(segment.workflow, snapshot)
            if mismatch:
                return Halt("version_mismatch", mismatch)
            if not snapshot.tasks:
                return Halt(END_STATES[snapshot.values["outcome"]])
            payload = None
        interrupts: Sequence[Interrupt] = snapshot.interrupts
        while True:
            if interrupts:
                parked = interrupts[0]
                answered = self._answered(segment, parked)
                if answered is None:
                    return Halt("paused", interrupt=parked)
                wake = {"approval": answered.id, "status": answered.status}
                payload = Command(resume={parked.id: wake})
            values = await graph.ainvoke(payload, config, context=segment, durability="sync")
            interrupts = values.get("__interrupt__", ())
            if not interrupts:
                return Halt(END_STATES[values["outcome"]], _last_words(values))

    def _answered(self, segment: Segment, parked: Interrupt) -> Approval | None:
        """The final form of the question that the graph is parked at, once it is answered."""
        approvals = segment.read().approvals
        approval = approvals.get(parked.value["approval"])
        while approval.replaced_by is not None:
            approval = approvals.get(approval.replaced_by)
        return None if approval.status in PENDING else approval

    async def settle(self, run: Run, halt: Halt) -> Run:
        """Store how the segment ended and give the claim back, in one commit."""

        def settle(session: Session) -> Run:
            session.runs.own(run.id, run.epoch)
            if halt.interrupt is not None:
                _open(session, run, halt.interrupt)
            moved = session.runs.move(run.id, halt.state, halt.reason)
            if halt.state in ENDS:
                session.events.append("run.ended", run.id, state=halt.state, reason=halt.reason)
            elif halt.state == "paused":
                session.events.append("run.paused", run.id)
            else:
                session.events.append("run.waits", run.id, state=halt.state, reason=halt.reason)
            return moved

        moved = await self._in.store.write(run.tenant, settle)
        if moved.state in ENDS:
            self._in.telemetry.ended(moved)
        log("segment ended", moved, state=moved.state, epoch=moved.epoch)
        return moved


def config_of(run: Run) -> RunnableConfig:
    """The graph's configuration for one claim; the saver checks tenant and epoch."""
    claim = {"thread_id": run.id, "tenant": run.tenant, "epoch": run.epoch}
    return {"configurable": claim, "recursion_limit": RECURSION_LIMIT}


def _open(session: Session, run: Run, parked: Interrupt) -> None:
    approval = session.approvals.get(parked.value["approval"])
    if approval.status != "requested":
        return
    session.approvals.update(approval.id, status="open", interrupt_id=parked.id)
    body = {"approval": approval.id, "step": approval.step, "visit": approval.visit}
    session.events.append("approval.opened", run.id, **body)


def _initial(segment: Segment) -> State:
    workflow = segment.workflow
    return {
        "step": workflow.steps[0].name,
        "contracts": {step.name: workflow.contract(step.name) for step in workflow.steps},
        "shown": [],
        "bundle": [],
        "feedback": [],
        "visits": {},
        "counts": {},
        "taken": {},
    }


def _mismatch(workflow: Workflow, snapshot: StateSnapshot) -> str:
    """What keeps this code from resuming the parked step; empty when nothing does."""
    # Not `next`, which leaves out a node whose writes are stored while the checkpoint that takes
    # them in is not: after a crash between the two the graph goes on from there.
    values = snapshot.values
    if not snapshot.tasks and values.get("route") == "end" and values.get("after") is None:
        return ""
    if "step" not in values:
        return ""  # only its input is stored: no step has begun
    parked = values["step"]
    remedy = "Deploy the version that started the run, or cancel it and start anew."
    try:
        present = workflow.contract(parked)
    except WorkflowError:
        return f"The run is parked at step {parked!r}, which this version doesn't have. {remedy}"
    if values["contracts"].get(parked) != present:
        return f"Tools, schemas or edges of step {parked!r} have changed since. {remedy}"
    if not snapshot.tasks:
        return f"The run is parked in step {parked!r} at a node this version doesn't have. {remedy}"
    return ""


def _last_words(values: dict[str, Any]) -> str:
    feedback = values.get("feedback") or []
    if values["outcome"] in ("acted", "finished"):
        return str(values.get("envelope", {}).get("reason", ""))
    return str(feedback[-1]["text"]) if feedback else ""


def is_gone(owner: str | None) -> bool:
    """Whether a run's owner was a process of this machine that no longer lives."""
    host, _, pid = (owner or "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _culprit(error: Exception, folder: Path) -> str:
    """Where an unexpected error left the app's code, else where it was raised: file and line,
    never its text. A line of the standard library would tell an author nothing."""
    calls = [f"{call.filename}:{call.lineno}" for call in extract_tb(error.__traceback__)]
    own = [call for call in calls if call.startswith(f"{folder}{os.sep}")]
    return own[-1].removeprefix(f"{folder}{os.sep}") if own else (calls or ["unknown"])[-1]

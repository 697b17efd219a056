"""Resumptions: how a person lets a stopped run go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.app import App
from agent_runtime.errors import Conflict, InvalidInput, NotFound
from agent_runtime.event import EventType
from agent_runtime.run import Run, RunState
from agent_runtime.store import Content, Session, Store
from agent_runtime.store.approvals import PENDING
from agent_runtime.verdict import Operator
from agent_runtime.worker import Worker
from agent_runtime.workflow import Workflow, validate_input

RESUME_INSTEAD: dict[RunState, str] = {
    "paused": "Answer its approval: agent-runtime approvals list",
    "outcome_unknown": "Look in the outside system, then: agent-runtime runs settle",
}
"""What to do about a run that waits, but not for being resumed."""

COMMITTED: tuple[EventType, ...] = ("approval.requested", "action.authorized", "action.intended")
"""What ties a run to its input: people were asked about it, or something was allowed or done."""

StepName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Resumption(BaseModel):
    """Why a run goes on, and from where: `retry` begins the step anew at which it stopped; `skip`
    leaves that step out, which has to be declared optional; `input` corrects fields of its input
    and begins from the start. At most one of them; without any, it goes on where it stopped."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"reason": "The warehouse answers again."},
                {"reason": "The order number had a typo.", "input": {"order_id": "order-8825"}},
            ]
        },
    )

    reason: Annotated[str, StringConstraints(max_length=2_000)] = ""
    retry: StepName | None = None
    skip: StepName | None = None
    input: Annotated[dict[FieldName, Any], Field(max_length=100)] = {}

    @property
    def ways(self) -> list[str]:
        """The fields by which it says to go on otherwise than where it stopped."""
        return [name for name in ("retry", "skip", "input") if getattr(self, name)]

    @property
    def plain(self) -> bool:
        """Whether it goes on where it stopped."""
        return not self.ways


WHERE_IT_STOPPED = Resumption()


@dataclass(frozen=True)
class Stop:
    """Where a run stopped: the step and its node. `optional`: it may be left out; `correctable`:
    nobody has relied on the run's input yet."""

    step: str
    node: str
    optional: bool
    correctable: bool

    @property
    def acting(self) -> bool:
        """Whether it stopped with a right in its hand, and goes on with that alone."""
        return self.node == "action"


def began_with(session: Session, run: Run, inputs: Mapping[str, Any]) -> bool:
    """Whether a run was started with this input: a repeated start is the same one, whatever a
    person has corrected since."""
    told = [event.body or {} for event in session.events.of("run.resumed", run.id)]
    before = [body["input"]["before"] for body in told if "input" in body]
    return Content.of(inputs).hash == before[0] if before else run.input == inputs


async def resume(
    store: Store, app: App, worker: Worker, run_id: str, operator: Operator, wanted: Resumption
) -> Run:
    """Queue a stopped run again; see `Runtime.resume`."""
    run = store.read(operator.tenant).runs.get(run_id)
    if len(wanted.ways) > 1:
        raise InvalidInput(wanted.ways[1], wanted.ways, "name one of retry, skip and input")
    if not wanted.plain:
        stop = await stop_of(store, app, worker, run)
        _require_possible(run, app.workflow(run.workflow), stop, wanted)

    def resume(session: Session) -> Run:
        run = session.runs.get(run_id)
        if wanted.plain and run.state in ("queued", "running"):
            return run
        _require_stopped(run, wanted)
        how = {} if wanted.plain else _prepare(session, run, app, wanted, operator)
        body = {"by": operator.name, "reason": wanted.reason, **how}
        session.events.append("run.resumed", run_id, **body)
        return session.runs.move(run_id, "queued")

    return await store.write(operator.tenant, resume)


def _require_stopped(run: Run, wanted: Resumption) -> None:
    waiting = ("needs_attention", "version_mismatch") if wanted.plain else ("needs_attention",)
    if run.state not in waiting:
        raise Conflict(
            f"Run {run.id} is {run.state}; there is nothing to resume.",
            remedy=RESUME_INSTEAD.get(run.state, ""),
        )


async def stop_of(store: Store, app: App, worker: Worker, run: Run) -> Stop:
    """Where the run goes on by itself: before its first checkpoint, at its beginning."""
    workflow = app.workflow(run.workflow)
    following = [node for node in (await worker.state_of(run)).next if "." in node]
    step, _, node = (following or [f"{workflow.steps[0].name}.context"])[0].rpartition(".")
    return Stop(
        step,
        node,
        optional=any(one.name == step and one.reasoning.optional for one in workflow.steps),
        correctable=not _reliance(store.read(run.tenant), run),
    )


def _reliance(session: Session, run: Run) -> str:
    """What ties a run to its input; empty where nothing does."""
    if run.origin is not None:
        return "it is a fork"
    relied = [kind for kind in COMMITTED if session.events.count(kind, run.id)]
    return f"its history has {relied[0]}" if relied else ""


def _require_possible(run: Run, workflow: Workflow, stop: Stop, wanted: Resumption) -> None:
    """Raises NotFound, Conflict or InvalidInput that says what keeps it from going on so."""
    _require_stopped(run, wanted)
    if not wanted.reason.strip():
        raise InvalidInput("reason", wanted.reason, "is needed to go on otherwise than it stopped")
    named = wanted.retry or wanted.skip
    if named is None:
        return
    if named not in [step.name for step in workflow.steps]:
        names = ", ".join(step.name for step in workflow.steps)
        raise NotFound("step", named, remedy=f"{workflow.name} has: {names}.")
    if named != stop.step:
        raise Conflict(
            f"Run {run.id} stopped at step {stop.step!r}, not at {named!r}.",
            remedy="To begin at another step, fork it: agent-runtime runs fork",
        )
    if stop.acting:
        raise Conflict(
            f"Step {named!r} stopped while it acts: what was allowed then counts still.",
            remedy="Resume it as it is.",
        )
    if wanted.skip is not None and not stop.optional:
        raise Conflict(
            f"Step {named!r} is not declared optional; it cannot be left out.",
            remedy="Retry it, or cancel the run.",
        )


def _prepare(
    session: Session, run: Run, app: App, wanted: Resumption, operator: Operator
) -> Mapping[str, Any]:
    """What history tells of it, once what stands in its way is closed."""
    if wanted.input:
        return {"input": _correct(session, run, app.workflow(run.workflow), wanted.input)}
    for asked in session.approvals.find(PENDING, run_id=run.id):
        session.approvals.close(asked.id, "voided", operator.name)
        closed = {"approval": asked.id, "status": "voided", "by": operator.name}
        session.events.append("approval.closed", run.id, **closed)
    return {"retry": wanted.retry} if wanted.retry is not None else {"skip": wanted.skip}


def _correct(
    session: Session, run: Run, workflow: Workflow, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Store the corrected input; old and new are told by their hashes. Raises InvalidInput that
    names the field at fault, Conflict once anybody relied on the old one."""
    why = _reliance(session, run)
    if why:
        raise Conflict(
            f"The input of run {run.id} cannot be corrected any more: {why}.",
            remedy="Start another run with it, or fork this one with: --set input.FIELD=…",
        )
    corrected = validate_input(workflow, {**run.input, **fields})
    if corrected == run.input:
        raise InvalidInput("input", sorted(fields), "is what the run has already")
    before, after = (session.recordings.put(held) for held in (run.input, corrected))
    session.runs.correct(run.id, corrected)
    return {"fields": sorted(fields), "before": before, "after": after}

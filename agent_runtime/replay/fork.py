"""Forking: a new run from a step of another one, with something changed.

A fork inherits what its origin had found out, and no approval: whatever it does goes through the
gate afresh, as a run of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from agent_runtime.envelope import validate_envelope
from agent_runtime.errors import InvalidInput, NotFound, RecordingGone
from agent_runtime.evidence import Document, Shown
from agent_runtime.replay.change import with_policies
from agent_runtime.replay.edits import Edits, check_edits
from agent_runtime.replay.player import Gap
from agent_runtime.replay.stage import staged
from agent_runtime.replay.tape import load_tape
from agent_runtime.report import Report, build_report
from agent_runtime.run import Entry, Origin, Run, new_id
from agent_runtime.runtime import Runtime
from agent_runtime.settings import load_model_settings
from agent_runtime.standing import begin
from agent_runtime.state import State
from agent_runtime.store import Content, Session
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from agent_runtime.version import Version
from agent_runtime.workflow import Workflow, validate_input

FORKED = "operator"


@dataclass(frozen=True)
class Start:
    """Where a fork begins: the input, the texts handed in, the graph's state and new passages."""

    input: dict[str, Any]
    documents: tuple[Document, ...]
    state: dict[str, Any]
    contents: tuple[Content, ...]
    origin: Origin


async def fork(
    runtime: Runtime,
    run_id: str,
    step: str,
    edits: Edits,
    operator: Operator,
    *,
    visit: int | None = None,
    reason: str = "",
) -> Run:
    """Queue a new run that begins at a visit of a step (default: the first).

    Raises NotFound for a run, step or visit that is not there, InvalidInput for an edit that does
    not validate, RecordingGone where the state of then was pruned.
    """
    start = await plan_fork(runtime, run_id, step, edits, operator, visit=visit)
    trace = runtime.worker.new_trace()

    def insert(session: Session) -> Run:
        origin = session.runs.get(run_id)
        version = runtime.app.version(origin.workflow)
        made = _made(session, start, version, trace)
        for content in (*start.contents, Content.of(start.state)):
            session.recordings.put(content)
        session.versions.keep(version)
        session.runs.insert(made, start.documents)
        _tell(session, made, start.origin, reason)
        return made

    return await runtime.store.write(operator.tenant, insert)


def _made(session: Session, start: Start, version: Version, trace: str) -> Run:
    """The new run; whoever forked it has started it."""
    return Run(
        id=new_id("run"),
        tenant=session.tenant,
        workflow=version.workflow,
        version=version.id,
        state="queued",
        input=start.input,
        trigger=Trigger(kind="request", owner=start.origin.by),
        epoch=0,
        trace=trace,
        ready_at=session.now,
        origin=start.origin,
        created_at=session.now,
        updated_at=session.now,
    )


def _tell(session: Session, made: Run, origin: Origin, reason: str) -> None:
    """Say it in the history of both runs."""
    body = {"workflow": made.workflow, "version": made.version, "input": made.input}
    body |= {
        "trigger": made.trigger.model_dump(mode="json"),
        "origin": origin.model_dump(mode="json"),
    }
    session.events.append("run.queued", made.id, **body)
    named = {"to": made.id, "step": origin.step, "visit": origin.visit}
    session.events.append("run.forked", origin.run, **named, by=origin.by, reason=reason)


async def plan_fork(
    runtime: Runtime,
    run_id: str,
    step: str,
    edits: Edits,
    operator: Operator,
    *,
    visit: int | None = None,
    rehearsal: bool = False,
) -> Start:
    """What a fork would begin with; raises as `fork`."""
    session = runtime.store.read(operator.tenant)
    origin = session.runs.get(run_id)
    workflow = runtime.app.workflow(origin.workflow)
    _require_step(workflow, step)
    texts = runtime.app.prompts.get(workflow.name, {})
    check_edits(edits, workflow, texts, runtime.models, rehearsal=rehearsal)
    node = _entry(origin, step, visit, edits)
    values = await _state_at(runtime, origin, node, step, visit)
    inputs = validate_input(workflow, {**origin.input, **edits.input})
    documents = tuple(session.runs.documents(run_id))
    state, contents = _edited(session, workflow, values, step, edits, operator)
    prompts = {name: Content.of(text) for name, text in edits.prompt.items()}
    named = Origin(
        run=run_id,
        step=step,
        visit=state["visits"].get(step, 0) + (node != "gate"),
        by=operator.name,
        node=node,
        edits=edits.named,
        rehearsal=rehearsal,
        state=Content.of(state).hash,
        prompts={name: content.hash for name, content in prompts.items()},
        model=edits.model,
    )
    return Start(inputs, documents, state, (*contents, *prompts.values()), named)


def _entry(run: Run, step: str, visit: int | None, edits: Edits) -> Entry:
    """The node that a fork begins at: where its origin, a fork itself, began later in that visit,
    there too. Raises InvalidInput for an edit of what comes before that."""
    begun, order = run.origin, get_args(Entry)
    if begun is None or step != begun.step or visit not in (None, begun.visit):
        return edits.node
    if order.index(edits.node) >= order.index(begun.node):
        return edits.node
    if edits.node == "context" and not edits.input:
        return begun.node
    raise InvalidInput(
        "at",
        step,
        f"is where {run.id}, a fork itself, began with its {begun.node}: nothing comes before",
        remedy=f"Fork {begun.run}, which it comes from.",
    )


async def _state_at(
    runtime: Runtime, run: Run, node: Entry, step: str, visit: int | None
) -> Mapping[str, Any]:
    """The graph's state as the run came to a node of a step, at that visit or for the first
    time."""
    workflow = runtime.app.workflow(run.workflow)
    first = (step, node) == (workflow.steps[0].name, "context") and visit in (None, 1)
    if first and run.origin is None:
        return dict(begin(workflow))
    found: Mapping[str, Any] | None = None
    known = False
    async for snapshot in runtime.worker.history(run):
        known = True
        reached = snapshot.values.get("visits", {}).get(step, 0) + (node != "gate")
        if snapshot.next == (f"{step}.{node}",) and visit in (None, reached):
            found = snapshot.values  # the newest comes first: the last one found is the earliest
    if found is None and not known:
        raise RecordingGone(run.id, "its checkpoints were pruned")
    if found is None:
        raise NotFound(
            "visit", f"{run.id}/{step}", remedy="See where the run was: agent-runtime runs explain"
        )
    return found


async def rehearse_fork(
    runtime: Runtime,
    run_id: str,
    step: str,
    edits: Edits,
    operator: Operator,
    *,
    visit: int | None = None,
) -> Report:
    """Play a fork on the recordings of its origin, on a scratch store; raises as `fork`.

    It stops at its first question, or where the recording ends: nobody is asked, nothing is done.
    """
    start = await plan_fork(runtime, run_id, step, edits, operator, visit=visit, rehearsal=True)
    session = runtime.store.read(operator.tenant)
    tape = load_tape(session, run_id)
    names = dict.fromkeys([*start.state["shown"], *start.state["bundle"]])
    known = [session.recordings.kept(name) for name in names]
    fresh = [json.loads(content.text) for content in start.contents]
    seeds = (start.state, *(one for one in [*known, *fresh] if one is not None))
    begun = {"input": start.input, "origin": start.origin}
    forked = replace(tape, run=tape.run.model_copy(update=begun), seeds=seeds)
    if edits.model:  # what another one answered is nothing that this one said
        kept = tuple(one for one in tape.recordings if one.kind != "model")
        forked = replace(forked, recordings=kept, calls=())
    app = with_policies(runtime.app, edits.policy) if edits.policy else runtime.app
    async with staged(app, load_model_settings()) as stage:
        run = await stage.try_out(forked)
        if stage.gap is not None:
            run = run.model_copy(update={"reason": _unknown(stage.gap, edits)})
        return build_report(stage.store.read(operator.tenant), run)


def _unknown(gap: Gap, edits: Edits) -> str:
    """Where a rehearsal ended before the run did."""
    missing = f"answer of the model {edits.model!r}" if edits.model else gap.what
    return f"The recording ends here: its {missing} was never recorded. What follows is unknown."


def _require_step(workflow: Workflow, step: str) -> None:
    names = [one.name for one in workflow.steps]
    if step not in names:
        raise NotFound("step", step, remedy=f"{workflow.name} has: {', '.join(names)}.")


def _edited(
    session: Session,
    workflow: Workflow,
    values: Mapping[str, Any],
    step: str,
    edits: Edits,
    operator: Operator,
) -> tuple[dict[str, Any], tuple[Content, ...]]:
    """The state that a fork begins with, and the passages that are new in it."""
    kept = {name: value for name, value in values.items() if name in State.__annotations__}
    contracts = begin(workflow)["contracts"]
    state: dict[str, Any] = {**kept, "step": step, "contracts": contracts, "counts": {}}
    contents: list[Content] = []
    for source, text in edits.evidence.items():
        state, content = _shown(session, state, source, text)
        contents.append(content)
    if edits.envelope:
        state["envelope"] = _envelope(state, edits.envelope, operator)
    return state, tuple(contents)


def _shown(
    session: Session, state: dict[str, Any], source: str, text: str
) -> tuple[dict[str, Any], Content]:
    """The state with a person's text in place of what a source said, or beside what others did."""
    said = Shown(source=source, text=text, origin="operator", retrieved_at=session.now)
    content = Content.of(said.model_dump(mode="json"))
    kept = {}
    for channel in ("shown", "bundle"):
        names: list[str] = state[channel]
        others = [n for n in names if session.recordings.content(n)["source"] != source]
        kept[channel] = [*others, content.hash]
    return {**state, **kept}, content


def _envelope(
    state: Mapping[str, Any], fields: Mapping[str, Any], operator: Operator
) -> dict[str, Any]:
    """The reasoning envelope with other fields; raises InvalidInput that names the one at fault."""
    document = json.loads(json.dumps(state["envelope"]))
    for name, value in fields.items():
        place = document
        *path, last = name.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    document["producer"] = f"{FORKED}:{operator.name}"
    return validate_envelope(document).model_dump(mode="json", exclude_none=True)

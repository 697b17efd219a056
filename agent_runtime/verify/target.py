"""Targets: a real proposal of a workflow, with all that is recorded around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.envelope import Envelope, validate_envelope
from agent_runtime.errors import AgentRuntimeError
from agent_runtime.event import Event
from agent_runtime.replay.stage import staged
from agent_runtime.replay.tape import Tape, load_tape
from agent_runtime.run import Run
from agent_runtime.settings import ModelSettings
from agent_runtime.store import JournalEntry, Session
from agent_runtime.workflow import Workflow

LOOKED_AT = 200
"""The newest judgements among which a target is looked for."""

OWN = ("node", "visit", "producer", "route")


@dataclass(frozen=True)
class Target:
    """One run whose step proposed something that was not refused: `envelope` is the proposal."""

    tape: Tape
    step: str
    envelope: Envelope


@dataclass(frozen=True)
class Attempt:
    """What an attempt led to on the scratch store."""

    run: Run
    events: tuple[Event, ...]
    journal: tuple[JournalEntry, ...]

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """The gate's answers."""
        return [(e.body or {})["verdict"] for e in self.events if e.type == "gate.judged"]

    @property
    def refusals(self) -> list[str]:
        """Why tools were refused."""
        return [(e.body or {})["why"] for e in self.events if e.type == "tool.refused"]


def find_target(session: Session, app: App, workflow: str) -> Target | None:
    """The newest proposal of a workflow that can be tried again, if there is one that was executed
    in its first visit; None where there is none at all."""
    other: Target | None = None
    for event in reversed(session.events.judged(None, LOOKED_AT)):
        found = _target(session, app, workflow, event)
        if found is None:
            continue
        if any(f".{found.step}.1." in key for key in found.tape.executed):
            return found
        other = other or found
    return other


def _target(session: Session, app: App, workflow: str, event: Event) -> Target | None:
    body = event.body or {}
    if not body or body["verdict"]["kind"] == "deny" or body["visit"] != 1:
        return None
    run = session.runs.get(event.run_id or "")
    if run.workflow != workflow or run.origin is not None:
        return None
    try:
        app.workflow(workflow).step(body["step"])
        tape = load_tape(session, run.id)
    except AgentRuntimeError:
        return None
    proposed = _proposal(tape, body["step"])
    return None if proposed is None else Target(tape, body["step"], proposed)


async def attempt(app: App, target: Target, say: Callable[[Brief], Envelope]) -> Attempt:
    """Let the target's step say something, on the recordings around it."""
    async with staged(saying(app, target, say), ModelSettings()) as stage:
        run, _, events = await stage.try_on(target.tape)
        journal = stage.store.read(run.tenant).journal.find(run.id)
    return Attempt(run, tuple(events), tuple(journal))


def saying(app: App, target: Target, say: Callable[[Brief], Envelope]) -> App:
    """The app with the target's step in somebody else's hands."""

    def once(brief: Brief) -> Envelope:
        if brief.visit == 1:
            return say(brief)
        return Envelope(step=brief.step, status="done", confidence=0.9, reason="No more.")

    taken = _with_rule(app.workflow(target.tape.run.workflow), target.step, once)
    return replace(app, workflows={**app.workflows, taken.name: taken}, _pinned={})


def _with_rule(workflow: Workflow, step: str, rule: Callable[[Brief], Envelope]) -> Workflow:
    steps = [
        replace(one, reasoning=replace(one.reasoning, rule=rule, prompt="", batch=False))
        if one.name == step
        else one
        for one in workflow.steps
    ]
    return replace(workflow, steps=steps)


def _proposal(tape: Tape, step: str) -> Envelope | None:
    for event in tape.events:
        body = event.body or {}
        if event.type != "envelope.emitted" or body.get("node") != "reasoning":
            continue
        if body["step"] == step and body.get("proposed_action"):
            return validate_envelope({n: v for n, v in body.items() if n not in OWN})
    return None

"""Replaying: stored runs again on their recordings, compared envelope by envelope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from time import perf_counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.app import App
from agent_runtime.errors import AgentRuntimeError, RecordingDamaged, RecordingGone
from agent_runtime.event import Event
from agent_runtime.policy import PolicySet
from agent_runtime.policy.engine import BASE_FILE
from agent_runtime.replay.compare import Divergence, compare, count
from agent_runtime.replay.stage import Played, Stage, staged
from agent_runtime.replay.tape import Tape, load_tape
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.version import Version

Result = Literal["identical", "diverged", "pruned", "damaged", "unknown"]
"""identical: every event came out the same; pruned: its recordings are gone; damaged: they are not
what was stored; unknown: this app has no such workflow, or no code alone has played all of it."""


class Replayed(BaseModel):
    """One run replayed. `version` is the run's own, `present` the code's; `seconds` it took."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    workflow: str
    result: Result
    version: str
    present: str = ""
    envelopes: int = 0
    verdicts: int = 0
    digests: int = 0
    divergence: Divergence | None = None
    problem: str = ""
    seconds: float = 0.0


async def replay(
    session: Session, app: App, asking: ModelSettings, run_ids: Iterable[str]
) -> AsyncIterator[Replayed]:
    """Replay runs one after the other, under the app as it is; raises NotFound."""
    async with staged(app, asking) as stage:
        for run_id in run_ids:
            yield await replay_one(stage, session, app, run_id)


async def replay_one(stage: Stage, session: Session, app: App, run_id: str) -> Replayed:
    """Replay one run; raises NotFound."""
    run, began = session.runs.get(run_id), perf_counter()
    there = run.workflow in app.workflows
    told: dict[str, Any] = {
        "run": run.id,
        "workflow": run.workflow,
        "version": run.version,
        "present": app.version(run.workflow).id if there else "",
    }
    if not there:
        return Replayed(**told, result="unknown", problem="This app has no such workflow any more.")
    try:
        tape = load_tape(session, run_id)
    except RecordingGone as error:
        return Replayed(**told, result="pruned", problem=str(error))
    except RecordingDamaged as error:
        return Replayed(**told, result="damaged", problem=str(error))
    if tape.broken_off:
        return Replayed(**told, result="unknown", problem=tape.broken_off)
    divergence, compared = await _perform(stage, tape)
    told |= count(compared)
    return Replayed(
        **told,
        result="identical" if divergence is None else "diverged",
        divergence=divergence,
        seconds=round(perf_counter() - began, 4),
    )


def pinned(app: App, version: Version) -> App:
    """The app with the prompts and policies that a run was started under; its code is as it is.

    Raises PolicyError where the policies no longer fit the tools.
    """
    tools = {
        tool.name: tool
        for step in app.workflow(version.workflow).steps
        for tool in step.reasoning.proposes
    }
    policies = {
        name: PolicySet.load(
            name,
            {file: text for file, text in policy.texts.items() if file != BASE_FILE},
            list(tools.values()),
        )
        for name, policy in version.policies.items()
    }
    prompts = {**app.prompts, version.workflow: version.prompts}
    return replace(app, policies={**app.policies, **policies}, prompts=prompts, _pinned={})


def as_started(session: Session, app: App, run_id: str) -> App:
    """The same for one run; the app as it is where the run's workflow or version is not kept.

    Raises NotFound.
    """
    run = session.runs.get(run_id)
    version = session.versions.get(run.workflow, run.version)
    return app if version is None or run.workflow not in app.workflows else pinned(app, version)


def _compared(played: Played) -> Divergence | None:
    """The first difference of a chapter; of one that was cut off, as far as it was told."""
    told, halt = played.chapter.told, played.chapter.halt
    if halt is None:
        again = played.told[: len(told)]
        return compare(told, again, played.gap if len(again) < len(told) else None)
    return compare([*told, halt], [*played.told, *filter(None, [played.halt])], played.gap)


async def _perform(stage: Stage, tape: Tape) -> tuple[Divergence | None, list[Event]]:
    compared: list[Event] = []
    try:
        async for played in stage.play(tape):
            chapter = played.chapter
            divergence = _compared(played)
            compared += chapter.told
            if divergence is not None:
                return divergence, compared
    except AgentRuntimeError as error:
        return Divergence(what="run", replayed=str(error)), compared
    return None, compared

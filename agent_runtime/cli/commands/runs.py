"""Runs: start, list, show, resume, cancel, settle."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError

from agent_runtime.access import Act, a_run
from agent_runtime.cli.explain import event_line, next_lines, run_lines, run_row
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.operators import FILE, provide_operators
from agent_runtime.run import Run, RunState
from agent_runtime.runtime import Runtime, Settlement
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator

READY: tuple[RunState, ...] = ("queued", "running")

M = TypeVar("M", bound=BaseModel)


def start(
    place: Place,
    screen: Screen,
    workflow: str,
    inputs: dict[str, Any],
    key: str | None,
    owner: str,
    at: datetime | None,
) -> None:
    """Start a run and drive it to its first pause or its end; one for later is left to workers."""
    trigger = checked(Trigger, {"kind": "request", "owner": owner, "key": key})

    async def work(runtime: Runtime) -> Run:
        provide_operators(place.data, place.folder / FILE)
        narrate(runtime, screen)
        started = await runtime.start(workflow, inputs, trigger=trigger, at=at)
        ready = started.is_ready(runtime.clock.now())
        return await drive_on(runtime, started) if ready else started

    tell(place, screen, place.work(work, create=True))


def show_list(place: Place, screen: Screen, state: str | None) -> None:
    """List runs."""
    if state is not None and state not in get_args(RunState):
        raise InvalidInput("--state", state, f"is none of {', '.join(get_args(RunState))}")

    async def work(runtime: Runtime) -> list[Run]:
        chosen = [cast("RunState", state)] if state else []
        return runtime.store.read("default").runs.find(chosen)

    found = place.work(work)
    screen.document([run.model_dump(mode="json") for run in found])
    columns = ("run", "workflow", "state", "started (UTC)", "key", "why")
    empty = f"No run is {state}." if state else "There are no runs yet."
    screen.table(columns, [run_row(run) for run in found], empty=empty)


def show(place: Place, screen: Screen, run_id: str) -> None:
    """Explain one run."""

    async def work(runtime: Runtime) -> dict[str, Any]:
        session = runtime.store.read("default")
        return {
            "run": session.runs.get(run_id),
            "events": session.events.find(run_id),
            "approvals": session.approvals.find(run_id=run_id),
            "journal": session.journal.find(run_id),
        }

    found = place.work(work)
    listed = {name: found[name] for name in ("events", "approvals", "journal")}
    plain = {name: [item.model_dump(mode="json") for item in v] for name, v in listed.items()}
    screen.document({"run": found["run"].model_dump(mode="json"), **plain})
    screen.lines(run_lines(found["run"], **listed))
    screen.lines(next_lines(found["run"], found["approvals"]))


def resume(place: Place, screen: Screen, run_id: str | None, who: str, reason: str) -> None:
    """Drive one run, or all that are ready."""

    async def one(runtime: Runtime, chosen: str) -> list[Run]:
        narrate(runtime, screen)
        await runtime.expire()
        if runtime.store.read("default").runs.get(chosen).state not in READY:
            operator = await _admitted(runtime, place, who, "resume", chosen)
            await runtime.resume(chosen, operator, reason)
        return [await runtime.drive(chosen)]

    async def every(runtime: Runtime) -> list[Run]:
        waiting = len(runtime.store.read("default").runs.find(["queued"]))
        with screen.progress("driving runs", waiting) as advance:
            narrate(runtime, screen)
            runtime.store.listeners.append(
                lambda event: advance() if event.type in _HALTS else None
            )
            return await runtime.drive_ready()

    driven = place.work(every if run_id is None else lambda runtime: one(runtime, run_id))
    screen.document([run.model_dump(mode="json") for run in driven])
    screen.lines(f"run {run.id} is {run.state}" for run in driven)
    if not driven:
        screen.line("No run is ready.")


def cancel(place: Place, screen: Screen, run_id: str, who: str, reason: str) -> None:
    """End a run."""

    async def work(runtime: Runtime) -> Run:
        operator = await _admitted(runtime, place, who, "cancel", run_id)
        return await runtime.cancel(run_id, operator, reason)

    ended = place.work(work)
    screen.document(ended.model_dump(mode="json"))
    screen.line(f"run {ended.id} is {ended.state}")


def settle(place: Place, screen: Screen, run_id: str, how: str, who: str) -> None:
    """Settle a lost call and drive the run on."""

    async def work(runtime: Runtime) -> Run:
        operator = await _admitted(runtime, place, who, "settle", run_id)
        settled = await runtime.settle(run_id, operator, cast("Settlement", how))
        narrate(runtime, screen)
        return await drive_on(runtime, settled)

    tell(place, screen, place.work(work))


async def _admitted(runtime: Runtime, place: Place, who: str, act: Act, run_id: str) -> Operator:
    """The person chosen with --as, who may do this to that run."""
    operator = place.operator(who)
    await admit(runtime, operator, act, a_run(runtime.store.read(operator.tenant).runs.get(run_id)))
    return operator


async def drive_on(runtime: Runtime, run: Run) -> Run:
    """Drive a run that was just made ready, unless a worker was faster: then it is that one's."""
    try:
        return await runtime.drive(run.id, run.tenant)
    except Conflict:
        present = runtime.store.read(run.tenant).runs.get(run.id)
        if present.epoch == run.epoch:
            raise
        return present


def narrate(runtime: Runtime, screen: Screen) -> None:
    """Print each event as it is stored."""
    runtime.store.listeners.append(lambda event: screen.line(event_line(event)))


def tell(place: Place, screen: Screen, run: Run) -> None:
    """Where a run stands, and what can be done about it."""
    screen.document(run.model_dump(mode="json"))
    screen.line(f"run {run.id} is {run.state}{f': {run.reason}' if run.reason else ''}")
    if run.state == "paused" and not screen.as_json:

        async def asked(runtime: Runtime) -> list[str]:
            session = runtime.store.read(run.tenant)
            return next_lines(run, session.approvals.find(run_id=run.id))

        screen.lines(place.work(asked))
    else:
        screen.lines(next_lines(run, []))


def checked(model: type[M], values: dict[str, Any]) -> M:
    """The model made from a command's words; raises InvalidInput that names the word at fault."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(_WORDS.get(field, field), first["input"], first["msg"]) from error


_HALTS = frozenset({"run.paused", "run.waits", "run.ended"})
_WORDS = {"owner": "--trigger", "key": "--key", "reason": "--reason"}
"""Fields by the option that fills them."""

"""Runs: start, list, show, resume, cancel, settle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast, get_args

from pydantic import BaseModel

from agent_runtime.approval import Approval
from agent_runtime.cli.explain import next_lines, run_lines, run_row
from agent_runtime.cli.quoted import trail_lines, trail_row
from agent_runtime.cli.reading import as_json, checked
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.station import Station
from agent_runtime.errors import InvalidInput, NotPermitted
from agent_runtime.evidence import Document
from agent_runtime.run import Run, RunState

if TYPE_CHECKING:
    from agent_runtime.resumption import Resumption
    from agent_runtime.runtime import Settlement


def start(
    station: Station,
    screen: Screen,
    workflow: str,
    inputs: dict[str, Any],
    documents: Sequence[Document],
    key: str | None,
    owner: str,
    at: datetime | None,
) -> None:
    """Start a run and say where it stands."""
    run = station.start(workflow, inputs, documents, key=key, owner=owner, at=at)
    tell(station, screen, run)


def show_list(
    station: Station,
    screen: Screen,
    state: str | None,
    *,
    newest: bool,
    after: str | None,
    limit: int,
) -> None:
    """List one page of runs."""
    if state is not None and state not in get_args(RunState):
        raise InvalidInput("--state", state, f"is none of {', '.join(get_args(RunState))}")
    states = [cast("RunState", state)] if state else []
    found, more = station.runs(states, newest=newest, after=after, limit=limit)
    screen.document([run.model_dump(mode="json") for run in found])
    columns = ("run", "workflow", "state", "started (UTC)", "key", "why")
    empty = f"No run is {state}." if state else "There are no runs yet."
    screen.table(columns, [run_row(run) for run in found], empty=empty)
    if more is not None:
        screen.note(f"There are more: --after {more}")


def show(station: Station, screen: Screen, run_id: str) -> None:
    """Explain one run."""
    found = station.story(run_id)
    listed: dict[str, Sequence[BaseModel]] = {
        "events": found.events,
        "approvals": found.approvals,
        "journal": found.journal,
        "calls": found.calls,
    }
    plain = {name: [item.model_dump(mode="json") for item in v] for name, v in listed.items()}
    screen.document({"run": found.run.model_dump(mode="json"), **plain})
    told = run_lines(found.run, found.events, found.approvals, found.journal, found.calls)
    screen.lines(told)
    screen.lines(next_lines(found.run, found.approvals))


def read_resumption(
    reason: str, retry: str | None, skip: str | None, corrected: Sequence[str]
) -> Resumption:
    """How a run is to go on, by a command's words; raises InvalidInput."""
    fields: dict[str, Any] = {}
    for name, mark, text in (one.partition("=") for one in corrected):
        if not (name and mark):
            raise InvalidInput("--set", name, "is no FIELD=VALUE")
        fields[name] = as_json(text)
    told = {"reason": reason, "retry": retry, "skip": skip, "input": fields}
    from agent_runtime.resumption import Resumption

    return checked(Resumption, told)


def evidence(station: Station, screen: Screen, run_id: str, number: int | None) -> None:
    """List what a run was shown, or open one passage of it."""
    found = station.trails(run_id)
    if number is None:
        screen.document([trail.model_dump(mode="json") for trail in found])
        columns = ("n", "source", "version", "standing", "quoted", "text")
        rows = [trail_row(at, trail) for at, trail in enumerate(found, 1)]
        screen.table(columns, rows, empty="It was shown nothing that is still there.")
        return
    if not 1 <= number <= len(found):
        raise InvalidInput("N", number, f"is not 1 to {len(found)}")
    trail = found[number - 1]
    screen.document(trail.model_dump(mode="json"))
    screen.lines(trail_lines(trail))


def resume(station: Station, screen: Screen, run_id: str | None, wanted: Resumption) -> None:
    """Drive one run, or all that are ready."""
    driven = station.resume(run_id, wanted)
    screen.document([run.model_dump(mode="json") for run in driven])
    screen.lines(f"run {run.id} is {run.state}" for run in driven)
    if not driven:
        screen.line("No run is ready.")


def cancel(station: Station, screen: Screen, run_id: str, reason: str) -> None:
    """End a run."""
    ended = station.cancel(run_id, reason)
    screen.document(ended.model_dump(mode="json"))
    screen.line(f"run {ended.id} is {ended.state}")


def settle(station: Station, screen: Screen, run_id: str, how: str) -> None:
    """Settle a lost call and say where its run stands."""
    tell(station, screen, station.settle(run_id, cast("Settlement", how)))


def tell(station: Station, screen: Screen, run: Run) -> None:
    """Where a run stands, and what can be done about it."""
    screen.document(run.model_dump(mode="json"))
    screen.line(f"run {run.id} is {run.state}{f': {run.reason}' if run.reason else ''}")
    asks = run.state == "paused" and not screen.as_json
    screen.lines(next_lines(run, _asked(station, run) if asks else []))


def _asked(station: Station, run: Run) -> list[Approval]:
    """A run's questions; none for a starter, who may not see them."""
    try:
        return station.asked_by(run)
    except NotPermitted:
        return []

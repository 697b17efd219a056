"""One visit of a step: what went in, what was thought, what may be, what was done."""

from __future__ import annotations

from typing import Annotated, Any, Literal, assert_never

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from agent_runtime.access import Caller
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnRun, Site, Who
from agent_runtime.console import visit_view as seeing
from agent_runtime.console.form import SignedIn
from agent_runtime.console.page import head_of, show
from agent_runtime.console.run_view import MOST_EVENTS, proposal, topology_for
from agent_runtime.console.states import RUN_WORDS, STATUS_WORDS
from agent_runtime.console.timeline import Visit, read_timeline
from agent_runtime.console.visit_state import state_changes
from agent_runtime.disclosure import disclosed_documents
from agent_runtime.errors import NotFound
from agent_runtime.run import Run

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Readable = Annotated[Run, Depends(OnRun("read"))]
Ordinal = Annotated[int, Path(ge=1, le=1_000_000)]

Tab = Literal["envelope", "context", "model", "tools", "policy", "journal", "spans", "state"]
TABS: dict[Tab, str] = {
    "envelope": "Envelope",
    "context": "Context",
    "model": "Model",
    "tools": "Tools",
    "policy": "Policy",
    "journal": "Journal",
    "spans": "Spans",
    "state": "State",
}
PAGE = 200
"""Events of a history on one page."""


@router.get("/runs/{run_id}/steps/{step}/{number}")
async def first(
    request: Request, site: Here, caller: Who, run: Readable, step: str, number: Ordinal
) -> Response:
    """A visit, with its envelopes."""
    return await tab(request, site, caller, run, step, number, "envelope")


@router.get("/runs/{run_id}/steps/{step}/{number}/{tab}")
async def tab(
    request: Request, site: Here, caller: Who, run: Readable, step: str, number: Ordinal, tab: Tab
) -> Response:
    """One side of a visit."""
    head_of(request, caller)
    session = site.read(caller)
    line = read_timeline(session.events.latest(run.id, limit=10 * MOST_EVENTS), site.store.now())
    visit = line.find(step, number)
    if visit is None:
        raise NotFound("visit", f"{step} {number}", remedy=f"Look at /runs/{run.id}.")
    place = line.visits.index(visit)
    return show(
        request,
        "visit.html",
        run=run,
        visit=visit,
        line=line,
        before=line.visits[place - 1] if place else None,
        after=line.visits[place + 1] if place + 1 < len(line.visits) else None,
        tab=tab,
        visit_tabs=TABS,
        proposal=proposal,
        statuses=STATUS_WORDS,
        states=RUN_WORDS,
        **await _side(site, caller, run, visit, tab),
    )


async def _side(site: Site, caller: Caller, run: Run, visit: Visit, tab: Tab) -> dict[str, Any]:
    """What a side shows beside the visit itself."""
    session, given = site.read(caller), dict[str, Any]()
    match tab:
        case "envelope":
            pass
        case "context":
            given["bundles"] = seeing.bundles(session, visit)
            given["judged"] = seeing.judgements(site, session, run, visit)
        case "model":
            given["calls"] = seeing.exchanges(session, run, visit)
        case "tools":
            topology, given["note"] = topology_for(site, session, run)
            given["scopes"] = seeing.scopes(topology, visit)
        case "policy":
            given["judged"] = seeing.judgements(site, session, run, visit)
        case "journal":
            given["entries"] = seeing.entries(session, run, visit)
        case "spans":
            given["spans"] = seeing.spans(session, run, visit)
        case "state":
            given["changes"] = await state_changes(site, run, visit)
        case _:
            assert_never(tab)
    return given


@router.get("/runs/{run_id}/input")
async def given(request: Request, caller: Who, site: Here, run: Readable) -> Response:
    """What the run was started with."""
    brought = site.read(caller).runs.documents(run.id)
    documents = disclosed_documents(site.runtime.app, caller, run, brought)
    return show(request, "run_input.html", run=run, documents=documents)


@router.get("/runs/{run_id}/history")
async def history(
    request: Request,
    site: Here,
    caller: Who,
    run: Readable,
    after: Annotated[int, Query(ge=0, lt=2**53)] = 0,
) -> Response:
    """Every event of it, in order."""
    found = site.read(caller).events.find(run.id, after=after, limit=PAGE + 1)
    more = found[PAGE - 1].number if len(found) > PAGE else None
    return show(request, "run_history.html", run=run, events=found[:PAGE], more=more, after=after)

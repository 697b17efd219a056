"""Looking back and trying otherwise: a run's replay, and its fork with something changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller, a_run
from agent_runtime.api import replays as api
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnRun, Site, Who
from agent_runtime.console.compare_view import said
from agent_runtime.console.forking import changeable, changed
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import show
from agent_runtime.console.states import RUN_WORDS
from agent_runtime.console.timeline import Visit, read_timeline
from agent_runtime.errors import (
    AgentRuntimeError,
    Conflict,
    InvalidInput,
    NotFound,
    PolicyError,
    RecordingDamaged,
    RecordingGone,
)
from agent_runtime.report import Report, build_report, render_text
from agent_runtime.report.report import VisitTold
from agent_runtime.run import Run

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Readable = Annotated[Run, Depends(OnRun("read"))]
Word = Annotated[str, Query(max_length=200)]
Begun = TypeVar("Begun", bound=api.RehearseFork)

GROUPS = ("input", "evidence", "envelope", "prompt", "model", "policy")
REFUSED = (InvalidInput, NotFound, Conflict, PolicyError, RecordingGone, RecordingDamaged)


@router.post("/runs/{run_id}/replay")
async def replay(request: Request, form: Posted, run: Readable, site: Here) -> Response:
    """Run it again on its recordings, and say whether all came out the same."""
    if form.get("review"):
        return RedirectResponse(f"/runs/{run.id}", 303)
    return show(request, "replayed.html", run=run, found=await api.replay_run(run, site))


@router.get("/runs/{run_id}/fork")
async def begin(
    request: Request, run: Readable, site: Here, caller: Who, at: Word = ""
) -> Response:
    """A form: from which step, and what is to be different."""
    return _page(request, site, caller, run, Form({"at": [at]} if at else {}))


@router.post("/runs/{run_id}/fork")
async def fork(request: Request, form: Posted, site: Here, caller: Who, run_id: str) -> Response:
    """Start the fork, and go there; where that cannot be, keep what was typed."""
    run = await OnRun("resume")(run_id, request)
    if form.get("review"):
        return _page(request, site, caller, run, form)
    try:
        reason = form.get("reason").strip()
        asked = _asked(api.ForkRun, site, caller, run, form, reason=reason)
        made = await api.fork_run(run, asked, site, caller, Response())
    except REFUSED as error:
        return _page(request, site, caller, run, form, told=error)
    return RedirectResponse(f"/runs/{made.id}", 303)


@router.post("/runs/{run_id}/fork/rehearsal")
async def rehearse(
    request: Request, form: Posted, run: Readable, site: Here, caller: Who
) -> Response:
    """Play the same fork on the recordings, and show what would come of it."""
    if form.get("review"):
        return _page(request, site, caller, run, form)
    try:
        asked = _asked(api.RehearseFork, site, caller, run, form)
        now = await api.rehearse(run, asked, site, caller)
    except REFUSED as error:
        return _page(request, site, caller, run, form, told=error)
    return show(
        request,
        "rehearsed.html",
        run=run,
        found=now,
        rows=list(_beside(build_report(site.read(caller), run), now)),
        edits=asked.edits.named,
        states=RUN_WORDS,
        said=said,
        text="\n".join(render_text(now)),
    )


def _asked(
    kind: type[Begun], site: Site, caller: Caller, run: Run, form: Form, **more: str
) -> Begun:
    """What the API is asked for; raises InvalidInput."""
    visit = _chosen(_visits(site, caller, run), form)
    if visit is None:
        raise InvalidInput("at", form.get("at"), "is no step that it visited")
    edits = changed(changeable(site, site.read(caller), run, visit), form.under(""))
    return model(kind, at=visit.step, visit=visit.number, **edits, **more)


def _beside(then: Report, now: Report) -> Iterator[tuple[VisitTold, VisitTold | None]]:
    """Each visit of the rehearsal, with what it was in the run."""
    was = {(visit.step, visit.visit): visit for visit in then.visits}
    for visit in now.visits:
        yield visit, was.get((visit.step, visit.visit))


def _visits(site: Site, caller: Caller, run: Run) -> Sequence[Visit]:
    return read_timeline(site.read(caller).events.find(run.id), site.store.now()).visits


def _chosen(visits: Sequence[Visit], form: Form) -> Visit | None:
    """The visit that a fork is to begin at: the first unless another is named, by its step or as
    `step#number`."""
    at = form.get("at")
    named = [one for one in visits if at in ("", one.step, f"{one.step}#{one.number}")]
    return named[0] if named else None


def _page(
    request: Request,
    site: Site,
    caller: Caller,
    run: Run,
    form: Form,
    told: AgentRuntimeError | None = None,
) -> Response:
    visits = _visits(site, caller, run)
    visit = _chosen(visits, form) or (visits[0] if visits else None)
    changes = [] if visit is None else changeable(site, site.read(caller), run, visit)
    ruling = site.runtime.app.access.ask(caller, "resume", a_run(run))
    groups: dict[str, Any] = {
        group: [one for one in changes if one.group == group] for group in GROUPS
    }
    return show(
        request,
        "fork.html",
        200 if told is None else 409 if isinstance(told, Conflict) else 422,
        run=run,
        visits=visits,
        visit=visit,
        groups=groups,
        rules=() if ruling.counts else ruling.rules,
        form=form,
        told=told,
    )

"""Looking back and trying otherwise: a run's replay, and its fork with something changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller, a_run
from agent_runtime.api import replays as api
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnRun, Site, Who
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import show
from agent_runtime.console.timeline import read_timeline
from agent_runtime.errors import AgentRuntimeError, Conflict, InvalidInput, NotFound, RecordingGone
from agent_runtime.run import Run

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Readable = Annotated[Run, Depends(OnRun("read"))]
Word = Annotated[str, Query(max_length=200)]


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
        step, _, visit = form.get("at").rpartition("#")
        asked = model(
            api.ForkRun,
            at=step,
            visit=visit,
            input=changed(run.input, form.under("input.")),
            reason=form.get("reason").strip(),
        )
        made = await api.fork_run(run, asked, site, caller, Response())
    except (InvalidInput, NotFound, Conflict, RecordingGone) as error:
        return _page(request, site, caller, run, form, told=error)
    return RedirectResponse(f"/runs/{made.id}", 303)


def changed(before: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """The fields that were typed otherwise than they are; raises InvalidInput for no JSON where it
    was not text before."""
    return dict(_changes(before, typed))


def _changes(before: Mapping[str, Any], typed: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, text in typed.items():
        if name not in before or text == shown(before[name]):
            continue
        if isinstance(before[name], str):
            yield name, text
            continue
        try:
            yield name, json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"input.{name}", text, "is no JSON") from error


def shown(value: Any) -> str:
    """A field of an input as it stands in its form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _page(
    request: Request,
    site: Site,
    caller: Caller,
    run: Run,
    form: Form,
    told: AgentRuntimeError | None = None,
) -> Response:
    events = site.read(caller).events.find(run.id)
    ruling = site.runtime.app.access.ask(caller, "resume", a_run(run))
    return show(
        request,
        "fork.html",
        200 if told is None else 409 if isinstance(told, Conflict) else 422,
        run=run,
        places=[(v.step, v.number) for v in read_timeline(events, site.store.now()).visits],
        fields={name: shown(value) for name, value in run.input.items()},
        rules=() if ruling.counts else ruling.rules,
        form=form,
        told=told,
    )

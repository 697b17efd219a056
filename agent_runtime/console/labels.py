"""Labels: one run at a time, the guidelines beside it, and how far people agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller
from agent_runtime.api import evaluation as api
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnRun, Reader, Site, Who
from agent_runtime.console.form import Posted, SignedIn, model
from agent_runtime.console.page import head_of, show
from agent_runtime.console.states import RUN_WORDS
from agent_runtime.errors import CallerError, Conflict, InvalidInput, NotFound
from agent_runtime.evaluation.labelling import Task, agreement
from agent_runtime.evaluation.report import Agreement
from agent_runtime.evaluation.seen import see
from agent_runtime.quality import LabelKind

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Word = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Choice:
    """One label that people are asked for."""

    workflow: str
    kind: LabelKind

    def query(self, **more: str) -> str:
        """Its page's query."""
        return urlencode({"workflow": self.workflow, "label": self.kind.name, **more})


@dataclass(frozen=True)
class Labelling:
    """The page's content. `last`: the run that was labelled just before."""

    choices: Sequence[Choice]
    chosen: Choice | None
    task: Task | None = None
    agreed: Sequence[Agreement] = ()
    last: str = ""


@router.get("/labels")
async def labels(
    request: Request,
    site: Here,
    caller: Reader,
    workflow: Word = "",
    label: Word = "",
    run: Word = "",
    last: Word = "",
) -> Response:
    """What to label next; or one run once more, to say something else of it."""
    head_of(request, caller)
    choices = choices_of(site)
    seen = Labelling(choices, _chosen(choices, workflow, label), last=last)
    return await _page(request, site, caller, seen, run)


@router.post("/labels")
async def give(request: Request, form: Posted, site: Here, caller: Who) -> Response:
    """Keep a label as the API does, and go on to the next run."""
    choices = choices_of(site)
    chosen = _chosen(choices, form.get("workflow"), form.get("label"))
    if chosen is None:
        raise InvalidInput("label", form.get("label"), "is asked for nowhere")
    run_id = form.get("run")
    if not form.get("review"):
        said = {"run": run_id, "label": chosen.kind.name, "value": form.get("value")}
        try:
            await api.give(model(api.GiveLabel, **said), site, caller)
        except (InvalidInput, Conflict) as error:
            seen = Labelling(choices, chosen)
            return await _page(request, site, caller, seen, run_id, told=error)
        return RedirectResponse(f"/labels?{chosen.query(last=run_id)}", 303)
    return await _page(request, site, caller, Labelling(choices, chosen), run_id)


async def _page(
    request: Request,
    site: Site,
    caller: Caller,
    seen: Labelling,
    run_id: str,
    told: CallerError | None = None,
) -> Response:
    if seen.chosen is not None:
        quality = site.runtime.app.workflow(seen.chosen.workflow).quality
        seen = replace(
            seen,
            task=await _task(request, site, caller, seen.chosen, run_id),
            agreed=agreement(site.read(caller), seen.chosen.workflow, quality),
        )
    status = 200 if told is None else 409 if isinstance(told, Conflict) else 422
    return show(request, "labels.html", status, seen=seen, told=told, states=RUN_WORDS)


async def _task(
    request: Request, site: Site, caller: Caller, chosen: Choice, run_id: str
) -> Task | None:
    if not run_id:
        return site.runtime.labeller.next(caller.operator, chosen.workflow, chosen.kind.name)
    run = await OnRun("read")(run_id, request)
    if run.workflow != chosen.workflow:
        raise NotFound(f"run of {chosen.workflow}", run_id)
    return Task(run.id, chosen.kind, see(site.read(caller), run.id))


def choices_of(site: Site) -> list[Choice]:
    """Every label that a workflow of this app asks people for."""
    return [
        Choice(name, kind)
        for name, workflow in sorted(site.runtime.app.workflows.items())
        for kind in workflow.quality.labels
    ]


def _chosen(choices: Sequence[Choice], workflow: str, label: str) -> Choice | None:
    """The one that is named; where nothing is, the first."""
    found = (
        one for one in choices if workflow in ("", one.workflow) and label in ("", one.kind.name)
    )
    return next(found, None)

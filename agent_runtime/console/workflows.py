"""The workflows: what each is made of, under which rules, how much it is used; and trying one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from pydantic import ValidationError

from agent_runtime.access import Caller, a_workflow
from agent_runtime.api import runs as api
from agent_runtime.api import workflows as api_workflows
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Site, Who
from agent_runtime.console.fields import Field, fields_of, read_fields
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import show
from agent_runtime.console.rules import RuleRow, rules_of
from agent_runtime.drawing import draw_svg
from agent_runtime.errors import InvalidInput
from agent_runtime.store.runs import Volume
from agent_runtime.topology import Topology, topology_of
from agent_runtime.workflow import Workflow

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Readable = Annotated[Workflow, Depends(api_workflows.readable)]

LATELY = timedelta(days=7)
ENTRY = "input."
"""What the names of a form's fields of the input begin with."""


@dataclass(frozen=True)
class Card:
    """One workflow in the catalogue. `volume` is of the last seven days."""

    workflow: Workflow
    version: str
    svg: Markup
    volume: Volume


@dataclass(frozen=True)
class Trial:
    """A form to start a run, as far as it is filled in; `wrong` by field, "" for all of it."""

    fields: Sequence[Field]
    typed: Mapping[str, str]
    key: str
    wrong: Mapping[str, str] = field(default_factory=dict)


@router.get("/workflows")
async def catalogue(request: Request, site: Here, caller: Who) -> Response:
    """All that the caller may see."""
    seen = {one.name for one in (await api_workflows.find(site, caller)).items}
    session = site.read(caller)
    volumes = session.runs.volumes(site.store.now() - LATELY)
    cards = [
        Card(
            workflow,
            session.versions.label(name, site.runtime.app.version(name).id),
            drawn(topology_of(workflow), name, folded=True),
            volumes.get(name, Volume(0, 0, 0)),
        )
        for name, workflow in sorted(site.runtime.app.workflows.items())
        if name in seen
    ]
    return show(request, "workflows.html", cards=cards)


@router.get("/workflows/{name}")
async def workflow(request: Request, site: Here, caller: Who, workflow: Readable) -> Response:
    """One of them."""
    session, app = site.read(caller), site.runtime.app
    topology = topology_of(workflow)
    now = app.version(workflow.name).id
    volume = session.runs.volumes(site.store.now() - LATELY).get(workflow.name)
    return show(
        request,
        "workflow.html",
        workflow=workflow,
        topology=topology,
        trail=None,
        svg=drawn(topology, "drawing", folded=False),
        version=session.versions.label(workflow.name, now),
        versions=[(label, one, one == now) for label, one in session.versions.find(workflow.name)],
        volume=volume or Volume(0, 0, 0),
        fields=fields_of(workflow.input.model_json_schema()),
        policies=_policies(site, workflow),
        may_start=_may_start(site, caller, workflow),
    )


@router.get("/workflows/{name}/try")
async def trial(request: Request, site: Here, caller: Who, workflow: Readable) -> Response:
    """A form made of the input model."""
    fields = fields_of(workflow.input.model_json_schema())
    typed = {one.name: one.default for one in fields}
    return _form(request, site, caller, workflow, Trial(fields, typed, _key()))


@router.post("/workflows/{name}/try")
async def start(
    request: Request, form: Posted, site: Here, caller: Who, workflow: Readable
) -> Response:
    """Start a run with what was typed; what is wrong is said beside its field."""
    tried = read_trial(workflow, form)
    if tried.wrong or form.get("review"):
        return _form(request, site, caller, workflow, tried)
    inputs, _ = read_fields(tried.fields, tried.typed)
    try:
        asked = model(api.StartRun, workflow=workflow.name, input=inputs, key=tried.key)
        await api.may_start(asked, site, caller)
        run = await api.start(asked, site, caller, request, Response())
    except InvalidInput as error:
        wrong = {_place(error.field.split("."), tried.fields): error.message}
        failed = Trial(tried.fields, tried.typed, tried.key, wrong)
        return _form(request, site, caller, workflow, failed)
    return RedirectResponse(f"/runs/{run.id}", 303)


def read_trial(workflow: Workflow, form: Form) -> Trial:
    """The form as it was sent, with everything that is wrong in it."""
    fields = fields_of(workflow.input.model_json_schema())
    typed = form.under(ENTRY)
    inputs, wrong = read_fields(fields, typed)
    try:
        workflow.input.model_validate(inputs)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            place = _place(found["loc"], fields)
            wrong.setdefault(place, found["msg"])
    return Trial(fields, typed, form.get("key") or _key(), wrong)


def drawn(topology: Topology, name: str, *, folded: bool) -> Markup:
    """A drawing for a page: it escapes every name that it is given."""
    return Markup(draw_svg(topology, folded=folded, name=name))  # noqa: S704 — see drawing/svg.py


def _place(path: Sequence[object], fields: Sequence[Field]) -> str:
    """The field that an error is about: its path may go on into alternatives; "" is none."""
    names = {one.name for one in fields}
    for length in range(len(path), 0, -1):
        name = ".".join(str(part) for part in path[:length])
        if name in names:
            return name
    return ""


def _form(
    request: Request, site: Site, caller: Caller, workflow: Workflow, tried: Trial
) -> Response:
    return show(
        request,
        "workflow_try.html",
        422 if tried.wrong else 200,
        workflow=workflow,
        trial=tried,
        entry=ENTRY,
        may_start=_may_start(site, caller, workflow),
    )


def _may_start(site: Site, caller: Caller, workflow: Workflow) -> tuple[str, ...]:
    """The rules by which the caller may not start it; empty: they may."""
    thing = a_workflow(workflow.name, caller.tenant)
    ruling = site.runtime.app.access.ask(caller, "start", thing)
    return () if ruling.counts else ruling.rules


def _policies(site: Site, workflow: Workflow) -> dict[str, Sequence[RuleRow]]:
    names = sorted({step.policy for step in workflow.steps if step.policy})
    known = site.runtime.app.policies
    return {name: rules_of(known[name]) for name in names if name in known}


def _key() -> str:
    """What makes two presses of one button one run."""
    return f"console-{secrets.token_hex(8)}"

"""Rollouts: what is tried on a share of runs, what its figures say, and how it is ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller, a_policy
from agent_runtime.api import rollouts as api
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Reader, Site, Who
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import head_of, show
from agent_runtime.errors import CallerError, Conflict, InvalidInput, NotFound, PolicyError
from agent_runtime.evaluation.trial import PROMPTS

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

_NOTHING = Form()


@router.get("/rollouts")
async def rollouts(request: Request, site: Here, caller: Reader) -> Response:
    """All of the tenant's, the newest first."""
    return await _page(request, site, caller)


@router.post("/rollouts")
async def start(request: Request, form: Posted, site: Here, caller: Who) -> Response:
    """Begin one."""
    if form.get("review"):
        return await _page(request, site, caller, form=form)
    try:
        asked = model(api.StartRollout, **_wanted(form))
        await api.start(await api.startable(asked, site, caller), site, caller)
    except (InvalidInput, Conflict, NotFound, PolicyError) as error:
        return await _page(request, site, caller, form=form, told=error)
    return RedirectResponse("/rollouts", 303)


@router.post("/rollouts/{rollout_id}/stop")
async def stop(
    request: Request, form: Posted, site: Here, caller: Who, rollout_id: str
) -> Response:
    """End one."""
    if form.get("review"):
        return await _page(request, site, caller, form=form)
    try:
        why = model(api.StopRollout, reason=form.get("reason"))
        await api.stop(await api.stoppable(rollout_id, site, caller), site, caller, why)
    except (InvalidInput, Conflict) as error:
        return await _page(request, site, caller, form=form, told=error)
    return RedirectResponse("/rollouts", 303)


def _wanted(form: Form) -> dict[str, Any]:
    """The form's fields as the API takes them; raises InvalidInput."""
    kind, workflow, of, candidate = _chosen(form.get("what"))
    percents = {"share": form.get("share"), "effect": form.get("effect")}
    return {
        "workflow": workflow,
        kind: of,
        "candidate": candidate,
        **{name: _part(name, text) for name, text in percents.items() if text},
        "rehearsal": form.get("rehearsal") or None,
    }


def _chosen(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    known = isinstance(found, list) and [type(part) for part in found] == [str] * 4
    if not known or found[0] not in ("prompt", "policy"):
        raise InvalidInput("what", text, "is nothing that can be tried")
    return [str(part) for part in found]


def _part(name: str, text: str) -> float:
    """A share, typed in percent."""
    try:
        return float(text.replace(",", ".").removesuffix("%")) / 100
    except ValueError:
        raise InvalidInput(name, text, "is no number of percent") from None


def _choices(site: Site) -> Iterator[tuple[str, str]]:
    """The prompts that could be tried: as the form sends it, and in words."""
    for name, workflow in sorted(site.runtime.app.workflows.items()):
        used = {step.reasoning.prompt for step in workflow.steps}
        texts = site.runtime.app.prompts.get(name, {})
        for of in sorted(text for text in texts if text in used):
            for other in sorted(texts.keys() - used):
                what = json.dumps(["prompt", name, of, other])
                yield what, f"{name}: {other} in the place of {of}"


async def _page(
    request: Request,
    site: Site,
    caller: Caller,
    *,
    form: Form = _NOTHING,
    told: CallerError | PolicyError | None = None,
) -> Response:
    head_of(request, caller)
    may = site.runtime.app.access.ask(caller, "propose", a_policy(PROMPTS, caller.tenant))
    return show(
        request,
        "rollouts.html",
        200 if told is None else 422,
        found=list(reversed((await api.find(site, caller)).items)),
        choices=list(_choices(site)),
        may_change=may.counts,
        form=form,
        told=told,
    )

"""Schedules: what the clock starts, when next, and on whose behalf."""

from __future__ import annotations

import json
from typing import Any, Literal, assert_never, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller
from agent_runtime.api import schedules as api
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Reader, Site
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import head_of, show
from agent_runtime.console.settings import SECTIONS, may_administer
from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.schedule import CatchUp

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

ScheduleAct = Literal["pause", "resume", "remove"]
_NOTHING = Form()


@router.get("/settings/schedules")
async def schedules(request: Request, site: Here, caller: Reader) -> Response:
    """All of the tenant's."""
    return await _page(request, site, caller)


@router.post("/settings/schedules")
async def create(request: Request, form: Posted, site: Here) -> Response:
    """Make one, in the caller's name."""
    caller = await OnTenant("administer")(request)
    if form.get("review"):
        return await _page(request, site, caller, form=form)
    try:
        asked = model(
            api.CreateSchedule,
            workflow=form.get("workflow"),
            name=form.get("name").strip(),
            cron=form.get("cron").strip(),
            zone=form.get("zone").strip() or "UTC",
            input=_document(form.get("input")),
            catch_up=form.get("catch_up") or "once",
        )
        await api.create(asked, site, caller, Response())
    except (InvalidInput, Conflict) as error:
        return await _page(request, site, caller, form=form, told=error)
    return RedirectResponse("/settings/schedules", 303)


@router.post("/settings/schedules/{schedule_id}/{act}")
async def change(
    schedule_id: str, act: ScheduleAct, request: Request, form: Posted, site: Here
) -> Response:
    """Pause, resume or remove one."""
    caller = await OnTenant("administer")(request)
    if form.get("review"):
        return await _page(request, site, caller, form=form)
    try:
        await _act(schedule_id, act, form, site, caller)
    except (InvalidInput, Conflict) as error:
        return await _page(request, site, caller, form=form, told=error)
    return RedirectResponse("/settings/schedules", 303)


async def _act(schedule_id: str, act: ScheduleAct, form: Form, site: Site, caller: Caller) -> None:
    match act:
        case "pause":
            because = model(api.Pause, reason=form.get("reason"))
            await api.pause(schedule_id, because, site, caller)
        case "resume":
            await api.resume(schedule_id, site, caller)
        case "remove":
            await api.remove(schedule_id, site, caller)
        case _:
            assert_never(act)


def _document(text: str) -> dict[str, Any]:
    """The input that runs are started with, as JSON; raises InvalidInput."""
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise InvalidInput(
            "input", text, "is not JSON", remedy='Write it as {"name": 1}.'
        ) from error
    if not isinstance(found, dict):
        raise InvalidInput("input", text, "is no JSON object")
    return found


async def _page(
    request: Request,
    site: Site,
    caller: Caller,
    *,
    form: Form = _NOTHING,
    told: InvalidInput | Conflict | None = None,
) -> Response:
    head_of(request, caller)
    return show(
        request,
        "schedules.html",
        200 if told is None else 422,
        sections=SECTIONS,
        may_administer=may_administer(site, caller),
        schedules=(await api.find(site, caller)).items,
        workflows=sorted(site.runtime.app.workflows),
        catch_ups=get_args(CatchUp),
        form=form,
        told=told,
    )

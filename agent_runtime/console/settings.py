"""Settings: one's own notifications, and the way to what an administrator looks after."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from agent_runtime.access import Caller, a_tenant
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Reader, Site
from agent_runtime.console.form import SignedIn
from agent_runtime.console.page import head_of, show

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)


@dataclass(frozen=True)
class Section:
    """One part of the settings. `tells`: what it is about, in a line."""

    path: str
    label: str
    tells: str
    for_administrators: bool = True


SECTIONS = (
    Section("/settings", "Mine", "What this browser tells you.", for_administrators=False),
    Section("/settings/schedules", "Schedules", "What the clock starts.", for_administrators=False),
    Section("/settings/tokens", "Tokens", "Who may use the API, and until when."),
    Section("/settings/webhooks", "Webhooks and mail", "Who is told what, and what went wrong."),
)


def may_administer(site: Site, caller: Caller) -> bool:
    """Whether the caller looks after their tenant."""
    return site.runtime.app.access.ask(caller, "administer", a_tenant(caller.tenant)).counts


@router.get("/settings")
async def settings(request: Request, site: Here, caller: Reader) -> Response:
    """Mine, and the sections."""
    head_of(request, caller)
    return show(
        request, "settings.html", sections=SECTIONS, may_administer=may_administer(site, caller)
    )

"""A change's rehearsal: what it would make of the newest decisions, as charts and case by case."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from agent_runtime.api.policies import OnPolicies
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Reader
from agent_runtime.console.form import SignedIn
from agent_runtime.console.page import show
from agent_runtime.console.rehearsal_view import panels_of, sorted_changes
from agent_runtime.errors import Conflict
from agent_runtime.replay.page import answer
from agent_runtime.replay.rehearsal import Rehearsal

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

ReadAll = Annotated[None, Depends(OnPolicies("read"))]

MOST = 200
"""Changed decisions that are shown, those that matter most first."""


@router.get("/policies/changes/{change_id}/rehearsal")
async def rehearsal(
    request: Request, site: Here, caller: Reader, _: ReadAll, change_id: str
) -> Response:
    """Tried once more, now: so that it stands on the decisions that there are now."""
    change = site.read(caller).policies.get(change_id)
    found: Rehearsal | None = None
    told: Conflict | None = None
    if change.state == "proposed":
        try:
            found = await site.activation.rehearse(change)
        except Conflict as error:
            told = error
    changes = () if found is None else sorted_changes(found)
    return show(
        request,
        "rehearsal.html",
        change=change,
        found=found,
        told=told,
        panels=() if found is None else panels_of(found),
        changes=changes[:MOST],
        unseen=len(changes[MOST:]),
        answer=answer,
    )

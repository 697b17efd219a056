"""Tokens: who may use the API for whom, made and revoked; a secret is shown once."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Act, Caller
from agent_runtime.api import tokens as api
from agent_runtime.api.page import After
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Site, Who
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import head_of, show
from agent_runtime.console.settings import SECTIONS
from agent_runtime.errors import Conflict, InvalidInput

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]
Named = Annotated[str, Query(max_length=200)]
_NOTHING = Form()


@router.get("/settings/tokens")
async def tokens(
    request: Request, site: Here, caller: Administrator, cursor: After = None
) -> Response:
    """The tenant's tokens."""
    return await _page(request, site, caller, cursor=cursor)


@router.post("/settings/tokens")
async def create(request: Request, form: Posted, site: Here, caller: Administrator) -> Response:
    """Make one. Its secret is in this answer alone."""
    if form.get("review"):
        return await _page(request, site, caller, form=form)
    try:
        asked = model(
            api.CreateToken,
            operator=form.get("operator").strip(),
            roles=tuple(form.get("roles").replace(",", " ").split()),
            scopes=form.all("scopes") or None,
            days=form.get("days") or 30,
        )
        made = await api.create(asked, site, caller, request)
    except (InvalidInput, Conflict) as error:
        return await _page(request, site, caller, form=form, told=error)
    return await _page(request, site, caller, made=made)


@router.post("/settings/tokens/{token_id}/revoke")
async def revoke(token_id: str, form: Posted, site: Here, caller: Who) -> Response:
    """End one at once."""
    token = await api.revocable(token_id, site, caller)
    if not form.get("review"):
        await api.revoke(token, site, caller)
    return RedirectResponse("/settings/tokens", 303)


async def _page(
    request: Request,
    site: Site,
    caller: Caller,
    *,
    cursor: str | None = None,
    form: Form = _NOTHING,
    told: InvalidInput | Conflict | None = None,
    made: api.NewToken | None = None,
) -> Response:
    head_of(request, caller)
    page = await api.find(site, caller, 50, cursor)
    return show(
        request,
        "tokens.html",
        200 if told is None else 422,
        sections=SECTIONS,
        may_administer=True,
        page=page,
        acts=get_args(Act),
        form=form,
        told=told,
        made=made,
    )

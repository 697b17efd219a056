"""Webhooks and mail: who is told what, with what became of each message."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller
from agent_runtime.api import notices as api
from agent_runtime.api.page import After
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Site
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import head_of, show
from agent_runtime.console.settings import SECTIONS
from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.notice import NoticeState, Topic, Wanted

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]

STATES: dict[NoticeState, str] = {
    "dead": "Given up",
    "due": "On the way",
    "delivered": "Delivered",
}
TOPICS: dict[Topic, str] = {
    "pending": "a person is asked",
    "reminded": "a question will soon be late",
    "escalated": "a deadline passed and others are asked",
    "decided": "a question is over",
    "finished": "a run has ended",
    "failed": "a run failed or needs attention",
}
_NOTHING = Form()


@router.get("/settings/webhooks")
async def told(
    request: Request,
    site: Here,
    caller: Administrator,
    state: NoticeState = "dead",
    cursor: After = None,
) -> Response:
    """Subscriptions, and messages in one state."""
    return await _page(request, site, caller, state, cursor=cursor)


@router.post("/settings/webhooks")
async def subscribe(request: Request, form: Posted, site: Here, caller: Administrator) -> Response:
    """Have the tenant's events told."""
    if form.get("review"):
        return await _page(request, site, caller, "dead", form=form)
    try:
        wanted = model(
            Wanted,
            channel=form.get("channel"),
            to=form.get("to").strip(),
            topics=tuple(name for name in get_args(Topic) if name in form.all("topics")),
            workflow=form.get("workflow") or None,
            secret=form.get("secret").strip() or None,
            content=form.get("content") == "yes",
        )
        await api.subscribe(wanted, site, caller, Response())
    except (InvalidInput, Conflict) as error:
        return await _page(request, site, caller, "dead", form=form, refused=error)
    return RedirectResponse("/settings/webhooks", 303)


@router.post("/settings/webhooks/{name}/{act}")
async def change(
    name: str, act: Literal["remove", "resend"], form: Posted, site: Here, caller: Administrator
) -> Response:
    """Remove a subscription, or have a message delivered after all."""
    if not form.get("review"):
        await (api.unsubscribe if act == "remove" else api.resend)(name, site, caller)
    return RedirectResponse("/settings/webhooks", 303)


async def _page(
    request: Request,
    site: Site,
    caller: Caller,
    state: NoticeState,
    *,
    cursor: str | None = None,
    form: Form = _NOTHING,
    refused: InvalidInput | Conflict | None = None,
) -> Response:
    head_of(request, caller)
    subscriptions = (await api.subscriptions(site, caller)).items
    return show(
        request,
        "told.html",
        200 if refused is None else 422,
        sections=SECTIONS,
        may_administer=True,
        subscriptions=subscriptions,
        receivers={one.id: one.to for one in subscriptions},
        page=await api.find(site, caller, state, 50, cursor),
        state=state,
        states=STATES,
        topics=TOPICS,
        workflows=sorted(site.runtime.app.workflows),
        form=form,
        told=refused,
    )

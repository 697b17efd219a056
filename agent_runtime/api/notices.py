"""Notices over HTTP: who is told what, and what could not be told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from agent_runtime.access import Caller
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.page import After, Limit, Page, cursor_of, read_cursor
from agent_runtime.api.site import Here, OnTenant
from agent_runtime.notice import Notice, NoticeState, Subscription, Wanted

router = APIRouter(prefix="/v1", tags=["notices"], route_class=OncePerKey)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]


class SubscriptionList(BaseModel):
    """All of the tenant's: there are few."""

    items: list[Subscription]


@router.post("/subscriptions", status_code=201)
async def subscribe(
    asked: Wanted, site: Here, caller: Administrator, response: Response
) -> Subscription:
    """Have the tenant's events told, from now on."""
    made = await site.runtime.outbox.subscribe(caller.operator, asked)
    response.headers["Location"] = f"/v1/subscriptions/{made.id}"
    return made


@router.get("/subscriptions")
async def subscriptions(site: Here, caller: Administrator) -> SubscriptionList:
    """Who is told what."""
    return SubscriptionList(items=site.read(caller).subscriptions.find())


@router.get("/subscriptions/{subscription_id}")
async def subscription(subscription_id: str, site: Here, caller: Administrator) -> Subscription:
    """One subscription."""
    return site.read(caller).subscriptions.get(subscription_id)


@router.delete("/subscriptions/{subscription_id}")
async def unsubscribe(subscription_id: str, site: Here, caller: Administrator) -> Subscription:
    """Tell no more, also not what is still due."""
    return await site.runtime.outbox.unsubscribe(caller.operator, subscription_id)


@router.get("/notices")
async def find(
    site: Here,
    caller: Administrator,
    state: Annotated[NoticeState, Query(description="What was given up, unless asked.")] = "dead",
    limit: Limit = 50,
    cursor: After = None,
) -> Page[Notice]:
    """Notices in one state, in the order they were made."""
    question = ["notices", state]
    after = read_cursor(cursor, question, str) or ""
    found = site.read(caller).notices.find(state, after=after, limit=limit + 1)
    more = cursor_of(found[limit - 1].id, question) if len(found) > limit else None
    return Page(items=found[:limit], next=more)


@router.get("/notices/{notice_id}")
async def get(notice_id: str, site: Here, caller: Administrator) -> Notice:
    """One notice, with what became of it."""
    return site.read(caller).notices.get(notice_id)


@router.post("/notices/{notice_id}/resend")
async def resend(notice_id: str, site: Here, caller: Administrator) -> Notice:
    """Have a notice that was given up delivered after all."""
    return await site.runtime.outbox.resend(caller.operator, notice_id)

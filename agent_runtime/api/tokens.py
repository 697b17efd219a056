"""Tokens over HTTP: make, list, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from agent_runtime.access import Act, Caller, a_token
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.page import After, Limit, Page, cursor_of, read_cursor
from agent_runtime.api.site import Here, OnTenant, Who
from agent_runtime.identity import create_token, revoke_token
from agent_runtime.token import Name, Token
from agent_runtime.verdict import Operator

router = APIRouter(prefix="/v1/tokens", tags=["tokens"], route_class=OncePerKey)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]


class CreateToken(BaseModel):
    """Whom a new token speaks for, in the caller's own tenant, and for how long."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"operator": "lena", "roles": ["support_lead"], "days": 30}]
        },
    )

    operator: Name
    roles: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    scopes: Annotated[tuple[Act, ...], Field(max_length=20)] | None = None
    days: Annotated[int, Field(ge=1, le=366)] = 30


class NewToken(BaseModel):
    """A token that was just made. Its secret is shown in this answer and never again."""

    token: Token
    secret: str | None


@router.post("", status_code=201)
async def create(
    asked: CreateToken, site: Here, caller: Administrator, request: Request
) -> NewToken:
    """Make a token."""
    operator = Operator(name=asked.operator, roles=asked.roles, tenant=caller.tenant)
    token, secret = await create_token(
        site.store,
        operator,
        by=caller.name,
        lifetime=timedelta(days=asked.days),
        scopes=asked.scopes,
    )
    request.state.shown_once = ("secret",)
    return NewToken(token=token, secret=secret)


@router.get("")
async def find(
    site: Here, caller: Administrator, limit: Limit = 50, cursor: After = None
) -> Page[Token]:
    """The tenant's tokens, also those that are over."""
    after = read_cursor(cursor, "tokens", str) or ""
    found = site.read(caller).tokens.find(after=after, limit=limit + 1)
    more = cursor_of(found[limit - 1].id, "tokens") if len(found) > limit else None
    return Page(items=found[:limit], next=more)


async def revocable(token_id: str, site: Here, caller: Who) -> Token:
    """The token in the path, once the caller may end it."""
    token = site.read(caller).tokens.get(token_id)
    await site.require(caller, "administer", a_token(token))
    return token


@router.post("/{token_id}/revoke")
async def revoke(token: Annotated[Token, Depends(revocable)], site: Here, caller: Who) -> Token:
    """End a token at once."""
    return await revoke_token(site.store, caller.tenant, token.id, by=caller.name)

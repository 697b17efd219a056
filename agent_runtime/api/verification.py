"""Verification over HTTP: a tenant's history held against its anchor, or a head kept elsewhere."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from agent_runtime.access import Caller
from agent_runtime.anchor import Audit, audit
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Site
from agent_runtime.event import Head, Verification
from agent_runtime.store import Session, upkeep

router = APIRouter(prefix="/v1/verification", tags=["events"], route_class=Route)

ANCHOR = "the server's anchor"
"""What a path of this machine is told as."""

Kept = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{1,18}:sha256:[0-9a-f]{64}$",
        description="NUMBER:HASH of a head that was kept; default: the anchor's.",
    ),
]


@router.get("")
async def verify(
    site: Here, caller: Annotated[Caller, Depends(OnTenant("administer"))], head: Kept = None
) -> Audit:
    """Recompute the chain of the caller's tenant: some seconds for a million events."""
    found = await asyncio.to_thread(_audit, site, caller.tenant, head)
    path = str(site.runtime.anchor.file.path)
    return found.model_copy(
        update={
            "anchor": ANCHOR if found.anchor == path else found.anchor,
            "problem": found.problem.replace(path, "file"),
        }
    )


def _audit(site: Site, tenant: str, head: str | None) -> Audit:
    """On a connection of its own: the server's goes on with other requests meanwhile."""
    file = site.store.of(tenant)
    site.runtime.anchor.flush()
    with upkeep.reading(file.path, file.cipher) as connection:
        events = Session(connection, tenant, site.store.now()).events
        if head is None:
            return audit(events, tenant, site.runtime.anchor.file, site.store.now())
        number, _, digest = head.partition(":")
        kept = Head(tenant=tenant, number=int(number), hash=digest)
        found: Verification = events.verify(kept)
        return Audit(**found.model_dump(), anchor="the head that was sent")

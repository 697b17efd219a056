"""Health and figures: for load balancers, and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from agent_runtime.access import Caller
from agent_runtime.api.problem import problem
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Site
from agent_runtime.errors import StoreError
from agent_runtime.figure import Figure
from agent_runtime.figures import queue_figures, tenant_figures
from agent_runtime.queue.files import FilesQueue

router = APIRouter(tags=["health"], route_class=Route)


class Health(BaseModel):
    """That it is."""

    status: str = "ok"


@router.get("/livez")
async def alive() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", response_model=Health)
async def ready(site: Here) -> Health | Response:
    """It is not about to stop, and its database can be read."""
    if site.live.closing:
        return problem("overloaded", "It is about to stop.", "")
    try:
        site.store.version()
    except StoreError:
        return problem("overloaded", "Its database cannot be read.", "")
    return Health()


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(
    site: Here, caller: Annotated[Caller, Depends(OnTenant("administer"))]
) -> PlainTextResponse:
    """Prometheus' text form."""
    text = site.metrics.text(_figures(site, caller.tenant))
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _figures(site: Site, tenant: str) -> Iterator[Figure]:
    """The caller's own tenant in numbers, and the queue that all share."""
    yield from tenant_figures(site.store.read(tenant), site.tallies[tenant])
    yield from queue_figures(FilesQueue(site.store, site.runtime.worker.lease).stats())

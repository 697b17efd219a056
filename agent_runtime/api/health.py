"""Health and figures: for load balancers, and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from agent_runtime.access import Caller
from agent_runtime.api.metrics import Series
from agent_runtime.api.problem import problem
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Site
from agent_runtime.errors import StoreError
from agent_runtime.queue.sqlite import SqliteQueue

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


def _figures(site: Site, tenant: str) -> Iterator[Series]:
    """The caller's own tenant in numbers, and the queue that all share."""
    session = site.store.read(tenant)
    states = [({"state": state}, float(n)) for state, n in session.runs.count().items()]
    yield "agent_runtime_runs", "gauge", states
    yield "agent_runtime_events_total", "counter", [({}, session.events.head().number)]
    queue = SqliteQueue(site.store, site.runtime.worker.lease).stats()
    waiting = {"ready": queue.ready, "delayed": queue.delayed, "running": queue.running}
    held = [({"state": state}, float(n)) for state, n in waiting.items()]
    yield "agent_runtime_queue", "gauge", held
    yield "agent_runtime_queue_oldest_seconds", "gauge", [({}, queue.oldest_ready)]

"""The app: all routes of one server, behind its front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from agent_runtime.activation import Activation
from agent_runtime.api import (
    approvals,
    bulk,
    evaluation,
    events,
    health,
    history,
    knowledge,
    notices,
    policies,
    replays,
    rollouts,
    runs,
    schedules,
    tenants,
    tokens,
    triggers,
    verification,
    workflows,
)
from agent_runtime.api.body import Bodies
from agent_runtime.api.document import document
from agent_runtime.api.front import Front
from agent_runtime.api.live import Live
from agent_runtime.api.problem import HANDLED, on_error
from agent_runtime.api.rates import Rates
from agent_runtime.api.site import Site
from agent_runtime.identity import Identity
from agent_runtime.oidc import Oidc
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ServeSettings
from agent_runtime.verdict import Operator

ROUTERS = (
    workflows,
    runs,
    history,
    replays,
    approvals,
    bulk,
    events,
    evaluation,
    rollouts,
    schedules,
    triggers,
    notices,
    knowledge,
    policies,
    tokens,
    tenants,
    verification,
    health,
)


def make_site(runtime: Runtime, settings: ServeSettings, dev: Operator | None = None) -> Site:
    """What the routes share. Raises SettingsError for an issuer that cannot be used."""
    oidc = Oidc(settings) if settings.oidc_issuer else None
    return Site(
        runtime=runtime,
        activation=Activation(runtime),
        identity=Identity(
            runtime.store,
            oidc,
            dev,
            idle=timedelta(seconds=settings.sign_in_idle),
            lasting=timedelta(seconds=settings.sign_in_lasting),
        ),
        settings=settings,
        live=Live(runtime.store),
        token_rates=Rates(settings.token_rate),
        tenant_rates=Rates(settings.tenant_rate),
    )


def make_app(site: Site, hosts: Sequence[str], *, local: bool = False) -> FastAPI:
    """The ASGI app. `hosts`: names that requests may address; `local`: see `Front`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(site.live.run())
        yield
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    app = FastAPI(
        title="agent-runtime",
        version="1",
        summary="Back-office agents with approval checkpoints.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
        lifespan=lifespan,
        # Its own spans and logs would carry queries and texts of errors.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.site = site
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way to do it
    for module in ROUTERS:
        app.include_router(module.router)
    for kind in HANDLED:
        app.add_exception_handler(kind, on_error)
    _guard(app, site, hosts, local=local)
    return app


def _guard(app: FastAPI, site: Site, hosts: Sequence[str], *, local: bool) -> None:
    """Put the front before the routes; what is added last is passed first."""
    settings = site.settings
    app.add_middleware(Bodies, limit=settings.max_body, depth=settings.max_depth)
    app.add_middleware(
        Front,
        metrics=site.metrics,
        hosts=hosts,
        timeout=settings.request_timeout,
        most=settings.max_requests,
        streams=settings.max_streams,
        local=local,
    )

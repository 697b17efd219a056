"""The site: what the routes of one server share, and the dependencies by which they reach it."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Query, Request

from agent_runtime.access import Act, Caller, Thing, a_run, a_tenant, an_approval, recorded, require
from agent_runtime.activation import Activation
from agent_runtime.api.live import Live
from agent_runtime.api.metrics import Metrics
from agent_runtime.api.rates import Rates
from agent_runtime.approval import Approval
from agent_runtime.disclosure import disclosed
from agent_runtime.errors import NotPermitted
from agent_runtime.identity import Identity
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ServeSettings
from agent_runtime.signin import is_form_token
from agent_runtime.store import Session, Store
from agent_runtime.store.calls import Tally


@dataclass(frozen=True)
class Site:
    """One server's runtime with what the API adds to it."""

    runtime: Runtime
    activation: Activation
    identity: Identity
    settings: ServeSettings
    live: Live
    token_rates: Rates
    tenant_rates: Rates
    metrics: Metrics = field(default_factory=Metrics)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By tenant: the model calls that /metrics has counted so far."""

    @property
    def store(self) -> Store:
        """The runtime's store."""
        return self.runtime.store

    def read(self, caller: Caller) -> Session:
        """The caller's own tenant, for reading."""
        return self.store.read(caller.tenant)

    def shown(self, caller: Caller, run: Run) -> Run:
        """A run as the caller is shown it."""
        return disclosed(self.runtime.app, caller, run)

    async def require(self, caller: Caller, act: Act, thing: Thing) -> None:
        """Raise NotPermitted, recorded, unless the caller may."""
        await require(self.store, self.runtime.app.access, caller, act, thing)

    def recorded(self, caller: Caller, act: Act, thing: Thing) -> AbstractAsyncContextManager[None]:
        """Record a refusal that the runtime itself raises inside."""
        return recorded(self.store, caller, act, thing)


async def here(request: Request) -> Site:
    """The site that serves this request. Async, or it would be run in a thread."""
    return site_of(request)


def site_of(request: Request) -> Site:
    """The same."""
    site: Site = request.app.state.site
    return site


Here = Annotated[Site, Depends(here)]

Number = Annotated[int, Query(ge=0, lt=2**53, description="The number of the last event known.")]


async def who(request: Request) -> Caller:
    """The caller, from the Authorization header or a sign-in's cookie; raises NotAuthenticated,
    RateLimited, and NotPermitted for a write by cookie that came from another site's page.

    Found out once for a request. Dependencies that need it ask here and do not declare it: each
    level of them costs as much as the look-up of the token.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    site = site_of(request)
    authorization, cookie = credentials(request)
    caller = await site.identity.identify(authorization, cookie)
    if cookie is not None and authorization is None:
        check_own_page(request, cookie)
    site.token_rates.take(f"{caller.tenant}/{caller.name}/{caller.channel}")
    site.tenant_rates.take(caller.tenant)
    request.state.caller = caller
    return caller


Who = Annotated[Caller, Depends(who)]

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def credentials(request: Request) -> tuple[str | None, str | None]:
    """The Authorization header and the sign-in's cookie that came along."""
    cookie = request.cookies.get(COOKIES[is_secure(request)])
    return request.headers.get("authorization"), cookie


COOKIES = {True: "__Host-agent_runtime", False: "agent_runtime"}
"""The cookie's name, by whether browsers reach us by https: the prefix keeps neighbours out."""


def origin_of(request: Request) -> str:
    """Scheme and host that browsers reach us by."""
    public = site_of(request).settings.public_url
    return f"{request.url.scheme}://{request.url.netloc}" if public is None else public


def is_secure(request: Request) -> bool:
    """Whether that is https."""
    return urlsplit(origin_of(request)).scheme == "https"


def check_own_page(request: Request, cookie: str) -> None:
    """Raise NotPermitted for a write that none of our pages asked for: a cookie comes along with
    whatever a browser sends, so that alone it proves nobody's will.

    A page sends its token in a header; a form's own is put into the request's state before.
    """
    if request.method in READING:
        return
    shown = request.headers.get("x-form-token") or str(getattr(request.state, "form_token", ""))
    origin = request.headers.get("origin")
    ours = origin == origin_of(request) if origin else _said_ours(request)
    if not (ours and is_form_token(shown, cookie)):
        raise NotPermitted(
            "This did not come from a page of ours, or from one of an earlier sign-in.",
            remedy="Reload the page and try again.",
        )


def _said_ours(request: Request) -> bool:
    return request.headers.get("sec-fetch-site", "same-origin") == "same-origin"


class OnTenant:
    """A dependency: the caller may do this to all of their tenant."""

    def __init__(self, act: Act) -> None:
        self.act = act

    async def __call__(self, request: Request) -> Caller:
        site, caller = site_of(request), await who(request)
        await site.require(caller, self.act, a_tenant(caller.tenant))
        return caller


class OnRun:
    """A dependency: the caller may do this to the run in the path, which is returned as they are
    shown it.

    Another tenant's is not found, as if there were none.
    """

    def __init__(self, act: Act) -> None:
        self.act = act

    async def __call__(self, run_id: str, request: Request) -> Run:
        site, caller = site_of(request), await who(request)
        run = site.read(caller).runs.get(run_id)
        await site.require(caller, self.act, a_run(run))
        return site.shown(caller, run)


class OnApproval:
    """The same for an approval."""

    def __init__(self, act: Act) -> None:
        self.act = act

    async def __call__(self, approval_id: str, request: Request) -> Approval:
        site, caller = site_of(request), await who(request)
        session = site.read(caller)
        approval = session.approvals.get(approval_id)
        await site.require(
            caller, self.act, an_approval(approval, session.runs.get(approval.run_id))
        )
        return approval


Reader = Annotated[Caller, Depends(OnTenant("read"))]
"""A caller who may read all of their tenant."""

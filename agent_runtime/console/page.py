"""Pages: templates filled for one caller, and sent so that a browser runs nothing but our files."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jinja2
from fastapi import Request, Response
from starlette.datastructures import Headers

from agent_runtime.access import Caller
from agent_runtime.api.site import credentials, site_of
from agent_runtime.console.assets import Assets, takes_gzip
from agent_runtime.console.display import display_of
from agent_runtime.console.text import FILTERS, FOLD
from agent_runtime.signin import form_token
from agent_runtime.verdict import Operator

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'"
)

SAFE = {
    "content-security-policy": POLICY,
    # Without it browsers send `Origin: null` along with forms, which proves nothing.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
    "vary": "accept-encoding, cookie",
}

WORTH_PACKING = 1_400
"""Bytes of a page above which compressing it saves a packet."""


@dataclass(frozen=True)
class Tab:
    """A screen's place in the navigation; `key` follows g on the keyboard."""

    path: str
    label: str
    key: str


@dataclass(frozen=True)
class Console:
    """What the pages of one server share. `people`: who may be chosen where nobody has to prove
    who they are."""

    assets: Assets
    templates: jinja2.Environment
    tabs: tuple[Tab, ...]
    people: Mapping[str, Operator] = field(default_factory=dict)


def load_templates(assets: Assets) -> jinja2.Environment:
    """The packaged templates. Whatever they are given is escaped, and a name that they are not
    given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("agent_runtime.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(asset=assets.url, fold=FOLD)
    return environment


def console_of(request: Request) -> Console:
    """The console that serves this request."""
    console: Console = request.app.state.console
    return console


def show(request: Request, template: str, status: int = 200, /, **given: Any) -> Response:
    """A page, or a part of one, as an answer.

    Beside `given`, templates know: `caller` (None: nobody is signed in), `form_token`, `head` (the
    number of the newest event that the page can know of), `now`, `tabs`, `here` (the path),
    `display`, `dev`.
    """
    text = console_of(request).templates.get_template(template).render(**_known(request), **given)
    return _send(text.encode(), request.headers, status)


def _known(request: Request) -> dict[str, Any]:
    site = site_of(request)
    caller: Caller | None = getattr(request.state, "caller", None)
    cookie = getattr(request.state, "cookie", None) or credentials(request)[1]
    head = getattr(request.state, "head", None)
    if head is None and caller is not None:
        head = head_of(request, caller)
    return {
        "caller": caller,
        "form_token": "" if cookie is None else form_token(cookie),
        "head": head or 0,
        "now": site.store.now(),
        "tabs": console_of(request).tabs,
        "here": request.url.path,
        "display": display_of(request),
        "dev": site.identity.dev is not None,
    }


def head_of(request: Request, caller: Caller) -> int:
    """The number of the newest event now. A screen that shows what is live asks this first and
    reads its rows afterwards: then whatever comes later is told to it."""
    found = site_of(request).read(caller).events.head().number
    request.state.head = found
    return found


def _send(body: bytes, headers: Headers, status: int) -> Response:
    own = dict(SAFE)
    # What is compressed here is never sent across sites: the cookie is SameSite=Strict, so that
    # nobody can have us compress their guess beside a secret.
    if len(body) > WORTH_PACKING and takes_gzip(headers):
        body = gzip.compress(body, 4)
        own["content-encoding"] = "gzip"
    return Response(body, status, own, "text/html; charset=utf-8")

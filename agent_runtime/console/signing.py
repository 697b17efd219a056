"""Signing in and out: by an API token, at an OpenID provider, or by one click under --dev."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller
from agent_runtime.api.site import COOKIES, credentials, is_secure, origin_of, site_of
from agent_runtime.console.form import Form, Posted, local_path
from agent_runtime.console.page import console_of, show
from agent_runtime.errors import NotAuthenticated, NotFound, NotPermitted

router = APIRouter(include_in_schema=False)

Next = Annotated[str, Query(alias="next", max_length=2_000)]

TYPED = "typed."
"""What names of fields begin with that wait for somebody to be signed in."""
UNTYPED = frozenset({"form_token", "review", "next", "token"})


@router.get("/")
async def start() -> Response:
    """The console begins with what waits."""
    return RedirectResponse("/inbox", 303)


@router.get("/sign-in")
async def ask(request: Request, path: Next = "/") -> Response:
    """How one may sign in here."""
    return asked(request, local_path(path))


@router.post("/sign-in")
async def sign_in(request: Request, form: Posted) -> Response:
    """By an API token, which is exchanged for a cookie and stays out of every page."""
    require_own(request)
    site = site_of(request)
    site.tenant_rates.take("sign-in")
    try:
        caller = await site.identity.identify(f"Bearer {form.get('token').strip()}")
    except NotAuthenticated:
        refused = "This token is not valid, or not any more."
        path = local_path(form.get("next"))
        return asked(request, path, 401, refused=refused, typed=form.under(TYPED))
    return await admit(request, caller, "token", form)


@router.post("/sign-in/dev")
async def sign_in_dev(request: Request, form: Posted) -> Response:
    """As anybody, where the server was started with --dev."""
    require_own(request)
    dev = site_of(request).identity.dev
    if dev is None:
        raise NotFound("page", request.url.path)
    chosen = console_of(request).people.get(form.get("as"), dev)
    return await admit(request, Caller(chosen, channel="dev"), "dev", form)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the sign-in, here and on the server."""
    require_own(request)
    cookie = credentials(request)[1]
    if cookie is not None:
        await site_of(request).identity.sign_out(cookie)
    answer = asked(request, "/", said="You are signed out.")
    secure = is_secure(request)
    answer.delete_cookie(COOKIES[secure], secure=secure, httponly=True, samesite="strict")
    # What this browser still holds of pages and drafts is nobody's business any more.
    answer.headers["clear-site-data"] = '"storage"'
    return answer


@router.get("/signed-in")
async def arrived(request: Request, path: Next = "/") -> Response:
    """Whether the browser has kept the cookie."""
    if credentials(request)[1] is None:
        return show(request, "no_cookies.html", 400)
    return RedirectResponse(local_path(path), 303)


async def admit(request: Request, caller: Caller, how: str, form: Form) -> Response:
    """Give the browser its cookie and send it on.

    There is a page in between: after another site has sent the browser here, a redirect would go
    without the cookie. What was typed before is in that page, to be sent again by its author.
    """
    identity = site_of(request).identity
    before = credentials(request)[1]
    if before is not None:
        await identity.sign_out(before)
    signed, secret = await identity.sign_in(caller, how)
    request.state.cookie = secret
    path, typed = local_path(form.get("next")), form.under(TYPED)
    onward = path if typed else f"/signed-in?next={quote(path, safe='')}"
    answer = show(request, "signed_in.html", 200, path=onward, name=signed.operator, typed=typed)
    secure = is_secure(request)
    answer.set_cookie(COOKIES[secure], secret, httponly=True, samesite="strict", secure=secure)
    return answer


def asked(
    request: Request,
    path: str,
    status: int = 200,
    *,
    refused: str = "",
    said: str = "",
    typed: Mapping[str, str] | None = None,
) -> Response:
    """The page that asks who one is. `typed`: what a form held when its sign-in was over."""
    site = site_of(request)
    dev = site.identity.dev
    return show(
        request,
        "sign_in.html",
        status,
        path=path,
        refused=refused,
        said=said,
        typed={n: v for n, v in (typed or {}).items() if n not in UNTYPED},
        people=[] if dev is None else [dev, *console_of(request).people.values()],
        oidc=site.settings.oidc_client_id is not None,
    )


def require_own(request: Request) -> None:
    """Nobody is signed in or out from another site's page, to make them act as somebody else."""
    origin = request.headers.get("origin")
    said = request.headers.get("sec-fetch-site", "same-origin")
    if (origin is not None and origin != origin_of(request)) or said not in ("same-origin", "none"):
        raise NotPermitted("This did not come from a page of ours.", remedy="Open /sign-in here.")

"""Signing in at an OpenID provider: the code flow with PKCE, state and nonce."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request, Response

from agent_runtime.api.site import is_secure, origin_of, site_of
from agent_runtime.console.form import Form, Posted, local_path
from agent_runtime.console.page import show
from agent_runtime.console.signing import admit, asked, require_own
from agent_runtime.errors import NotAuthenticated, NotFound
from agent_runtime.oidc import Asking

router = APIRouter(prefix="/sign-in/oidc", include_in_schema=False)

COOKIE = "agent_runtime_asking"
"""Lax, unlike the sign-in's own: it has to come along when the issuer sends the browser back."""

PATIENCE = 600
"""Seconds that somebody may take to sign in at their issuer."""

Text = Annotated[str, Query(max_length=4_000)]


@router.post("")
async def go(request: Request, form: Posted) -> Response:
    """Send the browser to the issuer."""
    require_own(request)
    if site_of(request).settings.oidc_client_id is None:
        raise NotFound("page", request.url.path)
    asking = Asking(secrets.token_urlsafe(32), _back(request))
    path = local_path(form.get("next"))
    try:
        address = await site_of(request).identity.ask_issuer(asking)
    except NotAuthenticated as error:
        return asked(request, path, 503, refused=f"{error.message} Use a token, or try again.")
    # Not a redirect: our pages' forms may lead to ourselves alone.
    answer = show(request, "onward.html", address=address)
    kept = urlencode({"secret": asking.secret, "next": path})
    answer.set_cookie(
        COOKIE,
        kept,
        max_age=PATIENCE,
        path=router.prefix,
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )
    return answer


@router.get("/back")
async def back(request: Request, code: Text = "", state: Text = "") -> Response:
    """Where the issuer sends the browser back to: exchange the code for a sign-in."""
    kept = {name: values[-1] for name, values in parse_qs(request.cookies.get(COOKIE, "")).items()}
    path = local_path(kept.get("next", "/"))
    asking = Asking(kept.get("secret", ""), _back(request))
    try:
        if not kept.get("secret") or not hmac.compare_digest(state.encode(), asking.state.encode()):
            raise NotAuthenticated("This sign-in was not begun in this browser, or too long ago.")
        if not code:
            raise NotAuthenticated("The issuer did not let you in.")
        caller = await site_of(request).identity.redeem(code, asking)
    except NotAuthenticated as error:
        answer = asked(request, path, 401, refused=error.message)
    else:
        answer = await admit(request, caller, "oidc", Form({"next": [path]}))
    answer.delete_cookie(COOKIE, path=router.prefix)
    return answer


def _back(request: Request) -> str:
    return f"{origin_of(request)}{router.prefix}/back"

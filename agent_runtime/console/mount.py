"""Mounting: the console's routes beside the API's, and refusals told as pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_runtime.api.problem import MEDIA
from agent_runtime.console import assets
from agent_runtime.console.assets import Assets
from agent_runtime.console.page import Console, load_templates, show
from agent_runtime.console.screens import SCREENS, TABS
from agent_runtime.console.signing import asked
from agent_runtime.verdict import Operator

API = "/v1/"


def mount(app: FastAPI, people: Mapping[str, Operator] | None = None) -> None:
    """Put the console onto the API's app. `people`: see `Console`."""
    packaged = Assets.load()
    app.state.console = Console(packaged, load_templates(packaged), TABS, people or {})
    for router in (assets.router, *SCREENS):
        app.include_router(router)
    app.add_middleware(ProblemPages, state=app)


class ProblemPages:
    """Tells problems as pages to whoever looks with a browser: from a route, from the front, from
    wherever. Who is not signed in is sent to sign in, and back."""

    def __init__(self, app: ASGIApp, state: FastAPI) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_for_people(scope):
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        # Shared with the routes below, so that the page knows who asked and what they sent.
        scope.setdefault("state", {})
        await self._app(scope, receive, answer)
        if answer.problem is not None:
            scope["app"] = self._state
            page = _page(Request(scope), answer.problem, json.loads(answer.body))
            page.headers["x-request-id"] = answer.name
            await page(scope, receive, send)


class _Answer:
    """A send that keeps a problem back; everything else passes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.problem: int | None = None
        self.body = b""
        self.name = ""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if headers.get(b"content-type", b"").decode() == MEDIA:
                self.problem = message["status"]
                self.name = headers.get(b"x-request-id", b"").decode()
                return
        if self.problem is None:
            await self._send(message)
        else:
            self.body += message.get("body", b"")


def _is_for_people(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    wants = headers.get(b"accept", b"").decode("latin-1")
    return "text/html" in wants and MEDIA not in wants and not scope["path"].startswith(API)


def _page(request: Request, status: int, told: Mapping[str, Any]) -> Response:
    if status != 401:
        return show(request, "problem.html", status, told=told)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method == "GET":
        return RedirectResponse(f"/sign-in?next={quote(path, safe='')}", 303)
    form = getattr(request.state, "form", None)
    typed = {} if form is None else {name: values[-1] for name, values in form.fields.items()}
    return asked(request, path, 401, typed=typed)

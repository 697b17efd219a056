"""Bodies: read within a limit, and refused unless they are plain JSON, before a route sees them."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_runtime.api.problem import problem
from agent_runtime.cloudevent import MEDIA

BODY_TIMEOUT = 10.0
"""Seconds that a client may take to send its body."""

EVENTS = "/v1/triggers/"
"""Below this path a body may also be a whole CloudEvent."""

API = "/v1/"
FORM = b"application/x-www-form-urlencoded"
"""What a browser's form sends: to pages only, never to the API."""

WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class _Refused(Exception):
    """The body is not taken: a problem's code, and its detail."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Bodies:
    """Hands on requests whose body is JSON, of at most `limit` bytes and `depth` levels; and the
    forms of pages, within the limit."""

    def __init__(self, app: ASGIApp, limit: int, depth: int) -> None:
        self._app = app
        self._limit = limit
        self._depth = depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except _Refused as refused:
            name = str(scope.get("request_id", ""))
            await problem(refused.code, refused.detail, name)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body, checked; None when the client went away."""
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"0")
        if not said.isdigit() or int(said) > self._limit:
            raise _Refused("too_large", f"A body may have {self._limit} bytes.")
        body = b""
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._limit:
                        raise _Refused("too_large", f"A body may have {self._limit} bytes.")
        except TimeoutError as error:
            raise _Refused("body_timeout", f"It took over {BODY_TIMEOUT:.0f} s.") from error
        if body:
            kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
            if kind == FORM and not str(scope["path"]).startswith(API):
                return body
            if kind != b"application/json" and not _is_event(scope, kind):
                raise _Refused("unsupported_media_type", "Send application/json.")
            _check(body, self._depth)
        return body


def _is_event(scope: Scope, kind: bytes) -> bool:
    return kind == MEDIA.encode() and str(scope["path"]).startswith(EVENTS)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once, and then whatever the client does."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _check(body: bytes, depth: int) -> None:
    """Raise unless it is UTF-8 JSON as everybody reads it: no name twice, no NaN, no null."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError as error:
        raise _Refused("malformed", f"The body is nested deeper than {depth} levels.") from error
    except ValueError as error:
        raise _Refused("malformed", f"The body is not JSON: {_named(error)}.") from error
    todo = [(value, 1)]
    while todo:
        found, level = todo.pop()
        if level > depth:
            raise _Refused("malformed", f"The body is nested deeper than {depth} levels.")
        match found:
            case str() if "\0" in found:
                raise _Refused("malformed", "The body holds a null character.")
            case dict():
                todo += [(part, level + 1) for pair in found.items() for part in pair]
            case list():
                todo += [(part, level + 1) for part in found]
            case _:
                pass


def _named(error: ValueError) -> str:
    """What is wrong, without a piece of the body."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8 text"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _once(found: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(found)
    if len(value) < len(found):
        raise ValueError("a name is given twice in one object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")

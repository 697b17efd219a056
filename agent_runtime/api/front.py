"""The front: what every request passes before a route sees it. It lets nobody in by itself:
who may do what is asked in the routes, because only there the path is what was routed."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from pathlib import PurePath
from traceback import extract_tb

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_runtime.api.metrics import Metrics
from agent_runtime.api.problem import problem
from agent_runtime.telemetry import log

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$")

LASTING = re.compile(r"/v1/tenants/[^/]+/export")
"""What takes as long as there is to tell, under the same bound."""

STREAM = "/v1/events/stream"
"""The one path that stays open, with a bound of its own."""

PROBES = frozenset({"/livez", "/readyz"})
"""Always answered, whatever host is addressed, so that a full server isn't taken for dead."""

SECURITY = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Front:
    """Request ids, security headers, trusted hosts, time-outs, and shedding before drowning.

    `hosts`: the names that a request may address. `timeout`: seconds. `most`: requests at work
    at once; `streams`: live readers at once. `local`: pages of other origins are refused, since
    on a server without credentials a browser's own reach would be one.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        hosts: Sequence[str],
        timeout: float,
        most: int,
        streams: int,
        local: bool,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = frozenset(hosts)
        self._timeout = timeout
        self._most = most
        self._streams = streams
        self._local = local
        self._working = 0
        self._streaming = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        name = _name(headers.get(b"x-request-id", b""))
        scope["request_id"] = name
        answer = _Answer(send, name)
        with self._metrics.measure(scope, answer):
            if scope["path"] not in PROBES and not self._is_for_us(headers):
                await problem("misdirected", "Address this server by its own name.", name)(
                    scope, receive, answer
                )
            elif scope["path"] == STREAM or LASTING.fullmatch(scope["path"]):
                await self._stream(scope, receive, answer)
            elif self._working >= self._most and scope["path"] not in PROBES:
                await _shed(name, scope, receive, answer)
            else:
                await self._work(scope, receive, answer)

    async def _work(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        self._working += 1
        name = str(scope["request_id"])
        try:
            async with asyncio.timeout(self._timeout):
                await self._app(scope, receive, answer)
        except TimeoutError:
            log("request timed out", request=name)
            if answer.status:
                return
            detail = f"It took over {self._timeout:.0f} s; whether it was done is to be looked up."
            await problem("timeout", detail, name)(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 — a defect: its type is logged, its text may be content
            log("unexpected error", request=name, error=type(error).__name__, at=_place(error))
            if not answer.status:
                await problem("internal_error", "It has been logged.", name)(scope, receive, answer)
        finally:
            self._working -= 1

    async def _stream(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if self._streaming >= self._streams:
            await _shed(str(scope["request_id"]), scope, receive, answer)
            return
        self._streaming += 1
        self._metrics.streams = self._streaming
        try:
            await self._app(scope, receive, answer)
        finally:
            self._streaming -= 1
            self._metrics.streams = self._streaming

    def _is_for_us(self, headers: dict[bytes, bytes]) -> bool:
        host = _host(headers.get(b"host", b""))
        if host not in self._hosts:
            return False
        origin = headers.get(b"origin")
        return not self._local or origin is None or _host(origin.split(b"//")[-1]) in self._hosts


class _Answer:
    """A send that adds our headers where a page does not bring its own, and knows whether and how
    the answer has begun."""

    def __init__(self, send: Send, name: str) -> None:
        self._send = send
        self._name = name
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            said = {name for name, _ in message["headers"]}
            own = (*SECURITY, (b"x-request-id", self._name.encode()))
            more = [header for header in own if header[0] not in said]
            message["headers"] = [*message["headers"], *more]
        await self._send(message)


async def _shed(name: str, scope: Scope, receive: Receive, answer: _Answer) -> None:
    await problem("overloaded", "Come back in a moment.", name)(scope, receive, answer)


def _place(error: Exception) -> str:
    """File and line that raised it."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{PurePath(frame.filename).name}:{frame.lineno}"


def _name(wanted: bytes) -> str:
    """The request's id: the client's own where it is harmless in logs, else a new one."""
    if _REQUEST_ID.match(wanted):
        return wanted.decode()
    return f"req-{secrets.token_hex(8)}"


def _host(header: bytes) -> str:
    """The name in a Host header or an origin, without its port."""
    text = header.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].split("]")[0]
    return text.rsplit(":", 1)[0] if ":" in text else text

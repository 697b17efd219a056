"""The server: the API on a port, with a worker beside it, until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agent_runtime.api.live import POLICIES, Live
from agent_runtime.errors import SettingsError, StoreError
from agent_runtime.service import Service
from agent_runtime.telemetry import log

GRACE = 5
"""Seconds that requests may go on once the server is told to stop."""

BEHIND = 1.0
"""Seconds that what is in force here may be behind what another process has put in force."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_loopback(host: str) -> None:
    """Raise SettingsError unless the address is this machine's own."""
    if not is_loopback(host):
        raise SettingsError(
            f"--dev lets everybody in who can connect, and {host} is no loopback address.",
            remedy="Bind to 127.0.0.1, or leave --dev away and use tokens.",
        )


MAX_HEAD = 32_768
"""Bytes of a request line with its headers, and of anything else that does not come to an end."""


class BoundedHttp(HttpToolsProtocol):
    """Uvicorn's parser in C, which alone would wait for the end of a header for ever."""

    _unended = 0

    def data_received(self, data: bytes) -> None:
        """Take in what came; refuse a head that is too long."""
        self._unended += len(data)
        super().data_received(data)
        if self._unended > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("Request header too large.")

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._unended = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body, which has a limit of its own."""
        self._unended = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has ended."""
        self._unended = 0
        super().on_message_complete()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: whoever runs it says when to stop."""

    def __init__(self, config: uvicorn.Config, bound: Callable[[int], None]) -> None:
        super().__init__(config)
        self._bound = bound

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # sockets are handed through
        await super().startup(sockets)  # type: ignore[arg-type]  # see above
        if self.started:
            self._bound(self.servers[0].sockets[0].getsockname()[1])


async def serve(
    app: FastAPI,
    live: Live,
    service: Service | None,
    stop: asyncio.Event,
    *,
    host: str,
    port: int,
    bound: Callable[[int], None],
    follow: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until `stop` is set; `bound` is told the port once requests are taken. `follow`: takes
    over what others have put in force.

    Then no new request is taken, streams end, and the worker finishes or hands back what it holds.
    Raises SettingsError when the port cannot be had.
    """
    server = _Server(_config(app, host, port), bound)
    watching = asyncio.create_task(_stop(server, live, stop))
    working = asyncio.create_task(_work(service, stop))
    following = asyncio.create_task(_follow(follow, live, stop))
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's way of saying that it could not start
        raise SettingsError(
            f"Port {port} of {host} cannot be had.", remedy="Name another with --port."
        ) from error
    finally:
        stop.set()
        await watching
        await working
        await following


def _config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """HTTP alone, with our own logs: uvicorn's would hold paths and addresses."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedHttp,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
    )


async def _work(service: Service | None, stop: asyncio.Event) -> None:
    """Drive runs until told to stop. A worker that fails takes the server along: one that only
    answers would leave every run where it is, and look well."""
    if service is None:
        return
    try:
        await service.run(stop)
    finally:
        stop.set()


async def _follow(
    follow: Callable[[], Awaitable[None]] | None, live: Live, stop: asyncio.Event
) -> None:
    """Keep up with other processes until told to stop. What is in force there and cannot be used
    here takes the server along: it would go on deciding by older rules."""
    try:
        while follow is not None and not live.closing:
            try:
                await follow()
            except StoreError as error:
                log("what is in force cannot be read", error=error.code)
            await live.wait(POLICIES, BEHIND)
    except BaseException:
        stop.set()
        raise


async def _stop(server: uvicorn.Server, live: Live, stop: asyncio.Event) -> None:
    await stop.wait()
    live.close()
    server.should_exit = True

"""The wire: connections to one provider, held in many small pools, and answers let in one by one.

A pool of the HTTP library looks through all its connections, by a system call each, whenever a
request begins or ends: with 200 in one of them, that is half of all the work there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast
from urllib.request import getproxies

import httpx

EACH = 8
"""Requests under way in one pool, before the next one is used."""


def wire_client(timeout: float) -> httpx.AsyncClient:
    """A client for as many requests at once as there are; `timeout` in seconds.

    Where the environment names a proxy it is an ordinary one, which knows how to go by it.
    """
    if set(getproxies()) - {"no"}:
        return httpx.AsyncClient(timeout=timeout, limits=httpx.Limits())
    return httpx.AsyncClient(timeout=timeout, transport=Wire())


@dataclass
class _Pool:
    transport: httpx.AsyncHTTPTransport
    under_way: int = 0


class Wire(httpx.AsyncBaseTransport):
    """Takes the first pool with room, so that connections are used again; makes one more where
    there is none."""

    def __init__(self) -> None:
        self._context = httpx.create_ssl_context()  # takes long to make, and is the same for all
        self._door = asyncio.Lock()
        self._pools = [self._another()]  # the first one imports, which is better done by now

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and wait for the head of its answer."""
        pool = self._roomy()
        pool.under_way += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.under_way -= 1
            raise
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_Body(cast("httpx.AsyncByteStream", response.stream), pool, self._door),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.transport.aclose()

    @property
    def under_way(self) -> list[int]:
        """Requests in each pool."""
        return [pool.under_way for pool in self._pools]

    def _roomy(self) -> _Pool:
        for pool in self._pools:
            if pool.under_way < EACH:
                return pool
        self._pools.append(self._another())
        return self._pools[-1]

    def _another(self) -> _Pool:
        limits = httpx.Limits()  # none: how many are asked at once is limited elsewhere
        return _Pool(httpx.AsyncHTTPTransport(verify=self._context, limits=limits))


@dataclass
class _Body(httpx.AsyncByteStream):
    """An answer's body, in its pool until it is closed."""

    stream: httpx.AsyncByteStream
    pool: _Pool
    door: asyncio.Lock
    is_closed: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # What follows takes milliseconds of work: of many answers that came in together one is
        # read at a time, and in between the loop does what else there is.
        async with self.door:
            await asyncio.sleep(0)
        async for part in self.stream:
            yield part

    async def aclose(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.pool.under_way -= 1
            await self.stream.aclose()

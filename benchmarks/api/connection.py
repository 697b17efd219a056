"""A keep-alive HTTP/1.1 connection, thin, so that the client costs the server little of the CPU."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.engine.case import WrongRun


@dataclass
class Connection:
    """One person's connection to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    token: str

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request's JSON answer; raises WrongRun unless it is a success."""
        await self._send(method, path, b"" if body is None else json.dumps(body).encode())
        status, headers = await self._head()
        content = await self.reader.readexactly(int(headers[b"content-length"]))
        if status >= 300:
            raise WrongRun(f"{method} {path}: {status} {content[:300].decode()}")
        return json.loads(content)

    async def listen(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a stream that stays open."""
        await self._send("GET", path, b"")
        status, _ = await self._head()
        if status != 200:
            raise WrongRun(f"GET {path}: {status}")
        while line := await self.reader.readline():
            yield line

    async def _send(self, method: str, path: str, body: bytes) -> None:
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        await self.writer.drain()

    async def _head(self) -> tuple[int, dict[bytes, bytes]]:
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        pairs = (line.partition(b": ") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}


@asynccontextmanager
async def connect(port: int, token: str) -> AsyncIterator[Connection]:
    """A connection to the server on this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer, token)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

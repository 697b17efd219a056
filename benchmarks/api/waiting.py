"""What people at their screens wait for: a page of a full inbox, and the news."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.api.connection import Connection, connect
from benchmarks.api.server import Server
from benchmarks.engine.case import WrongRun
from benchmarks.scale.usage import resident_mb

PATIENCE = 30.0


@dataclass(frozen=True)
class Readers:
    """`mb`: what they all cost the server; `worst_s`: until the last one has a new event."""

    count: int
    mb: float
    worst_s: float


async def inbox(server: Server, pending: int, looks: int) -> list[float]:
    """Milliseconds of each look at the first page, by one person after the other."""
    spent = []
    async with connect(server.port, server.rita) as rita:
        counts = await rita.ask("GET", "/v1/approvals/counts")
        if counts["total"] != pending:
            raise WrongRun(f"{counts['total']} questions wait, and not {pending}.")
        for _ in range(looks):
            begun = time.perf_counter()
            page = await rita.ask("GET", "/v1/approvals")
            spent.append((time.perf_counter() - begun) * 1e3)
            if len(page["items"]) != min(50, pending):
                raise WrongRun(f"The page has {len(page['items'])} questions.")
    return spent


async def readers(server: Server, count: int) -> Readers:
    """Open so many streams, let them idle, then start a run and see all of them hear of it."""
    before = resident_mb(server.pid)
    heard: list[float] = []
    ready = asyncio.Barrier(count + 1)
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(connect(server.port, server.rita)) for _ in range(count)
        ]
        listening = [asyncio.create_task(_hear(one, ready, heard)) for one in opened]
        async with asyncio.timeout(PATIENCE):
            await ready.wait()
        await asyncio.sleep(1.0)
        cost = resident_mb(server.pid) - before
        async with connect(server.port, server.desk) as desk:
            begun = time.perf_counter()
            body = {"workflow": "notices", "input": {"notice": "news"}}
            await desk.ask("POST", "/v1/runs", body)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*listening)
    return Readers(count, cost, max(heard) - begun)


async def _hear(one: Connection, ready: asyncio.Barrier, heard: list[float]) -> None:
    async for line in one.listen("/v1/events/stream?type=run.queued"):
        if line.startswith(b": connected"):
            await ready.wait()
        elif line.startswith(b"event: run.queued"):
            heard.append(time.perf_counter())
            return
    raise WrongRun("A stream has ended.")

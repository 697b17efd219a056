"""Cycles over HTTP: start → paused → approve → done, one after the other on each connection."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import count
from statistics import median

from benchmarks.api.connection import Connection, connect
from benchmarks.api.server import Server
from benchmarks.engine.case import WrongRun

_numbers = count()


@dataclass(frozen=True)
class Round:
    """Cycles a second, and the milliseconds of the cycle in the middle."""

    per_s: float
    p50_ms: float


async def measure(server: Server, cycles: int, connections: int) -> Round:
    """So many cycles, shared among so many clients; raises WrongRun unless each acted."""
    spent: list[float] = []
    left = iter(range(cycles))

    async def client() -> None:
        async with (
            connect(server.port, server.desk) as desk,
            connect(server.port, server.rita) as rita,
        ):
            for _ in left:
                begun = time.perf_counter()
                await _approve(rita, await _start(desk, f"n{next(_numbers)}"))
                spent.append((time.perf_counter() - begun) * 1e3)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    seconds = time.perf_counter() - begun
    return Round(cycles / seconds, median(spent))


async def completed(server: Server) -> int:
    """Runs that have ended well; raises WrongRun when there are others."""
    async with connect(server.port, server.rita) as rita:
        found = await rita.ask("GET", "/v1/runs/counts")
    if set(found) - {"completed"}:
        raise WrongRun(f"Not every run was completed: {found}.")
    return int(found.get("completed", 0))


async def _start(desk: Connection, notice: str) -> str:
    body = {"workflow": "notices", "input": {"notice": notice}}
    run = await desk.ask("POST", "/v1/runs?wait=paused", body)
    if run["state"] != "paused":
        raise WrongRun(f"{notice} is {run['state']}.")
    return str(run["id"])


async def _approve(rita: Connection, run: str) -> None:
    page = await rita.ask("GET", f"/v1/approvals?run={run}&fields=id&fields=digest")
    (asked,) = page["items"]
    path = f"/v1/approvals/{asked['id']}/decide?wait=done"
    answer = await rita.ask("POST", path, {"kind": "approve", "digest": asked["digest"]})
    if answer["status"] != "approved":
        raise WrongRun(f"{run} was not approved: {answer['status']}.")

"""What people wait for: the list of open approvals, and the act after their yes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from agent_runtime.decision import Desk
from agent_runtime.inbox import Filter, Order
from benchmarks.engine.case import WrongRun, traced_commits
from benchmarks.engine.copies import Original, fill
from benchmarks.engine.governed import RITA, GovernedCase, open_governed

PAGE = 100
"""Approvals on one page of the list."""


async def inbox(paused: int, looks: int, where: Path | None) -> list[float]:
    """Milliseconds of each look at a page of the open approvals, with that many paused runs.

    The first look is that of a runtime that was just opened.
    """
    with tempfile.TemporaryDirectory(dir=where) as folder:
        async with open_governed(Path(folder)) as case:
            await seed_paused(case, paused)
        async with open_governed(Path(folder)) as case:
            return [look(case.runtime.desk, paused) for _ in range(looks)]


async def seed_paused(case: GovernedCase, count: int) -> None:
    """One run that really paused, and its copies in the store."""
    if not await case.start("model"):
        raise WrongRun("The run to copy did not pause.")
    session = case.runtime.store.read(RITA.tenant)
    (run,) = session.runs.find(["paused"])
    original = Original(session, run, kept=True)
    await fill(case.runtime.store, original, RITA.tenant, count - 1)


def look(desk: Desk, paused: int) -> float:
    """Milliseconds of one page and the counts beside it, as the API and the command line read
    them."""
    begun = time.perf_counter()
    page = desk.inbox(Filter(), Order(limit=PAGE), who=RITA)
    counts = desk.counts(Filter(), who=RITA)
    spent = (time.perf_counter() - begun) * 1e3
    if (len(page.items), counts.total) != (min(paused, PAGE), paused):
        raise WrongRun(f"The inbox shows {len(page.items)} and counts {counts.total}.")
    return spent


async def decide_to_act(runs: int, where: Path | None) -> list[float]:
    """Milliseconds from a decision's COMMIT to the start of the write tool, one run at a time.

    The clock starts when the COMMIT statement does, so that flushing the disk is in it.
    """
    spent = []
    with traced_commits() as commits, tempfile.TemporaryDirectory(dir=where) as folder:
        async with open_governed(Path(folder)) as case:
            for number in range(runs):
                name = f"run-{number}"
                await case.start(name)
                await asyncio.sleep(0.005)
                await case.approve(name)
                committed = commits.at[-1]
                if await case.finish(name) != 1:
                    raise WrongRun(f"{name} did not act once.")
                spent.append((case.press.began - committed) * 1e3)
    return spent

"""What people wait for: the list of open approvals, and the act after their yes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path

from agent_runtime.approval import Approval
from agent_runtime.run import Run, new_id
from agent_runtime.store import Session
from benchmarks.engine.case import traced_commits
from benchmarks.engine.governed import RITA, GovernedCase, open_governed

BATCH = 500
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
            return [_look(case, paused) for _ in range(looks)]


async def seed_paused(case: GovernedCase, count: int) -> None:
    """One run that really paused, and its copies in the store."""
    if not await case.start("model"):
        raise RuntimeError("The run to copy did not pause.")
    session = case.runtime.store.read(RITA.tenant)
    (asked,) = session.approvals.find(["open"])
    run = session.runs.get(asked.run_id)
    left = count - 1
    while left:
        size = min(left, BATCH)
        await case.runtime.store.write(RITA.tenant, partial(_copy, run, asked, size))
        left -= size


def _copy(run: Run, asked: Approval, count: int, session: Session) -> None:
    for _ in range(count):
        copied = run.model_copy(update={"id": new_id("run")})
        session.runs.insert(copied, ())
        ids = {"id": new_id("apr"), "run_id": copied.id}
        session.approvals.request(asked.model_copy(update=ids))
        body = {"approval": ids["id"], "step": asked.step, "visit": asked.visit}
        session.events.append("approval.opened", copied.id, **body)


def _look(case: GovernedCase, paused: int) -> float:
    """With the call behind `agent-runtime approvals list`, for one page."""
    begun = time.perf_counter()
    found = case.runtime.store.read(RITA.tenant).approvals.find(["open"], limit=PAGE)
    spent = (time.perf_counter() - begun) * 1e3
    if len(found) != min(paused, PAGE):
        raise RuntimeError(f"The inbox shows {len(found)} of {paused} approvals.")
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
                    raise RuntimeError(f"{name} did not act once.")
                spent.append((case.press.began - committed) * 1e3)
    return spent

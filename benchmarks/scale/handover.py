"""From a decision in one process to the action in another, on an idle system."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agent_runtime.approval import Answer, Approval
from agent_runtime.run import Run
from agent_runtime.store import Session
from benchmarks.engine.case import Commits, WrongRun, traced_commits
from benchmarks.engine.governed import RITA, TRIGGER, GovernedCase, open_governed
from benchmarks.scale.program import PATIENCE, Place

LOOK = 0.02
"""Seconds between our own looks: seldom, or we would be the load."""
REST = (0.2, 0.5)
"""Seconds between two decisions: the system is idle, and the worker's next look at any distance."""

T = TypeVar("T")


async def handover(folder: Path, runs: int, seed: int) -> list[float]:
    """Milliseconds from each decision's COMMIT here to the start of its write tool in a worker.

    The clock starts when the COMMIT statement does, so that flushing the disk is in it.
    """
    rng, place = random.Random(seed), Place.make(folder)  # noqa: S311 — no secret
    with traced_commits() as commits:
        async with open_governed(folder) as case:
            with place.worker():
                return [
                    await _hand_over(case, place, commits, f"run-{number}", rng.uniform(*REST))
                    for number in range(runs)
                ]


async def _hand_over(
    case: GovernedCase, place: Place, commits: Commits, name: str, rest: float
) -> float:
    """One run that the worker drives to its question and, once we have said yes, on."""
    run = await case.runtime.start("notices", {"notice": name}, trigger=TRIGGER)
    asked = await _wait_for(lambda: _question(_read(case), run), f"{name} to pause")
    await asyncio.sleep(rest)
    yes = Answer(kind="approve", digest=asked.digest, channel="bench")
    await case.runtime.decide(asked.id, RITA, yes)
    committed = commits.at[-1]
    began = await _wait_for(lambda: place.began().get(run.id), f"{name} to act")
    await _wait_for(lambda: _ended(_read(case), run), f"{name} to end")
    return (began - committed) * 1e3


def _read(case: GovernedCase) -> Session:
    return case.runtime.store.read(RITA.tenant)


def _question(session: Session, run: Run) -> Approval | None:
    if session.runs.get(run.id).state != "paused":
        return None
    return session.approvals.find(["open"], run_id=run.id)[0]


def _ended(session: Session, run: Run) -> bool | None:
    return session.runs.get(run.id).state == "completed" or None


async def _wait_for(find: Callable[[], T | None], what: str) -> T:
    end = time.monotonic() + PATIENCE
    while (found := find()) is None:
        if time.monotonic() > end:
            raise WrongRun(f"Waited for {what} for {PATIENCE:.0f} s.")
        await asyncio.sleep(LOOK)
    return found

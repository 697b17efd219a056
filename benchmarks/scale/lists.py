"""How long lists take: the calls behind the API and the command line, on a store that is full."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent_runtime.run import RunState
from agent_runtime.runtime import Runtime
from agent_runtime.store.runs import RunFilter
from benchmarks.engine.case import WrongRun
from benchmarks.engine.copies import Original, fill
from benchmarks.engine.governed import RITA, open_governed
from benchmarks.engine.people import PAGE, look, seed_paused


@dataclass(frozen=True)
class Lists:
    """Milliseconds of each look: a page of open approvals with their counts, the newest runs,
    and the newest of the paused runs."""

    inbox: list[float]
    runs: list[float]
    paused_runs: list[float]


async def make_paused(folder: Path, count: int) -> None:
    """An installation with that many paused runs."""
    async with open_governed(folder) as case:
        await seed_paused(case, count)


async def make_finished(folder: Path, count: int) -> None:
    """That many runs more, all newer, that were asked about, acted and ended."""
    async with open_governed(folder) as case:
        await case.start("finished")
        if await case.answer("finished") != 1:
            raise WrongRun("The run to copy did not act once.")
        session = case.runtime.store.read(RITA.tenant)
        (run,) = session.runs.find(["completed"])
        original = Original(session, run, kept=False)
        await fill(case.runtime.store, original, RITA.tenant, count - 1)


async def time_lists(folder: Path, paused: int, looks: int) -> Lists:
    """Look that often at each list, in turn, with a runtime that was just opened."""
    found = Lists([], [], [])
    async with open_governed(folder) as case:
        for _ in range(looks):
            found.inbox.append(look(case.runtime.desk, paused))
            found.runs.append(_timed(lambda: _runs(case.runtime)))
            found.paused_runs.append(_timed(lambda: _runs(case.runtime, "paused")))
    return found


def _runs(runtime: Runtime, *states: RunState) -> None:
    runs = runtime.store.read(RITA.tenant).runs
    runs.page(RunFilter(states=states), newest_first=True, after=None, limit=PAGE)


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3

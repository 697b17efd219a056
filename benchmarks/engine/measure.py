"""Measuring: every case at every concurrency, in interleaved rounds, on empty folders."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.engine.case import Case, OpenCase, run_cycles, traced_commits

WARM_UP = 4


@dataclass(frozen=True)
class Row:
    """One case at one concurrency: the median round. Latencies are as the caller sees them.

    `low`, `high`: the slowest and the fastest round's rate. `cpu_ms`, `commits` and `kb` (growth
    of the files, WAL folded in) are per cycle; None where a case has no files.
    """

    case: str
    at_a_time: int
    cycles: int
    per_s: float
    low: float
    high: float
    start_p50_ms: float
    start_p95_ms: float
    resume_p50_ms: float
    resume_p95_ms: float
    total_p50_ms: float
    total_p95_ms: float
    cpu_ms: float
    commits: float | None = None
    kb: float | None = None


@dataclass(frozen=True)
class Plan:
    """How much is measured: cycles by concurrency, and rounds. `folder` is on the disk to be
    measured."""

    cycles: Mapping[int, int]
    rounds: int
    folder: Path | None = None


Tick = Callable[[str], None]


def measure_all(cases: Mapping[str, OpenCase], plan: Plan, tick: Tick) -> list[Row]:
    """Every case at every concurrency; `tick` hears of each round. Raises WrongRun."""
    rows = []
    for at_a_time, cycles in plan.cycles.items():
        found: dict[str, list[Row]] = {name: [] for name in cases}
        # One round of each case, then the next: a busy moment hits all of them.
        for turn in range(plan.rounds):
            for name, opened in cases.items():
                row = asyncio.run(_timed(name, opened, at_a_time, cycles, plan.folder))
                found[name].append(row)
                tick(f"{name} at {at_a_time}, round {turn + 1}: {row.per_s:.0f} cycles/s")
        for name, opened in cases.items():
            commits = asyncio.run(_commits(opened, at_a_time, plan.folder))
            rows.append(replace(median(found[name]), commits=commits))
    return rows


def median(rounds: Sequence[Row]) -> Row:
    """The round in the middle, with the rates of the slowest and the fastest."""
    ordered = sorted(rounds, key=lambda row: row.per_s)
    middle = ordered[(len(ordered) - 1) // 2]
    return replace(middle, low=ordered[0].per_s, high=ordered[-1].per_s)


def percentile(values: Sequence[float], rank: float) -> float:
    """Nearest-rank percentile, `rank` in 0..100."""
    return sorted(values)[max(0, math.ceil(len(values) * rank / 100) - 1)]


def machine() -> dict[str, Any]:
    """What a figure depends on: cores, load, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.system(),
    }


async def _timed(
    name: str, opened: OpenCase, at_a_time: int, cycles: int, where: Path | None
) -> Row:
    with tempfile.TemporaryDirectory(dir=where) as folder:
        async with opened(Path(folder)) as case:
            await run_cycles(case, _names("warm", WARM_UP), min(WARM_UP, at_a_time))
            before = _kb(Path(folder))
            gc.collect()
            row = await _clocked(name, case, at_a_time, cycles)
            after = _kb(Path(folder))
    return replace(row, kb=(after - before) / cycles if after else None)


async def _clocked(name: str, case: Case, at_a_time: int, cycles: int) -> Row:
    cpu, wall = time.process_time(), time.perf_counter()
    laps = await run_cycles(case, _names("run", cycles), at_a_time)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rate = cycles / wall
    return Row(
        name,
        at_a_time,
        cycles,
        rate,
        rate,
        rate,
        *_ranks([lap.start for lap in laps]),
        *_ranks([lap.resume for lap in laps]),
        *_ranks([lap.total for lap in laps]),
        cpu_ms=cpu / cycles * 1e3,
    )


async def _commits(opened: OpenCase, at_a_time: int, where: Path | None) -> float | None:
    """COMMITs per cycle, in a pass of their own, so that tracing slows no timed one."""
    cycles = max(16, 2 * at_a_time)
    with traced_commits() as commits, tempfile.TemporaryDirectory(dir=where) as folder:
        async with opened(Path(folder)) as case:
            before = len(commits.at)
            await run_cycles(case, _names("traced", cycles), at_a_time)
            during = len(commits.at) - before
    return during / cycles if commits.at else None


def _names(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number:06d}" for number in range(count)]


def _ranks(values: Sequence[float]) -> tuple[float, float]:
    return percentile(values, 50), percentile(values, 95)


def _kb(folder: Path) -> float:
    """Size of the databases in the folder after their WAL was folded in."""
    total = 0
    for path in folder.rglob("*.db"):
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise RuntimeError("An open transaction keeps the WAL from being folded in.")
        total += path.stat().st_size
    return total / 1024

"""Measuring: an empty installation and a full one, in turns and side by side."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.engine.governed import open_governed
from benchmarks.scale import usage
from benchmarks.scale.handover import handover
from benchmarks.scale.lists import Lists, make_finished, make_paused, time_lists
from benchmarks.scale.program import Place
from benchmarks.scale.usage import Usage

Tick = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much is measured. `starts`: of each installation; `idle`: seconds, after at most
    `patience` for settling; `decisions`: taken while a worker beside us is idle."""

    paused: int
    finished: int
    looks: int
    starts: int
    idle: float
    decisions: int
    patience: float = 60.0
    seed: int = 7


@dataclass(frozen=True)
class Found:
    """All that was measured: seconds, and milliseconds in lists of looks and acts. `idle_…` are
    None where the system does not tell."""

    lists: Lists
    lists_finished: Lists
    start_empty: float
    start_paused: float
    start_finished: float
    doctor_empty: float
    doctor_finished: float
    idle_empty: Usage | None
    idle_paused: Usage | None
    acts: list[float]


def measure(size: Size, where: Path | None, tick: Tick) -> Found:
    """The whole measurement; `tick` hears of each part. Raises WrongRun."""
    with tempfile.TemporaryDirectory(dir=where) as folder:
        empty, full = (Place.make(Path(folder) / name) for name in ("empty", "full"))
        tick(f"making {size.paused:,} paused runs")
        asyncio.run(_open(empty.folder))
        asyncio.run(make_paused(full.folder, size.paused))
        lists = asyncio.run(time_lists(full.folder, size.paused, size.looks))
        tick(f"starting each process {size.starts} times")
        start_empty, start_paused = _starts([empty, full], size.starts)
        tick(f"watching idle workers for {size.idle:g} s")
        idle = _idle(empty, full, size)
        tick(f"making {size.finished:,} finished runs")
        asyncio.run(make_finished(full.folder, size.finished))
        os.sync()  # else the disk is busy with gigabytes of ours, and that is what is measured
        lists_finished = asyncio.run(time_lists(full.folder, size.paused, size.looks))
        tick("starting and examining with them")
        (start_finished,) = _starts([full], size.starts)
        doctor_empty, doctor_finished = empty.seconds("doctor"), full.seconds("doctor")
        tick(f"deciding {size.decisions} times beside a worker")
        acts = asyncio.run(handover(Path(folder) / "beside", size.decisions, size.seed))
    return Found(
        lists,
        lists_finished,
        start_empty,
        start_paused,
        start_finished,
        doctor_empty,
        doctor_finished,
        *idle,
        acts,
    )


async def _open(folder: Path) -> None:
    async with open_governed(folder):
        pass


def _starts(places: Sequence[Place], times: int) -> list[float]:
    """Median seconds of a worker that finds nothing to do; in turns, as the machine's load
    changes."""
    found = [[place.seconds("worker", "--once") for place in places] for _ in range(times)]
    return [median(spent) for spent in zip(*found, strict=True)]


def _idle(empty: Place, full: Place, size: Size) -> tuple[Usage | None, Usage | None]:
    """Both at once, so that whatever else the machine does befalls both."""
    if not usage.is_told():
        return None, None
    with empty.worker() as one, full.worker() as other:
        pids = [one.pid, other.pid]
        usage.settle(pids, size.patience)
        of_empty, of_full = usage.watch(pids, size.idle)
    return of_empty, of_full

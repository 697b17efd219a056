"""A case, the cycles it is put through, and the tracing of its commits.

One cycle: start a run until its pause is reported, answer it until its end is reported. A cycle
that does not pause, or does not act exactly once, aborts the measurement: a fast wrong run is no
result.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class WrongRun(Exception):
    """A cycle did something else than pause once and act once."""


class Case(Protocol):
    """One way to run the workload, opened on an empty folder."""

    async def start(self, name: str) -> bool:
        """Start a run; whether it is paused, once that is stored."""
        ...

    async def answer(self, name: str) -> int:
        """Say yes and run to the end; how often the run has acted, -1 when it did not end."""
        ...


OpenCase = Callable[[Path], AbstractAsyncContextManager[Case]]


@dataclass(frozen=True)
class Lap:
    """One cycle's times in milliseconds."""

    start: float
    resume: float

    @property
    def total(self) -> float:
        """Start and resume together."""
        return self.start + self.resume


async def run_cycle(case: Case, name: str) -> Lap:
    """One cycle; raises WrongRun."""
    begun = time.perf_counter()
    if not await case.start(name):
        raise WrongRun(f"{name} did not pause.")
    paused = time.perf_counter()
    acts = await case.answer(name)
    ended = time.perf_counter()
    if acts != 1:
        raise WrongRun(f"{name} acted {acts} times instead of once (-1: it did not end).")
    return Lap((paused - begun) * 1e3, (ended - paused) * 1e3)


async def run_cycles(case: Case, names: Sequence[str], at_a_time: int) -> list[Lap]:
    """All cycles, `at_a_time` at a time; raises WrongRun."""
    waiting = iter(names)

    async def work() -> list[Lap]:
        return [await run_cycle(case, name) for name in waiting]

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for _ in range(at_a_time)]
    except* WrongRun as found:
        raise found.exceptions[0] from None
    return [lap for task in tasks for lap in task.result()]


@dataclass
class Commits:
    """When each COMMIT of the traced connections began (`time.perf_counter`)."""

    at: list[float] = field(default_factory=list)

    def hear(self, statement: str) -> None:
        """One executed statement."""
        if statement.lstrip()[:6].upper() in ("COMMIT", "END", "END TR"):
            self.at.append(time.perf_counter())


@contextmanager
def traced_commits() -> Iterator[Commits]:
    """Trace every SQLite connection that is opened inside, whoever opens it and on any thread.

    Cases keep their connections to themselves; this needs nothing of their insides.
    """
    commits, connect = Commits(), sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(commits.hear)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
    try:
        yield commits
    finally:
        sqlite3.connect = connect

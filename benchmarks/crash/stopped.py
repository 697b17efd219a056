"""Stopped workers: asleep at a point past their lease, taken over from, and woken again.

Not before a COMMIT: who is stopped there holds the file's lock, and everybody waits for it.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.crash.child import NOTES, Orders, start_child, worker_child
from benchmarks.crash.crew import NAP, Stuck, expect, send, spawn, stop, until
from benchmarks.crash.look import all_ended, rows
from benchmarks.crash.notes import Notes
from benchmarks.crash.point import Crash, Point
from benchmarks.crash.proof import Proof, prove

Say = Callable[[str], None]

LEASE = 0.5
AWAKE = 0.7
"""Seconds that a woken worker is given to try whatever it would still like to do."""
NUMBER = 9
"""A run that pays unattended, under an idempotency key."""
AT_A_TIME = 4
ATTEMPTS = 5
REACHED = 5.0
"""Seconds after its run's end in which a worker comes to its point, or does not this time."""


@dataclass(frozen=True)
class Woken:
    """What a worker that slept at a point has changed after waking: tables with their rows before
    and after; and what the run came to."""

    point: Point
    written: dict[str, tuple[int, int]]
    proof: Proof


def stop_and_wake(most: int, seed: int, where: Path | None, say: Say) -> list[Woken]:
    """Stop a worker at that many points of a run at most, chosen by the seed; raises Stuck."""
    points = [point for point in count_points(where) if point.kind != "commit.before"]
    chosen = random.Random(seed).sample(points, min(most, len(points)))  # noqa: S311 — no secret
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        woken = list(pool.map(partial(sleep_at, where), chosen))
    say(f"{len(woken)} of {len(points)} points: stopped there, taken over from and woken")
    return woken


def count_points(where: Path | None) -> list[Point]:
    """The points that a worker passes with one run when nothing happens to it."""
    with tempfile.TemporaryDirectory(dir=where) as folder:
        worker = _work(Orders(Path(folder)))
        until(lambda: all_ended(Path(folder)), "one run")
        stop(worker, Path(folder), "a worker")
        (note,) = Notes(Path(folder) / NOTES).read("passed")
        return [Point(kind, nth) for kind, nth in note["points"]]


def sleep_at(where: Path | None, point: Point) -> Woken:
    """From scratch: stop a worker there, let another finish, and wake the first."""
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(dir=where) as name:
            folder = Path(name)
            sleeper = _work(Orders(folder, lease=LEASE, crash=Crash(point, signal.SIGSTOP)))
            if not _slept(folder):
                sleeper.kill()  # it may fall asleep yet, and would hear nothing else
                continue
            other = spawn(worker_child, Orders(folder, lease=LEASE))
            until(partial(all_ended, folder), f"taken over at {point}")
            stop(other, folder, "the other worker")
            before = rows(folder)
            send(sleeper, signal.SIGCONT)
            time.sleep(AWAKE)
            stop(sleeper, folder, "the sleeper")
            after = rows(folder)
            changed = {t: (n, after[t]) for t, n in before.items() if after[t] != n}
            return Woken(point, changed, prove(folder))
    raise Stuck(f"{point}: not reached in {ATTEMPTS} runs.")


def _work(orders: Orders) -> BaseProcess:
    """A worker on a folder with one run."""
    expect(spawn(start_child, Orders(orders.folder), NUMBER, 1), 0, "the starter")
    return spawn(worker_child, orders)


def _slept(folder: Path) -> bool:
    """Whether the worker came to its point before its run ended."""
    notes = Notes(folder / NOTES)
    until(lambda: bool(notes.read("struck")) or all_ended(folder), "a worker at its point")
    end = time.monotonic() + REACHED
    while not notes.read("struck") and time.monotonic() < end:
        time.sleep(NAP)
    return bool(notes.read("struck"))

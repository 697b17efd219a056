"""Ten workers on one file, whose messages come twice, late, in another order or not at all.

A queue only wakes workers, and a job only names a claim: what the file says decides.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

from agent_runtime.queue import UNLIMITED, Job, Limits
from agent_runtime.queue.files import FilesQueue
from benchmarks.crash.child import (
    NOTES,
    Orders,
    person_child,
    start_child,
    worker_child,
)
from benchmarks.crash.crew import expect, explained, spawn, stop, until
from benchmarks.crash.look import all_ended
from benchmarks.crash.notes import Notes
from benchmarks.crash.proof import Proof, prove

WORKERS = 10
LATE = 0.05
"""Seconds that a message comes late at most."""
KEPT = 20
"""Old jobs that a worker may be handed again."""


def crowd(folder: Path, runs: int, seed: int) -> tuple[Proof, int]:
    """Let ten workers do that many runs; the proof, and how many jobs were handed out again."""
    starter = spawn(start_child, Orders(folder, seed), 0, runs)
    workers = [spawn(disturbed_child, Orders(folder, seed + n)) for n in range(WORKERS)]
    person = spawn(person_child, Orders(folder, seed))
    with explained(folder):
        expect(starter, 0, "the starter")
        until(partial(all_ended, folder), "ending all runs")
        for child in [*workers, person]:
            stop(child, folder, "a worker or the person")
    return prove(folder), len(Notes(folder / NOTES).read("repeated"))


def disturbed_child(orders: Orders) -> None:
    """A worker service whose nudges and jobs go astray."""
    _disturb(random.Random(orders.seed), Notes(orders.folder / NOTES))  # noqa: S311 — no secret
    worker_child(orders)


def _disturb(rng: random.Random, notes: Notes) -> None:
    """Replace what brings messages, in this process: nudges are dropped, doubled or late; claims
    hand out jobs of before, doubled and in any order."""
    nudge, claim = FilesQueue.nudge, FilesQueue.claim
    old: deque[Job] = deque(maxlen=KEPT)

    def astray(queue: FilesQueue) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(rng.choice((0, 1, 2))):
            loop.call_later(rng.uniform(0, LATE), nudge, queue)

    async def again(queue: FilesQueue, owner: str, limits: Limits = UNLIMITED) -> Job | None:
        if old and rng.random() < 0.3:
            notes.add("repeated")
            return rng.choice(old)
        job = await claim(queue, owner, limits)
        if job is not None:
            old.append(job)
        return job

    replaced: dict[str, Any] = {"nudge": astray, "claim": again}
    for name, function in replaced.items():
        setattr(FilesQueue, name, function)

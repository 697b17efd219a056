"""The kill loop: five processes on one file, each killed again and again until there were enough.

Three workers, one process that starts runs and one person's. Half of them die at a named point
that they themselves reach, the others whenever the seeded time is up: also while they open the
file. What is acknowledged to them before must be there when nobody is killed any more and the
rest of the work is done.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.crash.bank import Bank
from benchmarks.crash.child import (
    NOTES,
    Orders,
    person_child,
    start_child,
    worker_child,
)
from benchmarks.crash.crew import NAP, Stuck, explained, spawn, stop, until
from benchmarks.crash.look import all_ended
from benchmarks.crash.notes import Notes
from benchmarks.crash.point import KINDS, Crash, Kind, Point
from benchmarks.crash.proof import Proof, prove

Say = Callable[[str], None]

WORKERS = 3
COMMITS: tuple[Kind, ...] = ("commit.before", "commit.after")
LIFE = (0.08, 0.9)
"""Seconds that a process lives before it is killed, at least and at most; opening takes 0.1."""
RUNS = 12
"""Runs that there are in the end at least: a slow machine begins few between its kills."""
FARTHEST = 10
"""The last pass of a place that a process is told to die at."""


@dataclass
class Slot:
    """One place in the crew, filled anew after each death. `dies_at`: when it is killed, on the
    monotonic clock, at the latest; None: it is left alone."""

    role: str
    child: BaseProcess
    dies_at: float | None = None


@dataclass
class KillLoop:
    """The loop on a fresh folder."""

    folder: Path
    kills: int
    seed: int
    say: Say
    done: int = 0
    by: Counter[str] = field(default_factory=Counter)
    _doomed: int = 0

    def run(self) -> Proof:
        """Kill that often, let the rest finish, and look; raises Stuck when a process fails."""
        self._rng = random.Random(self.seed)  # noqa: S311 — no secret
        roles = ["worker"] * WORKERS + ["starter", "person"]
        slots = [self._fill(role) for role in roles]
        with explained(self.folder):
            while self.done < self.kills:
                time.sleep(NAP)
                slots = [self._tend(slot) for slot in slots]
        stuck = self._finished(slots)
        notes = Notes(self.folder / NOTES)
        named = Counter(note["point"].split("#")[0] for note in notes.read("struck"))
        self.by.update({"time": self.kills - named.total(), **named})
        proof = prove(self.folder)
        return replace(proof, problems=(*stuck, *proof.problems))

    def told(self) -> dict[str, object]:
        """What the processes did besides, for the report."""
        notes = Notes(self.folder / NOTES)
        acknowledged = {
            kind: len(notes.read(kind)) for kind in ("started", "decided", "settled", "resumed")
        }
        paused = sum(note["type"] == "run.paused" for note in notes.read("event"))
        calls = Bank(self.folder).calls()
        return {"by": dict(self.by), "calls": calls, "paused": paused, **acknowledged}

    def _fill(self, role: str) -> Slot:
        """A new process; doomed, unless those that are would be enough already."""
        seed = self._rng.randrange(2**32)
        doomed = self.done + self._doomed < self.kills
        if not doomed:
            return Slot(role, self._spawn(role, Orders(self.folder, seed)))
        self._doomed += 1
        named = self._rng.random() < 0.5
        kinds = KINDS if role == "worker" else COMMITS
        point = Point(self._rng.choice(kinds), self._rng.randint(1, FARTHEST))
        dies_at = time.monotonic() + (2 * LIFE[1] if named else self._rng.uniform(*LIFE))
        orders = Orders(self.folder, seed, Crash(point) if named else None)
        return Slot(role, self._spawn(role, orders), dies_at)

    def _spawn(self, role: str, orders: Orders) -> BaseProcess:
        if role == "worker":
            return spawn(worker_child, orders)
        if role == "starter":
            return spawn(start_child, orders, 0, None)
        return spawn(person_child, orders)

    def _tend(self, slot: Slot) -> Slot:
        """Kill whose time has come, and replace the dead."""
        code = slot.child.exitcode
        if code is None:
            if slot.dies_at is not None and slot.dies_at < time.monotonic():
                slot.child.kill()
                slot.dies_at = float("inf")
            return slot
        if code != -signal.SIGKILL:
            raise Stuck(f"The {slot.role} ended with {code}; nobody had told it to.")
        self.done, self._doomed = self.done + 1, self._doomed - 1
        if self.done % 50 == 0:
            self.say(f"{self.done} of {self.kills} kills")
        return self._fill(slot.role)

    def _finished(self, slots: list[Slot]) -> tuple[str, ...]:
        """End everything; what did not come to its end, which is still to be looked at."""
        try:
            with explained(self.folder):
                self._finish(slots)
        except Stuck as error:
            for slot in slots:
                slot.child.kill()
                slot.child.join()
            return (str(error),)
        return ()

    def _finish(self, slots: list[Slot]) -> None:
        """Nobody is doomed any more: start no further run, and let the others end them all."""
        notes = Notes(self.folder / NOTES)
        until(lambda: len(notes.read("started")) >= RUNS, "starting runs")
        for slot in slots:
            if slot.role == "starter":
                stop(slot.child, self.folder, "the starter")
        until(partial(all_ended, self.folder), "ending all runs")
        for slot in slots:
            if slot.role != "starter":
                stop(slot.child, self.folder, f"the {slot.role}")

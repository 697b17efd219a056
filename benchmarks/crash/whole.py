"""Every crash point of one whole run: each on a fresh folder, crashed there and resumed.

The run is started, asks, is decided and acts; once per recovery. The points are counted on a run
that is left alone. How commits are batched differs by one now and then, so that a run may have a
point that the next one lacks: a point is tried several times, never taken for exercised without
having been, and in the end there is a run left alone whose every point was exercised.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent_runtime.tool import Recovery
from benchmarks.crash.child import NOTES, Orders, account, whole_run_child
from benchmarks.crash.crew import Stuck, ended, expect, spawn
from benchmarks.crash.notes import Notes
from benchmarks.crash.payout import ASKED
from benchmarks.crash.point import Crash, Point
from benchmarks.crash.proof import Proof, prove

Say = Callable[[str], None]

ATTEMPTS = 5
AT_A_TIME = 3
"""Runs that are crashed and resumed beside each other: more than cores, since each waits for the
disk."""


@dataclass(frozen=True)
class Exercised:
    """One point of one recovery's run, and what was there after it was resumed."""

    recovery: Recovery
    point: Point
    proof: Proof


def exercise(recoveries: Sequence[Recovery], where: Path | None, say: Say) -> list[Exercised]:
    """Crash and resume at every point; raises Stuck when one could not be exercised."""
    done: list[Exercised] = []
    for recovery in recoveries:
        points = count_points(recovery, where)
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            proofs = list(pool.map(partial(crash_at, recovery, where), points))
        found = zip(points, proofs, strict=True)
        done += [Exercised(recovery, point, proof) for point, proof in found if proof is not None]
        _require_all(recovery, where, [one.point for one in done if one.recovery == recovery])
        reached = len(proofs) - proofs.count(None)
        say(f"{recovery}: {reached} points of one run, each crashed and resumed")
    return done


def _require_all(recovery: Recovery, where: Path | None, exercised: Sequence[Point]) -> None:
    for _ in range(ATTEMPTS):
        left_out = set(count_points(recovery, where)) - set(exercised)
        if not left_out:
            return
    names = ", ".join(sorted(str(point) for point in left_out))
    raise Stuck(f"{recovery}: never reached to be crashed there: {names}.")


def number_of(recovery: Recovery) -> int:
    """A run with that recovery that asks people."""
    wanted = (number for number in range(1, 100) if account(number)[0].endswith(ASKED))
    return next(number for number in wanted if account(number)[1] == recovery)


def count_points(recovery: Recovery, where: Path | None) -> list[Point]:
    """The points that a run passes when nothing happens to it, in order."""
    with tempfile.TemporaryDirectory(dir=where) as folder:
        orders = Orders(Path(folder))
        expect(spawn(whole_run_child, orders, number_of(recovery)), 0, "a run left alone")
        (note,) = Notes(Path(folder) / NOTES).read("passed")
        return [Point(kind, nth) for kind, nth in note["points"]]


def crash_at(recovery: Recovery, where: Path | None, point: Point) -> Proof | None:
    """From scratch: crash exactly there, resume in a fresh process, and look; None when several
    runs came to their end without passing it."""
    number = number_of(recovery)
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(dir=where) as folder:
            orders = Orders(Path(folder), crash=Crash(point))
            code = ended(spawn(whole_run_child, orders, number))
            struck = [note["point"] for note in Notes(Path(folder) / NOTES).read("struck")]
            if code == 0 and not struck:
                continue
            if (code, struck) != (-signal.SIGKILL, [str(point)]):
                raise Stuck(f"{recovery} at {point}: ended with {code} after {struck}.")
            expect(spawn(whole_run_child, Orders(Path(folder)), number), 0, f"resumed from {point}")
            return prove(Path(folder))
    return None

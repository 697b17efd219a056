"""The scenarios by name, and what each of them tells in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.crash.crowd import WORKERS, crowd
from benchmarks.crash.kills import KillLoop
from benchmarks.crash.payout import RECOVERIES
from benchmarks.crash.proof import Proof
from benchmarks.crash.races import Contest, race, race_deadline
from benchmarks.crash.stopped import stop_and_wake
from benchmarks.crash.whole import exercise

Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much of each scenario is run."""

    kills: int
    questions: int
    deadlines: int
    stops: int
    crowd: int

    def with_kills(self, kills: int) -> Size:
        """The same with another kill loop."""
        return replace(self, kills=kills)


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario. `more` are the numbers that only it has."""

    scenario: str
    kills: int = 0
    runs: int = 0
    effects: int = 0
    lost: int = 0
    doubled: int = 0
    more: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def told(self) -> dict[str, Any]:
        """As one JSON object."""
        numbers = {"kills": self.kills, "runs": self.runs, "effects": self.effects}
        bad = {"lost": self.lost, "doubled": self.doubled, "problems": len(self.problems)}
        return {"scenario": self.scenario, **numbers, **bad, **self.more}

    def line(self) -> str:
        """As one line for people."""
        told = self.told()
        words = ", ".join(f"{name} {value}" for name, value in told.items() if name != "scenario")
        return f"{self.scenario:9} {words}"


Scenario = Callable[[Path, Size, int, Say], Outcome]


def kill_loop(folder: Path, size: Size, seed: int, say: Say) -> Outcome:
    """Workers, starter and person, killed again and again."""
    loop = KillLoop(folder, size.kills, seed, say)
    return _summed("kills", [loop.run()], kills=loop.done, more=loop.told())


def every_point(folder: Path, _size: Size, _seed: int, say: Say) -> Outcome:
    """Each crash point of one run, for each recovery."""
    done = exercise(RECOVERIES, folder, say)
    points = {name: sum(one.recovery == name for one in done) for name in RECOVERIES}
    return _summed("points", [one.proof for one in done], kills=len(done), more={"points": points})


def stopped_workers(folder: Path, size: Size, seed: int, say: Say) -> Outcome:
    """Workers that sleep past their lease and wake up."""
    woken = stop_and_wake(size.stops, seed, folder, say)
    found = _summed("stopped", [one.proof for one in woken], more={"stops": len(woken)})
    wrote = [f"woken at {one.point}, it wrote {one.written}" for one in woken if one.written]
    return replace(found, problems=(*found.problems, *wrote))


def races(folder: Path, size: Size, seed: int, _say: Say) -> Outcome:
    """Fifty answers to one question, at once."""
    return _contested("race", race(folder, size.questions, seed))


def deadlines(folder: Path, size: Size, seed: int, _say: Say) -> Outcome:
    """A person and the deadline, at once."""
    return _contested("deadline", race_deadline(folder, size.deadlines, seed))


def crowded(folder: Path, size: Size, seed: int, _say: Say) -> Outcome:
    """Ten workers on one file, whose messages go astray."""
    proof, repeated = crowd(folder, size.crowd, seed)
    return _summed("crowd", [proof], more={"workers": WORKERS, "repeated": repeated})


SCENARIOS: dict[str, Scenario] = {
    "points": every_point,
    "stopped": stopped_workers,
    "race": races,
    "deadline": deadlines,
    "crowd": crowded,
    "kills": kill_loop,
}
"""In the order they are run: the kill loop's line is the last."""


def _summed(name: str, proofs: Sequence[Proof], *, kills: int = 0, more: dict[str, Any]) -> Outcome:
    return Outcome(
        name,
        kills=kills,
        runs=sum(proof.runs for proof in proofs),
        effects=sum(proof.effects for proof in proofs),
        lost=sum(proof.lost for proof in proofs),
        doubled=sum(proof.doubled for proof in proofs),
        more=more,
        problems=tuple(problem for proof in proofs for problem in proof.problems),
    )


def _contested(name: str, contest: Contest) -> Outcome:
    numbers = {
        "questions": contest.questions,
        "answers": contest.answers,
        "won": contest.won,
        "refused": contest.refused,
        "outcomes": contest.outcomes,
    }
    return Outcome(name, more=numbers, problems=contest.unclear)

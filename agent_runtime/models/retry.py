"""Retrying: what follows a failure, decided by the declared table. Nothing here waits or asks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import cast, get_args

from agent_runtime.errors import ModelUnavailable
from agent_runtime.failure import TABLE, FailureKind, Otherwise, Remedy, Table, Then

KINDS: frozenset[str] = frozenset(get_args(FailureKind))


@dataclass(frozen=True)
class Next:
    """One more attempt after `seconds`, or an end. `how` says which."""

    how: Then | Otherwise
    seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    """A failed attempt: `problem` in words for people, never the provider's own text; `field`:
    where in the answer, if there was one."""

    kind: FailureKind
    problem: str
    retry_after: float | None = None
    field: str = ""


def merged(declared: Table) -> Table:
    """The table in force for a step that declares some of it otherwise."""
    return {**TABLE, **declared}


def decide(failure: Failure, earlier: Counter[FailureKind], table: Table, draw: float) -> Next:
    """What follows a failure, after `earlier` ones of the same call; `draw` is 0 up to 1."""
    remedy = table[failure.kind]
    if earlier[failure.kind] >= remedy.times:
        return Next(remedy.otherwise)
    if remedy.then != "wait":
        return Next(remedy.then)
    asked = failure.retry_after or 0.0
    if asked > remedy.longest:
        # A worker that sleeps for so long is lost to all other runs.
        return Next(remedy.otherwise)
    return Next("wait", max(asked, _backoff(remedy, earlier[failure.kind], draw)))


def _backoff(remedy: Remedy, earlier: int, draw: float) -> float:
    """The upper half of a span that doubles: jitter keeps calls that failed together apart."""
    span = min(remedy.longest, remedy.first * 2.0**earlier)
    return span * (0.5 + draw / 2)


def as_failure(error: ModelUnavailable) -> Failure | None:
    """The failure behind an error of the seam; None where its kind is not known."""
    if error.kind not in KINDS:
        return None
    return Failure(cast("FailureKind", error.kind), error.message, error.retry_after)

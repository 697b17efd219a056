"""Watching: where a rollout stands, as people and programs are told."""

from __future__ import annotations

from typing import Literal, assert_never

from agent_runtime.evaluation.figures import share
from agent_runtime.evaluation.plan import Counts, counts
from agent_runtime.evaluation.report import Part, Share
from agent_runtime.rollout import WATCHES, Look, Rollout, Watch
from agent_runtime.store import Session

Finding = Literal["worse", "not shown worse", "not enough cases"]
"""What the looks so far have shown."""


class Watched(Part):
    """One share in both arms, by now. `next_look`: at how many cases in each of them it is tested
    next; `looks`: the tests so far, each with its p-value and the level that it had to be below."""

    watch: Watch
    candidate: Share
    baseline: Share
    next_look: int
    looks: tuple[Look, ...]
    finding: Finding


class Watching(Part):
    """One rollout, and its shares."""

    rollout: Rollout
    watched: tuple[Watched, ...]


def watching(session: Session, rollout: Rollout) -> Watching:
    """Where it stands now."""
    found = counts(session, rollout)
    return Watching(
        rollout=rollout,
        watched=tuple(_watched(rollout, watch, found) for watch in WATCHES),
    )


def words_of(one: Watched) -> str:
    """The same of one share in one line."""
    said = f"{_share(one.candidate)} against {_share(one.baseline)}"
    match one.finding:
        case "worse":
            return f"{one.watch}: {said}; worse, p = {one.looks[-1].p:.2g}"
        case "not shown worse":
            p = f"p = {one.looks[-1].p:.2g}"
            return f"{one.watch}: {said}; not shown worse, {p}; next look at {one.next_look} cases"
        case "not enough cases":
            return f"{one.watch}: {said}; first look at {one.next_look} cases"
        case _:
            assert_never(one.finding)


def _watched(rollout: Rollout, watch: Watch, found: Counts) -> Watched:
    looks = tuple(look for look in rollout.looks if look.watch == watch)
    finding: Finding = "not enough cases"
    if looks:
        finding = "worse" if looks[-1].fires else "not shown worse"
    return Watched(
        watch=watch,
        candidate=share(*found["candidate", watch]),
        baseline=share(*found["baseline", watch]),
        next_look=rollout.plan[watch].cases * 2 ** len(looks),
        looks=looks,
        finding=finding,
    )


def _share(one: Share) -> str:
    told = "" if one.share is None else f" ({one.share:.1%})"
    return f"{one.count} of {one.of}{told}"

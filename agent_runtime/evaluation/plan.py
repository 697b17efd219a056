"""Plans: how many cases a rollout is looked at with, and what both of its arms have come to."""

from __future__ import annotations

import math
from collections.abc import Mapping

from agent_runtime.evaluation.figures import Place, by_workflow
from agent_runtime.evaluation.statistics import ENOUGH, cases_needed
from agent_runtime.evaluation.window import window
from agent_runtime.measure import Sum
from agent_runtime.rollout import WATCHES, Arm, Plan, Rollout, Trial, Watch
from agent_runtime.store import Session

POWER = 0.97
"""A little more than the 0.95 that is promised: the number of cases rests on an approximation."""
WORST = 0.5
"""The share at which a difference is the hardest to see: assumed where nothing is known."""

Counts = Mapping[tuple[Arm, Watch], tuple[int, int]]
"""How many of how many, by arm and share."""


def planned(session: Session, trial: Trial) -> dict[Watch, Plan]:
    """From the last 30 days, how many cases each share needs."""
    days = window(None, None, session.now.date())
    found = by_workflow(session.measures.find(days.spans, trial.workflow))
    sums = found.get(trial.workflow, {})
    told = {
        "reject": _kinds(sums.get("answered", {}), ("", "")),
        "edit": _kinds(sums.get("answered", {}), ("", "")),
        "failed": _kinds(sums.get("ended", {}), ("", "")),
    }
    return {watch: _planned(trial, told[watch], watch) for watch in WATCHES}


def level_of(alpha: float, number: int) -> float:
    """What is spent on one look at one share: half as much each time."""
    return alpha / len(WATCHES) * math.ldexp(1, -number - 1)


def counts(session: Session, rollout: Rollout) -> Counts:
    """What both arms have come to so far."""
    first = rollout.started_at.date()
    days = window(first, max(first, session.now.date()), max(first, session.now.date()))
    sums = by_workflow(session.measures.find(days.spans, rollout.workflow))
    found = sums.get(rollout.workflow, {})
    counted: dict[tuple[Arm, Watch], tuple[int, int]] = {}
    arms: tuple[Arm, ...] = ("candidate", "baseline")
    for arm in arms:
        at = ("arm", f"{rollout.id} {arm}")
        answered, ended = _kinds(found.get("answered", {}), at), _kinds(found.get("ended", {}), at)
        counted[arm, "reject"] = (answered.get("reject", 0), sum(answered.values()))
        counted[arm, "edit"] = (answered.get("edit", 0), sum(answered.values()))
        counted[arm, "failed"] = (ended.get("failed", 0), sum(ended.values()))
    return counted


def _planned(trial: Trial, told: Mapping[str, int], watch: Watch) -> Plan:
    n = sum(told.values())
    base = told.get(watch, 0) / n if n >= ENOUGH else None
    # A share of 0 among a few cases is none of 0 among all: one more case of it is assumed.
    assumed = WORST - trial.effect / 2 if base is None else max(base, 1 / n)
    level = level_of(trial.alpha, 0)
    cases = cases_needed(min(assumed, 1 - trial.effect), trial.effect, level, POWER)
    return Plan(base=base, cases=max(cases, ENOUGH))


def _kinds(sums: Mapping[Place, Sum], at: tuple[str, str]) -> dict[str, int]:
    by, wanted = at
    kinds: dict[str, int] = {}
    for place, one in sums.items():
        value, _, kind = place.value.rpartition("\n")
        if (place.by, value) == (by, wanted):
            kinds[kind] = kinds.get(kind, 0) + one.n
    return kinds

"""Trials: starting a rollout, watching it, and rolling it back when it is shown to be worse.

Shares are held against those of the runs that drew the baseline meanwhile, by the one-sided
two-proportion test. Looking again and again would find a difference by chance in the end: so each
share is looked at when the candidate has `cases` of its own, then twice as many, and so on, and
each look has half the level of the one before; all of them together stay below alpha.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from agent_runtime.app import App
from agent_runtime.errors import Conflict
from agent_runtime.evaluation.figures import Place, by_workflow
from agent_runtime.evaluation.keeper import Keeper
from agent_runtime.evaluation.statistics import ENOUGH, cases_needed, two_proportions
from agent_runtime.evaluation.window import window
from agent_runtime.measure import Sum
from agent_runtime.rollout import WATCHES, Arm, Look, Plan, Rollout, Trial, Watch, check_trial
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store
from agent_runtime.telemetry import log
from agent_runtime.verdict import Operator

POWER = 0.97
"""A little more than the 0.95 that is promised: the number of cases rests on an approximation."""
WORST = 0.5
"""The share at which a difference is the hardest to see: assumed where nothing is known."""

MOST_LOOKS = 12

Counts = Mapping[tuple[Arm, Watch], tuple[int, int]]
"""How many of how many, by arm and share."""


class Trials:
    """One installation's rollouts."""

    def __init__(self, store: Store, app: App, keeper: Keeper) -> None:
        self._store = store
        self._app = app
        self._keeper = keeper

    async def start(self, operator: Operator, trial: Trial) -> Rollout:
        """Begin to give a share of new runs the candidate. Raises NotFound, InvalidInput, and
        Conflict while another one of the workflow is running."""
        self._app.workflow(trial.workflow)
        check_trial(trial, self._app.prompts.get(trial.workflow, {}))
        await self._keeper.keep_up(operator.tenant)
        plan = self._plan(operator.tenant, trial)

        def start(session: Session) -> Rollout:
            running = session.rollouts.running(trial.workflow)
            if running is not None:
                raise Conflict(
                    f"Rollout {running.id} of {trial.workflow} is running.",
                    remedy="Stop it first.",
                )
            made = Rollout(
                **trial.model_dump(),
                id=new_id("rol"),
                tenant=session.tenant,
                state="running",
                plan=plan,
                started_by=operator.name,
                started_at=session.now,
            )
            body = {"rollout": made.id, "workflow": made.workflow, "candidate": made.candidate}
            session.events.append(
                "rollout.started", None, **body, share=made.share, by=operator.name
            )
            return session.rollouts.put(made)

        return await self._store.write(operator.tenant, start)

    async def stop(self, operator: Operator, rollout_id: str, why: str = "") -> Rollout:
        """End a rollout as a person; raises NotFound, Conflict when it has ended."""

        def stop(session: Session) -> Rollout:
            rollout = session.rollouts.get(rollout_id)
            if rollout.state != "running":
                raise Conflict(f"Rollout {rollout_id} is {rollout.state} already.")
            ended = {"state": "stopped", "ended_by": operator.name, "why": why}
            return _end(session, rollout.model_copy(update=ended))

        return await self._store.write(operator.tenant, stop)

    async def review(self, tenant: str) -> list[Rollout]:
        """Look at what is running, where it is time for a look; returns what was rolled back."""
        back = []
        for rollout in self._store.read(tenant).rollouts.find():
            if rollout.state != "running":
                continue
            found = looks(rollout, counts(self._store.read(tenant), rollout))
            if found:
                after = await self._store.write(
                    tenant,
                    lambda s, i=rollout.id, f=found: _note(s, i, f),  # type: ignore[misc]  # bound per turn
                )
                if after.state == "rolled_back":
                    log("rolled back", tenant=tenant, rollout=after.id, workflow=after.workflow)
                    back.append(after)
        return back

    def _plan(self, tenant: str, trial: Trial) -> dict[Watch, Plan]:
        """From the last 30 days, how many cases each share needs."""
        session = self._store.read(tenant)
        days = window(None, None, session.now.date())
        found = by_workflow(session.measures.find(days.spans, trial.workflow))
        sums = found.get(trial.workflow, {})
        told = {
            "reject": _kinds(sums.get("answered", {}), ("", "")),
            "edit": _kinds(sums.get("answered", {}), ("", "")),
            "failed": _kinds(sums.get("ended", {}), ("", "")),
        }
        return {watch: _planned(trial, told[watch], watch) for watch in WATCHES}


def looks(rollout: Rollout, found: Counts) -> list[Look]:
    """The looks that it is time for, one of each share at most."""
    due = []
    for watch in WATCHES:
        number = sum(1 for look in rollout.looks if look.watch == watch)
        (worse, of), (worse_base, of_base) = found["candidate", watch], found["baseline", watch]
        wanted = rollout.plan[watch].cases * 2**number
        if number >= MOST_LOOKS or of < wanted or of_base < wanted:
            continue
        test = two_proportions(worse, of, worse_base, of_base)
        level = level_of(rollout.alpha, number)
        numbers = {"worse": worse, "of": of, "worse_base": worse_base, "of_base": of_base}
        due.append(Look(watch=watch, number=number, p=test.p, level=level, **numbers))
    return due


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


def _note(session: Session, rollout_id: str, found: list[Look]) -> Rollout:
    """Keep what was seen; the first look that shows it worse ends it."""
    rollout = session.rollouts.get(rollout_id)
    known = {(look.watch, look.number) for look in rollout.looks}
    new = [look for look in found if (look.watch, look.number) not in known]
    if rollout.state != "running" or not new:
        return rollout
    seen = rollout.model_copy(update={"looks": (*rollout.looks, *new)})
    shown = [look for look in new if look.fires]
    if not shown:
        return session.rollouts.put(seen)
    ended = {"state": "rolled_back", "ended_by": "the runtime", "why": _words(shown[0])}
    return _end(session, seen.model_copy(update=ended), shown[0])


def _words(look: Look) -> str:
    return (
        f"{look.watch}: {look.worse} of {look.of} against {look.worse_base} of {look.of_base},"
        f" p = {look.p:.2g}, below {look.level:.2g}"
    )


def _end(session: Session, ended: Rollout, look: Look | None = None) -> Rollout:
    ids = {"rollout": ended.id, "workflow": ended.workflow}
    body = {**ids, "state": ended.state, "by": ended.ended_by, "why": ended.why}
    seen = {} if look is None else {"look": look.model_dump(mode="json")}
    session.events.append("rollout.ended", None, **body, **seen)
    return session.rollouts.put(ended.model_copy(update={"ended_at": session.now}))

"""Rollouts: list, start, stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from agent_runtime.access import a_policy
from agent_runtime.cli.opening import admit
from agent_runtime.cli.options import open_place
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.evaluation.watching import Watching, watching, words_of
from agent_runtime.rollout import Rollout, Trial
from agent_runtime.runtime import Runtime
from agent_runtime.verdict import Operator


def trial(
    workflow: str, of: str, candidate: str, share: float, effect: float, *, policy: bool
) -> Trial:
    """What a command's words ask for; raises InvalidInput."""
    names = {"workflow": workflow, "policy" if policy else "prompt": of, "candidate": candidate}
    return checked(Trial, {**names, "share": share, "effect": effect})


def show_list(folder: Path, data: Path | None, *, as_json: bool) -> None:
    """List rollouts with the figures of both arms."""
    place, screen = open_place(folder, data, as_json=as_json, title="rollouts list")

    async def work(runtime: Runtime) -> list[Watching]:
        await runtime.keeper.keep_up("default")
        await runtime.trials.review("default")
        session = runtime.store.read("default")
        return [watching(session, one) for one in session.rollouts.find()]

    found = place.work(work)
    screen.document([one.model_dump(mode="json") for one in found])
    for one in found:
        it = one.rollout
        screen.line(
            f"{it.id} {it.state}: {it.candidate} in the place of {it.replaced}"
            f" for {it.share:.0%} of {it.workflow}{f'; {it.why}' if it.why else ''}"
        )
        screen.lines(f"  {words_of(watched)}" for watched in one.watched)
    if not found:
        screen.line("Nothing is tried.")


def start(
    folder: Path, data: Path | None, who: str, wanted: Trial, seen: str | None, *, as_json: bool
) -> None:
    """Begin one, and say how it will be watched."""

    async def begin(runtime: Runtime, me: Operator) -> Rollout:
        change = runtime.trials.change_of(me, wanted)
        if change is not None:
            thing = a_policy(change.name, change.tenant, change.proposed_by)
            await admit(runtime, me, "activate", thing)
        return await runtime.trials.start(me, wanted, seen)

    made, screen = _changed(folder, data, who, begin, as_json=as_json)
    for watch, plan in made.plan.items():
        base = "not enough history" if plan.base is None else f"{plan.base:.1%} so far"
        screen.line(f"{watch}: {base}; first look at {plan.cases} cases of the candidate")
    screen.line(f"rollout {made.id}: {made.share:.0%} of new runs of {made.workflow}")


def stop(
    folder: Path, data: Path | None, who: str, rollout_id: str, why: str, *, as_json: bool
) -> None:
    """End one."""
    made, screen = _changed(
        folder,
        data,
        who,
        lambda runtime, me: runtime.trials.stop(me, rollout_id, why),
        as_json=as_json,
    )
    screen.line(f"rollout {made.id} is {made.state}")


def _changed(
    folder: Path,
    data: Path | None,
    who: str,
    change: Callable[[Runtime, Operator], Awaitable[Rollout]],
    *,
    as_json: bool,
) -> tuple[Rollout, Screen]:
    place, screen = open_place(folder, data, as_json=as_json)

    async def work(runtime: Runtime) -> Rollout:
        operator = place.operator(who)
        await admit(runtime, operator, "propose", a_policy("prompts", operator.tenant))
        return await change(runtime, operator)

    made = place.work(work)
    screen.document(made.model_dump(mode="json"))
    return made, screen

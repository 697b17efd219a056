"""Rollouts: list, start, stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from agent_runtime.access import a_policy
from agent_runtime.cli.opening import admit
from agent_runtime.cli.options import open_place
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.rollout import Rollout, Trial
from agent_runtime.runtime import Runtime
from agent_runtime.verdict import Operator


def trial(workflow: str, prompt: str, candidate: str, share: float, effect: float) -> Trial:
    """What a command's words ask for; raises InvalidInput."""
    names = {"workflow": workflow, "prompt": prompt, "candidate": candidate}
    return checked(Trial, {**names, "share": share, "effect": effect})


def show_list(folder: Path, data: Path | None, *, as_json: bool) -> None:
    """List rollouts."""
    place, screen = open_place(folder, data, as_json=as_json, title="rollouts list")

    async def work(runtime: Runtime) -> list[Rollout]:
        await runtime.keeper.keep_up("default")
        await runtime.trials.review("default")
        return runtime.store.read("default").rollouts.find()

    found = place.work(work)
    screen.document([one.model_dump(mode="json") for one in found])
    rows = [
        (one.id, one.state, f"{one.workflow}/{one.candidate}", f"{one.share:.0%}", one.why)
        for one in found
    ]
    columns = ("rollout", "state", "candidate", "share", "why")
    screen.table(columns, rows, empty="Nothing is tried.")


def start(folder: Path, data: Path | None, who: str, wanted: Trial, *, as_json: bool) -> None:
    """Begin one, and say how it will be watched."""
    made, screen = _changed(
        folder, data, who, lambda runtime, me: runtime.trials.start(me, wanted), as_json=as_json
    )
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

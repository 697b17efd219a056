"""Rollouts: list, start, stop."""

from __future__ import annotations

from agent_runtime.cli.assessment import Assessment
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.evaluation.watching import words_of
from agent_runtime.rollout import Trial


def trial(
    workflow: str, of: str, candidate: str, share: float, effect: float, *, policy: bool
) -> Trial:
    """What a command's words ask for; raises InvalidInput."""
    names = {"workflow": workflow, "policy" if policy else "prompt": of, "candidate": candidate}
    return checked(Trial, {**names, "share": share, "effect": effect})


def show_list(runs: Assessment, screen: Screen) -> None:
    """List rollouts with the figures of both arms."""
    found = runs.rollouts()
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


def start(runs: Assessment, screen: Screen, wanted: Trial, seen: str | None) -> None:
    """Begin one, and say how it will be watched."""
    made = runs.start_rollout(wanted, seen).rollout
    screen.document(made.model_dump(mode="json"))
    for watch, plan in made.plan.items():
        base = "not enough history" if plan.base is None else f"{plan.base:.1%} so far"
        screen.line(f"{watch}: {base}; first look at {plan.cases} cases of the candidate")
    screen.line(f"rollout {made.id}: {made.share:.0%} of new runs of {made.workflow}")


def stop(runs: Assessment, screen: Screen, rollout_id: str, why: str) -> None:
    """End one."""
    made = runs.stop_rollout(rollout_id, why).rollout
    screen.document(made.model_dump(mode="json"))
    screen.line(f"rollout {made.id} is {made.state}")

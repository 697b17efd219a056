"""Commands for evaluation: evaluate, export, grade, and outcomes, labels and rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent_runtime.cli.opens import assessment, opens
from agent_runtime.cli.options import (
    HERE,
    AppFolder,
    As,
    AsJson,
    DataFolder,
    RunId,
    Why,
    hello_person,
    open_place,
)

if TYPE_CHECKING:
    from agent_runtime.cli.assessment import Assessment
    from agent_runtime.cli.screen import Screen

app = typer.Typer()
outcomes = typer.Typer(no_args_is_help=True, help="Tell what came of runs.")
rollouts = typer.Typer(no_args_is_help=True, help="Try a prompt or policy on a share of runs.")
labels = typer.Typer(no_args_is_help=True, help="Say what one thinks of runs.")

Since = Annotated[str | None, typer.Option(help="First UTC day, 2026-03-01; default: 30 days.")]
Until = Annotated[str | None, typer.Option(help="Last UTC day; default: today.")]
Only = Annotated[str | None, typer.Option("--workflow", help="Only this workflow.")]
Workflow = Annotated[str, typer.Argument(help="Name of the workflow.", metavar="WORKFLOW")]


@app.command()
@opens(assessment, who="may")
def evaluate(
    runs: Assessment,
    screen: Screen,
    workflow: Only = None,
    since: Since = None,
    until: Until = None,
    error_rate: Annotated[
        float, typer.Option(help="What the threshold of confidence is to keep.")
    ] = 0.05,
) -> None:
    """How well runs do: answers, calibration, times, drift, outcomes."""
    from agent_runtime.cli.commands import evaluation as commands

    commands.evaluate(runs, screen, workflow, (since, until), error_rate)


@app.command()
@opens(assessment, who="must")
def grade(runs: Assessment, screen: Screen, run_id: RunId) -> None:
    """Have a run's declared graders judge it."""
    from agent_runtime.cli.commands import evaluation as commands

    commands.grade(runs, screen, run_id)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="A new folder.")],
    form: Annotated[
        Literal["supervised", "preference", "evaluation"], typer.Option("--format")
    ] = "supervised",
    who: As = "",
    workflow: Only = None,
    since: Annotated[str | None, typer.Option(help="Runs started since, with time zone.")] = None,
    until: Annotated[str | None, typer.Option(help="Runs started before.")] = None,
    consented: Annotated[
        bool, typer.Option("--consented", help="Only runs whose input says yes to it.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hold a folder against its manifest instead.")
    ] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Write decided proposals as JSONL to learn from, redacted; exit code 1: does not verify."""
    hello_person(f"export {form}", as_json=as_json)
    from agent_runtime.cli.commands import export as commands
    from agent_runtime.cli.reading import read_moment

    if verify:  # by whoever was handed the folder: nothing is opened, no project is needed
        return commands.check(out, as_json=as_json)
    times = (read_moment("--since", since), read_moment("--until", until))
    wanted = commands.wanted(form, workflow, times, consented=consented)
    place, screen = open_place(folder, data, as_json=as_json)
    return commands.export(place, screen, who, out, wanted)


@rollouts.command("list")
@opens(assessment, who="may")
def rollouts_list(runs: Assessment, screen: Screen) -> None:
    """List rollouts with the figures of both arms."""
    from agent_runtime.cli.commands import rollouts as commands

    commands.show_list(runs, screen)


@rollouts.command("start")
@opens(assessment, who="must")
def rollouts_start(
    runs: Assessment,
    screen: Screen,
    workflow: Workflow,
    of: Annotated[str, typer.Argument(help="What is used now.", metavar="PROMPT|POLICY")],
    candidate: Annotated[
        str, typer.Argument(help="A prompt, or a proposed change's id.", metavar="CANDIDATE")
    ],
    policy: Annotated[bool, typer.Option("--policy", help="Try a policy, not a prompt.")] = False,
    rehearsal: Annotated[
        str | None, typer.Option(help="The change's report, as having seen it.")
    ] = None,
    share: Annotated[float, typer.Option(help="Of new runs, 0 to 0.5.")] = 0.2,
    effect: Annotated[float, typer.Option(help="How much worse has to be noticed.")] = 0.1,
) -> None:
    """Give a share of new runs another prompt, or a policy that was proposed."""
    from agent_runtime.cli.commands import rollouts as commands

    trial = commands.trial(workflow, of, candidate, share, effect, policy=policy)
    commands.start(runs, screen, trial, rehearsal)


@rollouts.command("stop")
@opens(assessment, who="must")
def rollouts_stop(
    runs: Assessment,
    screen: Screen,
    rollout_id: Annotated[str, typer.Argument(help="Its id.", metavar="ROLLOUT")],
    reason: Why = "",
) -> None:
    """End a rollout."""
    from agent_runtime.cli.commands import rollouts as commands

    commands.stop(runs, screen, rollout_id, reason)


@outcomes.command("record")
@opens(assessment, who="must")
def outcomes_record(
    runs: Assessment,
    screen: Screen,
    run_id: RunId,
    outcome: Annotated[str, typer.Argument(help="Declared by the workflow.", metavar="OUTCOME")],
    value: Annotated[str, typer.Argument(help="yes, no, or a number.", metavar="VALUE")],
) -> None:
    """Record what came of a run; the same again changes nothing."""
    from agent_runtime.cli.commands import evaluation as commands

    commands.record(runs, screen, run_id, outcome, value)


@labels.command("next")
@opens(assessment, who="must")
def labels_next(
    runs: Assessment,
    screen: Screen,
    workflow: Workflow,
    label: Annotated[str | None, typer.Option(help="Default: the first declared.")] = None,
) -> None:
    """Show the run that one should label next, with the guidelines."""
    from agent_runtime.cli.commands import evaluation as commands

    commands.show_next(runs, screen, workflow, label)


@labels.command("give")
@opens(assessment, who="must")
def labels_give(
    runs: Assessment,
    screen: Screen,
    run_id: RunId,
    label: Annotated[str, typer.Argument(help="Declared by the workflow.", metavar="LABEL")],
    value: Annotated[str, typer.Argument(help="One of its values.", metavar="VALUE")],
) -> None:
    """Label a run; the same again changes nothing."""
    from agent_runtime.cli.commands import evaluation as commands

    commands.give(runs, screen, run_id, label, value)

"""Commands for evaluation: evaluate, export, grade, and outcomes, labels and rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from agent_runtime.cli.options import (
    HERE,
    AppFolder,
    As,
    AsJson,
    DataFolder,
    Url,
    Why,
    hello_person,
)

app = typer.Typer()
outcomes = typer.Typer(no_args_is_help=True, help="Tell what came of runs.")
rollouts = typer.Typer(no_args_is_help=True, help="Try a prompt or policy on a share of runs.")
labels = typer.Typer(no_args_is_help=True, help="Say what one thinks of runs.")

Since = Annotated[str | None, typer.Option(help="First UTC day, 2026-03-01; default: 30 days.")]
Until = Annotated[str | None, typer.Option(help="Last UTC day; default: today.")]
Only = Annotated[str | None, typer.Option("--workflow", help="Only this workflow.")]
RunId = Annotated[str, typer.Argument(help="Id of the run.", metavar="RUN")]


@app.command()
def evaluate(
    workflow: Only = None,
    since: Since = None,
    until: Until = None,
    error_rate: Annotated[
        float, typer.Option(help="What the threshold of confidence is to keep.")
    ] = 0.05,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """How well runs do: answers, calibration, times, drift, outcomes."""
    hello_person("evaluate", as_json=as_json)
    from agent_runtime.cli.commands import evaluation as commands

    desk, screen = commands.open_desk(folder, data, url, as_json=as_json)
    commands.evaluate(desk, screen, workflow, (since, until), error_rate)


@app.command()
def grade(
    run_id: RunId,
    who: As,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Have a run's declared graders judge it."""
    hello_person(f"grade {run_id}", as_json=as_json)
    from agent_runtime.cli.commands import evaluation as commands

    desk, screen = commands.open_desk(folder, data, None, who, as_json=as_json)
    commands.grade(desk, screen, run_id)


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

    if verify:
        return commands.check(out, as_json=as_json)
    times = (read_moment("--since", since), read_moment("--until", until))
    wanted = commands.wanted(form, workflow, times, consented=consented)
    return commands.export(folder, data, who, out, wanted, as_json=as_json)


@rollouts.command("list")
def rollouts_list(
    folder: AppFolder = HERE, data: DataFolder = None, as_json: AsJson = False
) -> None:
    """List rollouts with their last look."""
    from agent_runtime.cli.commands import rollouts as commands

    commands.show_list(folder, data, as_json=as_json)


@rollouts.command("start")
def rollouts_start(
    workflow: Annotated[str, typer.Argument(help="Name of the workflow.", metavar="WORKFLOW")],
    of: Annotated[str, typer.Argument(help="What is used now.", metavar="PROMPT|POLICY")],
    candidate: Annotated[
        str, typer.Argument(help="A prompt, or a proposed change's id.", metavar="CANDIDATE")
    ],
    who: As,
    policy: Annotated[bool, typer.Option("--policy", help="Try a policy, not a prompt.")] = False,
    rehearsal: Annotated[
        str | None, typer.Option(help="Digest of the change's rehearsal, as having seen it.")
    ] = None,
    share: Annotated[float, typer.Option(help="Of new runs, 0 to 0.5.")] = 0.2,
    effect: Annotated[float, typer.Option(help="How much worse has to be noticed.")] = 0.1,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Give a share of new runs another prompt, or a policy that was proposed."""
    from agent_runtime.cli.commands import rollouts as commands

    trial = commands.trial(workflow, of, candidate, share, effect, policy=policy)
    commands.start(folder, data, who, trial, rehearsal, as_json=as_json)


@rollouts.command("stop")
def rollouts_stop(
    rollout_id: Annotated[str, typer.Argument(help="Its id.", metavar="ROLLOUT")],
    who: As,
    reason: Why = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """End a rollout."""
    from agent_runtime.cli.commands import rollouts as commands

    commands.stop(folder, data, who, rollout_id, reason, as_json=as_json)


@outcomes.command("record")
def outcomes_record(
    run_id: RunId,
    outcome: Annotated[str, typer.Argument(help="Declared by the workflow.", metavar="OUTCOME")],
    value: Annotated[str, typer.Argument(help="yes, no, or a number.", metavar="VALUE")],
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Record what came of a run; the same again changes nothing."""
    from agent_runtime.cli.commands import evaluation as commands

    desk, screen = commands.open_desk(folder, data, url, who, as_json=as_json)
    commands.record(desk, screen, run_id, outcome, value)


@labels.command("next")
def labels_next(
    workflow: Annotated[str, typer.Argument(help="Name of the workflow.", metavar="WORKFLOW")],
    who: As,
    label: Annotated[str | None, typer.Option(help="Default: the first declared.")] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show the run that one should label next, with the guidelines."""
    from agent_runtime.cli.commands import evaluation as commands

    desk, screen = commands.open_desk(folder, data, None, who, as_json=as_json)
    commands.show_next(desk, screen, workflow, label)


@labels.command("give")
def labels_give(
    run_id: RunId,
    label: Annotated[str, typer.Argument(help="Declared by the workflow.", metavar="LABEL")],
    value: Annotated[str, typer.Argument(help="One of its values.", metavar="VALUE")],
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Label a run; the same again changes nothing."""
    from agent_runtime.cli.commands import evaluation as commands

    desk, screen = commands.open_desk(folder, data, url, who, as_json=as_json)
    commands.give(desk, screen, run_id, label, value)

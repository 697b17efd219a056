"""Commands that look back at runs: explain, replay, fork and compare, under `runs`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent_runtime.cli.options import (
    HERE,
    AppFolder,
    As,
    AsJson,
    DataFolder,
    Why,
    open_place,
)

app = typer.Typer()

RunId = Annotated[str, typer.Argument(help="Id of the run.", metavar="RUN")]
Tenant = Annotated[str, typer.Option(help="Whose runs.")]


class Form(StrEnum):
    """What a report is for."""

    TEXT = "text"
    HTML = "html"


@app.command("explain")
def runs_explain(
    run_id: RunId,
    form: Annotated[Form, typer.Option("--format", help="For a terminal, or a page.")] = Form.TEXT,
    out: Annotated[Path | None, typer.Option(help="Write it there.", metavar="FILE")] = None,
    content: Annotated[bool, typer.Option(help="With texts, arguments, facts and results.")] = True,
    tenant: Tenant = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Explain one run, from what it was shown to what it did."""
    place, screen = open_place(folder, data, as_json=as_json, title="runs explain")
    from agent_runtime.cli.commands import replays as commands

    chosen = commands.Chosen(run_id, every=False, tenant=tenant)
    commands.explain(place, screen, chosen, commands.Paper(form == Form.HTML, out, content))


@app.command("replay")
def runs_replay(
    run_id: Annotated[
        str | None, typer.Argument(help="Id of the run; or --all.", metavar="[RUN]")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run, the oldest first.")] = False,
    pinned: Annotated[
        bool, typer.Option(help="With the prompts and policies that each run was started under.")
    ] = False,
    tenant: Tenant = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Run again on recordings, without effects; 1: it diverges."""
    place, screen = open_place(folder, data, as_json=as_json, title="runs replay")
    from agent_runtime.cli.commands import replays as commands

    return commands.replay(place, screen, commands.Chosen(run_id, every, tenant), pinned=pinned)


@app.command("fork")
def runs_fork(
    run_id: RunId,
    at: Annotated[str, typer.Option(help="The step that it begins at.", metavar="STEP")],
    visit: Annotated[int | None, typer.Option(min=1, help="Which visit; default: first.")] = None,
    changed: Annotated[
        list[str],
        typer.Option(
            "--set",
            help="input.FIELD=…, evidence.SOURCE=… or envelope.FIELD=…; may be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = [],  # noqa: B006 — typer reads it, nobody changes it
    rehearsal: Annotated[
        bool, typer.Option(help="Play it on the recordings, with its effects stubbed.")
    ] = False,
    who: As = "",
    reason: Why = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Start a new run from a step; it inherits no approval."""
    place, screen = open_place(folder, data, as_json=as_json, title="runs fork")
    from agent_runtime.cli.commands import replays as commands

    wanted = commands.Wanted(run_id, at, visit, tuple(changed), reason)
    commands.fork(place, screen, wanted, who, rehearsal=rehearsal)


@app.command("compare")
def runs_compare(
    one: RunId,
    other: Annotated[str, typer.Argument(help="Id of the other run.", metavar="OTHER")],
    tenant: Tenant = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Put two runs side by side, from where they first part."""
    place, screen = open_place(folder, data, as_json=as_json, title="runs compare")
    from agent_runtime.cli.commands import replays as commands

    commands.compare(place, screen, commands.Chosen(one, every=False, tenant=tenant), other)

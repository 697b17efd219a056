"""Commands that look back at runs: explain, replay, fork and compare, under `runs`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import archive, opens
from agent_runtime.cli.options import RunId, Why

if TYPE_CHECKING:
    from agent_runtime.cli.archive import Archive
    from agent_runtime.cli.screen import Screen

app = typer.Typer()

Tenant = Annotated[str | None, typer.Option(help="Whose runs; here: default.")]


class Form(StrEnum):
    """What a report is for."""

    TEXT = "text"
    HTML = "html"


@app.command("explain")
@opens(archive)
def runs_explain(
    runs: Archive,
    screen: Screen,
    run_id: RunId,
    form: Annotated[Form, typer.Option("--format", help="For a terminal, or a page.")] = Form.TEXT,
    out: Annotated[Path | None, typer.Option(help="Write it there.", metavar="FILE")] = None,
    content: Annotated[bool, typer.Option(help="With texts, arguments, facts and results.")] = True,
    tenant: Tenant = None,
) -> None:
    """Explain one run, from what it was shown to what it did."""
    from agent_runtime.cli.commands import replays as commands

    paper = commands.Paper(form == Form.HTML, out, content)
    commands.explain(runs, screen, run_id, tenant, paper)


@app.command("replay")
@opens(archive)
def runs_replay(
    runs: Archive,
    screen: Screen,
    run_id: Annotated[
        str | None, typer.Argument(help="Id of the run; or --all.", metavar="[RUN]")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run, the oldest first.")] = False,
    pinned: Annotated[
        bool, typer.Option(help="With the prompts and policies that each run was started under.")
    ] = False,
    tenant: Tenant = None,
) -> int:
    """Run again on recordings, without effects; 1: it diverges."""
    from agent_runtime.cli.commands import replays as commands

    return commands.replay(runs, screen, run_id, tenant, every=every, pinned=pinned)


@app.command("fork")
@opens(archive, who="must")
def runs_fork(
    runs: Archive,
    screen: Screen,
    run_id: RunId,
    at: Annotated[str, typer.Option(help="The step that it begins at.", metavar="STEP")],
    visit: Annotated[int | None, typer.Option(min=1, help="Which visit; default: first.")] = None,
    changed: Annotated[
        list[str],
        typer.Option(
            "--set",
            help="input.FIELD=…, evidence.SOURCE=…, envelope.FIELD=…, prompt.NAME=FILE, model=…;"
            " in a rehearsal policy.NAME=FILE too. May be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = [],  # noqa: B006 — typer reads it, nobody changes it
    rehearsal: Annotated[
        bool, typer.Option(help="Play it on the recordings, with its effects stubbed.")
    ] = False,
    reason: Why = "",
) -> None:
    """Start a new run from a step; it inherits no approval."""
    from agent_runtime.cli.archive import Wanted
    from agent_runtime.cli.commands import replays as commands

    wanted = Wanted(run_id, at, visit, commands.edits_of(changed), reason)
    commands.fork(runs, screen, wanted, rehearsal=rehearsal)


@app.command("compare")
@opens(archive)
def runs_compare(
    runs: Archive,
    screen: Screen,
    one: RunId,
    other: Annotated[str, typer.Argument(help="Id of the other run.", metavar="OTHER")],
    tenant: Tenant = None,
) -> None:
    """Put two runs side by side, from where they first part."""
    from agent_runtime.cli.commands import replays as commands

    commands.compare(runs, screen, one, other, tenant)

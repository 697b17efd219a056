"""Commands for prompts: check, render, diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_runtime.cli.options import HERE, JSON, AppFolder, AsJson, DataFolder
from agent_runtime.cli.options import hello as _hello
from agent_runtime.cli.options import open_place as _open

app = typer.Typer(no_args_is_help=True, help="Check the project's prompts and see what is sent.")

Flow = Annotated[str, typer.Argument(help="Name of the workflow.", metavar="WORKFLOW")]
Name = Annotated[str, typer.Argument(help="Name of the prompt's file.", metavar="PROMPT")]


@app.command("check")
def prompts_check(folder: AppFolder = HERE, as_json: AsJson = False) -> int:
    """Check front matter, inputs, templates and shares of all prompts."""
    _hello("prompts check", as_json=as_json)
    place, screen = _open(folder, None, as_json=as_json)
    from agent_runtime.cli.commands import prompts as commands

    return commands.check(place, screen)


@app.command("render")
def prompts_render(
    workflow: Flow,
    prompt: Name,
    given: Annotated[
        Path | None,
        typer.Option("--input", help=f"The run's input, {JSON}; default: the first sample."),
    ] = None,
    folder: AppFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """The messages that a model would be sent, without evidence."""
    _hello("prompts render", as_json=as_json)
    place, screen = _open(folder, None, as_json=as_json)
    from agent_runtime.cli.commands import prompts as commands

    commands.render(place, screen, workflow, prompt, given)


@app.command("diff")
def prompts_diff(
    workflow: Flow,
    prompt: Name,
    other: Annotated[
        str | None, typer.Argument(help="Another prompt, such as a variant.", metavar="OTHER")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="What this run was started under.", metavar="RUN")
    ] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """How a prompt differs from another one, or a run's."""
    _hello("prompts diff", as_json=as_json)
    place, screen = _open(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import prompts as commands

    commands.diff(place, screen, workflow, prompt, other, run)

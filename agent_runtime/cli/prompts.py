"""Commands for prompts: check, render, diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import opens, place
from agent_runtime.cli.options import JSON

if TYPE_CHECKING:
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen

app = typer.Typer(no_args_is_help=True, help="Check the project's prompts and see what is sent.")

Flow = Annotated[str, typer.Argument(help="Name of the workflow.", metavar="WORKFLOW")]
Name = Annotated[str, typer.Argument(help="Name of the prompt's file.", metavar="PROMPT")]


@app.command("check")
@opens(place, data=False, first="prompts check")
def prompts_check(place: Place, screen: Screen) -> int:
    """Check front matter, inputs, templates and shares of all prompts."""
    from agent_runtime.cli.commands import prompts as commands

    return commands.check(place, screen)


@app.command("render")
@opens(place, data=False, first="prompts render")
def prompts_render(
    place: Place,
    screen: Screen,
    workflow: Flow,
    prompt: Name,
    given: Annotated[
        Path | None,
        typer.Option("--input", help=f"The run's input, {JSON}; default: the first sample."),
    ] = None,
) -> None:
    """The messages that a model would be sent, without evidence."""
    from agent_runtime.cli.commands import prompts as commands

    commands.render(place, screen, workflow, prompt, given)


@app.command("diff")
@opens(place, first="prompts diff")
def prompts_diff(
    place: Place,
    screen: Screen,
    workflow: Flow,
    prompt: Name,
    other: Annotated[
        str | None, typer.Argument(help="Another prompt, such as a variant.", metavar="OTHER")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="What this run was started under.", metavar="RUN")
    ] = None,
) -> None:
    """How a prompt differs from another one, or a run's."""
    from agent_runtime.cli.commands import prompts as commands

    commands.diff(place, screen, workflow, prompt, other, run)

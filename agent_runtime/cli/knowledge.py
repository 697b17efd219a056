"""Commands for the knowledge base: add, list, search, show, remove, refresh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import opens, shelf

if TYPE_CHECKING:
    from agent_runtime.cli.screen import Screen
    from agent_runtime.cli.shelf import Shelf

app = typer.Typer(no_args_is_help=True, help="Keep and search what steps may read.")

SourceName = Annotated[str, typer.Argument(help="Its id or its name.", metavar="SOURCE")]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", help="Steps see sources by their labels; repeatable."),
]


@app.command("add")
@opens(shelf, who="may", first="knowledge add")
def knowledge_add(
    shelf: Shelf,
    screen: Screen,
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH…")],
    labels: LabelOption = None,
    version: Annotated[str, typer.Option(help="The documents' version.")] = "",
    valid_from: Annotated[str, typer.Option(help="First day they are in force.")] = "",
    valid_to: Annotated[str, typer.Option(help="Last day they are in force.")] = "",
    refresh: Annotated[
        str, typer.Option(help="How often to look at them again: manual, hourly, daily, weekly.")
    ] = "",
) -> int:
    """Take documents in; what did not change stays."""
    from agent_runtime.cli.commands import knowledge as commands

    said = {"version": version, "valid_from": valid_from, "valid_to": valid_to, "refresh": refresh}
    given = {name: value for name, value in said.items() if value}
    return commands.add(shelf, screen, paths, {**given, **({"labels": labels} if labels else {})})


@app.command("list")
@opens(shelf)
def knowledge_list(shelf: Shelf, screen: Screen) -> None:
    """List sources, their labels, versions and freshness."""
    from agent_runtime.cli.commands import knowledge as commands

    commands.show_list(shelf, screen)


@app.command("search")
@opens(shelf)
def knowledge_search(
    shelf: Shelf,
    screen: Screen,
    query: Annotated[str, typer.Argument(help="Any words.", metavar="QUERY")],
    labels: LabelOption = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 5,
    on: Annotated[str, typer.Option("--on", help="In force on this day; default: today.")] = "",
) -> None:
    """Find the passages that answer best."""
    from agent_runtime.cli.commands import knowledge as commands

    commands.search(shelf, screen, query, labels or [], limit, on)


@app.command("show")
@opens(shelf)
def knowledge_show(shelf: Shelf, screen: Screen, source: SourceName) -> None:
    """Show one source: what is declared about it, and its passages."""
    from agent_runtime.cli.commands import knowledge as commands

    commands.show(shelf, screen, source)


@app.command("remove")
@opens(shelf, who="may")
def knowledge_remove(shelf: Shelf, screen: Screen, source: SourceName) -> None:
    """Forget a source; what runs were shown of it stays."""
    from agent_runtime.cli.commands import knowledge as commands

    commands.remove(shelf, screen, source)


@app.command("refresh")
@opens(shelf, who="may", first="knowledge refresh")
def knowledge_refresh(
    shelf: Shelf,
    screen: Screen,
    everything: Annotated[bool, typer.Option("--all", help="Not only what is due.")] = False,
) -> int:
    """Look at files again whose time has come, or all."""
    from agent_runtime.cli.commands import knowledge as commands

    return commands.refresh(shelf, screen, due_only=not everything)

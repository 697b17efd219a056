"""Commands for the knowledge base: add, list, search, show, remove, refresh."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_runtime.cli.options import (
    HERE,
    AppFolder,
    As,
    AsJson,
    DataFolder,
    Url,
    hello,
    open_shelf,
)

app = typer.Typer(no_args_is_help=True, help="Keep and search what steps may read.")

SourceName = Annotated[str, typer.Argument(help="Its id or its name.", metavar="SOURCE")]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", help="Steps see sources by their labels; repeatable."),
]


@app.command("add")
def knowledge_add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH…")],
    labels: LabelOption = None,
    version: Annotated[str, typer.Option(help="The documents' version.")] = "",
    valid_from: Annotated[str, typer.Option(help="First day they are in force.")] = "",
    valid_to: Annotated[str, typer.Option(help="Last day they are in force.")] = "",
    refresh: Annotated[
        str, typer.Option(help="How often to look at them again: manual, hourly, daily, weekly.")
    ] = "",
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Take documents in; what did not change stays."""
    hello("knowledge add", as_json=as_json)
    shelf, screen = open_shelf(folder, data, url, who, as_json=as_json)
    from agent_runtime.cli.commands import knowledge as commands

    said = {"version": version, "valid_from": valid_from, "valid_to": valid_to, "refresh": refresh}
    given = {name: value for name, value in said.items() if value}
    return commands.add(shelf, screen, paths, {**given, **({"labels": labels} if labels else {})})


@app.command("list")
def knowledge_list(
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List sources, their labels, versions and freshness."""
    shelf, screen = open_shelf(folder, data, url, as_json=as_json, title="knowledge list")
    from agent_runtime.cli.commands import knowledge as commands

    commands.show_list(shelf, screen)


@app.command("search")
def knowledge_search(
    query: Annotated[str, typer.Argument(help="Any words.", metavar="QUERY")],
    labels: LabelOption = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 5,
    on: Annotated[str, typer.Option("--on", help="In force on this day; default: today.")] = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Find the passages that answer best."""
    shelf, screen = open_shelf(folder, data, url, as_json=as_json, title="knowledge search")
    from agent_runtime.cli.commands import knowledge as commands

    commands.search(shelf, screen, query, labels or [], limit, on)


@app.command("show")
def knowledge_show(
    source: SourceName,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show one source: what is declared about it, and its passages."""
    shelf, screen = open_shelf(folder, data, url, as_json=as_json, title="knowledge show")
    from agent_runtime.cli.commands import knowledge as commands

    commands.show(shelf, screen, source)


@app.command("remove")
def knowledge_remove(
    source: SourceName,
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Forget a source; what runs were shown of it stays."""
    shelf, screen = open_shelf(folder, data, url, who, as_json=as_json, title="knowledge remove")
    from agent_runtime.cli.commands import knowledge as commands

    commands.remove(shelf, screen, source)


@app.command("refresh")
def knowledge_refresh(
    everything: Annotated[bool, typer.Option("--all", help="Not only what is due.")] = False,
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Look at files again whose time has come, or all."""
    hello("knowledge refresh", as_json=as_json)
    shelf, screen = open_shelf(folder, data, url, who, as_json=as_json)
    from agent_runtime.cli.commands import knowledge as commands

    return commands.refresh(shelf, screen, due_only=not everything)

"""Commands for tenants: list, create, export, erase."""

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
    open_administration,
)

app = typer.Typer(no_args_is_help=True, help="Make tenants, hand them out whole, erase them.")

Name = Annotated[str, typer.Argument(help="Name of the tenant.", metavar="TENANT")]


@app.command("list")
def tenants_list(
    folder: AppFolder = HERE, data: DataFolder = None, url: Url = None, as_json: AsJson = False
) -> None:
    """List tenants, also those that were erased."""
    office, screen = open_administration(folder, data, url, as_json=as_json, title="tenants list")
    from agent_runtime.cli.commands import tenants as commands

    commands.show_list(office, screen)


@app.command("create")
def tenants_create(
    name: Name,
    region: Annotated[
        str | None, typer.Option(help="Where its own file is to lie; default: the main file.")
    ] = None,
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant."""
    office, screen = open_administration(
        folder, data, url, who, named=True, as_json=as_json, title="tenants create"
    )
    from agent_runtime.cli.commands import tenants as commands

    commands.create(office, screen, name, region)


@app.command("export")
def tenants_export(
    name: Name,
    target: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Write all of a tenant into a folder, its content readable."""
    office, screen = open_administration(
        folder, data, url, who, named=True, as_json=as_json, title="tenants export"
    )
    from agent_runtime.cli.commands import tenants as commands

    commands.export(office, screen, name, target)


@app.command("erase")
def tenants_erase(
    name: Name,
    confirm: Annotated[str, typer.Option(help="Its name once more: this cannot be undone.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also while its runs are worked on.")
    ] = False,
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Erase all of a tenant; that it was done remains."""
    office, screen = open_administration(
        folder, data, url, who, named=True, as_json=as_json, title="tenants erase"
    )
    from agent_runtime.cli.commands import tenants as commands

    commands.erase(office, screen, name, confirm, force=force)

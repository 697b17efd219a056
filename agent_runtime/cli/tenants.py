"""Commands for tenants: list, create, export, erase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import administration, opens

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration
    from agent_runtime.cli.screen import Screen

app = typer.Typer(no_args_is_help=True, help="Make tenants, hand them out whole, erase them.")

Name = Annotated[str, typer.Argument(help="Name of the tenant.", metavar="TENANT")]


@app.command("list")
@opens(administration)
def tenants_list(office: Administration, screen: Screen) -> None:
    """List tenants, also those that were erased."""
    from agent_runtime.cli.commands import tenants as commands

    commands.show_list(office, screen)


@app.command("create")
@opens(administration, who="must")
def tenants_create(
    office: Administration,
    screen: Screen,
    name: Name,
    region: Annotated[
        str | None, typer.Option(help="Where its own file is to lie; default: the main file.")
    ] = None,
) -> None:
    """Make a tenant."""
    from agent_runtime.cli.commands import tenants as commands

    commands.create(office, screen, name, region)


@app.command("export")
@opens(administration, who="must")
def tenants_export(
    office: Administration,
    screen: Screen,
    name: Name,
    target: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
) -> None:
    """Write all of a tenant into a folder, its content readable."""
    from agent_runtime.cli.commands import tenants as commands

    commands.export(office, screen, name, target)


@app.command("erase")
@opens(administration, who="must")
def tenants_erase(
    office: Administration,
    screen: Screen,
    name: Name,
    confirm: Annotated[str, typer.Option(help="Its name once more: this cannot be undone.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also while its runs are worked on.")
    ] = False,
) -> None:
    """Erase all of a tenant; that it was done remains."""
    from agent_runtime.cli.commands import tenants as commands

    commands.erase(office, screen, name, confirm, force=force)

"""Commands that keep the data file: backup, restore, doctor, prune, vacuum."""

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
    Why,
    hello,
    open_place,
)

app = typer.Typer()

OfTenant = Annotated[
    str | None, typer.Option("--tenant", help="Its own file, in place of the main one.")
]


@app.command("backup")
def backup_file(
    file: Annotated[Path, typer.Argument(help="Where the copy goes.", metavar="FILE")],
    tenant: OfTenant = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an older backup.")] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Copy the data file while it is in use; the copy is verified."""
    hello(f"backup {file}", as_json=as_json)
    place, screen = open_place(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import upkeep as commands

    commands.back_up(place, screen, file, tenant, force=force)


@app.command("restore")
def restore_file(
    file: Annotated[Path, typer.Argument(help="A file that backup made.", metavar="FILE")],
    tenant: OfTenant = None,
    force: Annotated[bool, typer.Option("--force", help="Even against the anchor.")] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in place of the data file, which is kept aside."""
    hello(f"restore {file}", as_json=as_json)
    place, screen = open_place(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import upkeep as commands

    commands.restore(place, screen, file, tenant, force=force)


@app.command()
def doctor(
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="I have looked at what is not anchored.")
    ] = False,
    who: As = "",
    reason: Why = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Find what is wrong with the data, and what to do about it."""
    hello("doctor", as_json=as_json)
    place, screen = open_place(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import upkeep as commands

    if acknowledge:
        commands.acknowledge_gaps(place, screen, who, reason)
    return commands.doctor(place, screen)


@app.command()
def prune(
    who: As,
    older_than: Annotated[
        str | None,
        typer.Option(help="Age of the end: 90d, 12h, 8w. Default: AGENT_RUNTIME_RETENTION."),
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Only runs of this one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Erase what old runs hold; their history stays, as digests."""
    hello(f"prune --older-than {older_than}" if older_than else "prune", as_json=as_json)
    place, screen = open_place(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import upkeep as commands

    commands.prune_runs(place, screen, older_than, workflow, who, dry=dry_run)


@app.command()
def vacuum(folder: AppFolder = HERE, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Rewrite an older data file, so that pruning makes it smaller."""
    hello("vacuum", as_json=as_json)
    place, screen = open_place(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import upkeep as commands

    commands.vacuum(place, screen)

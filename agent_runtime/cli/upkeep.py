"""Commands that keep the data file: backup, restore, doctor, prune, vacuum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import opens, place
from agent_runtime.cli.options import As, Why

if TYPE_CHECKING:
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen

app = typer.Typer()

OfTenant = Annotated[
    str | None, typer.Option("--tenant", help="Its own file, in place of the main one.")
]


@app.command("backup")
@opens(place, first="backup {file}")
def backup_file(
    place: Place,
    screen: Screen,
    file: Annotated[Path, typer.Argument(help="Where the copy goes.", metavar="FILE")],
    tenant: OfTenant = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an older backup.")] = False,
) -> None:
    """Copy the data file while it is in use; the copy is verified."""
    from agent_runtime.cli.commands import upkeep as commands

    commands.back_up(place, screen, file, tenant, force=force)


@app.command("restore")
@opens(place, first="restore {file}")
def restore_file(
    place: Place,
    screen: Screen,
    file: Annotated[Path, typer.Argument(help="A file that backup made.", metavar="FILE")],
    tenant: OfTenant = None,
    force: Annotated[bool, typer.Option("--force", help="Even against the anchor.")] = False,
) -> None:
    """Put a backup in place of the data file, which is kept aside."""
    from agent_runtime.cli.commands import upkeep as commands

    commands.restore(place, screen, file, tenant, force=force)


@app.command()
@opens(place, first="doctor")
def doctor(
    place: Place,
    screen: Screen,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="I have looked at what is not anchored.")
    ] = False,
    who: As = "",
    reason: Why = "",
) -> int:
    """Find what is wrong with the data, and what to do about it."""
    from agent_runtime.cli.commands import upkeep as commands

    if acknowledge:
        commands.acknowledge_gaps(place, screen, who, reason)
    return commands.doctor(place, screen)


@app.command()
@opens(place, first="prune")
def prune(
    place: Place,
    screen: Screen,
    who: As,
    older_than: Annotated[
        str | None,
        typer.Option(help="Age of the end: 90d, 12h, 8w. Default: AGENT_RUNTIME_RETENTION."),
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Only runs of this one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Erase what old runs hold; their history stays, as digests."""
    from agent_runtime.cli.commands import upkeep as commands

    commands.prune_runs(place, screen, older_than, workflow, who, dry=dry_run)


@app.command()
@opens(place, first="vacuum")
def vacuum(place: Place, screen: Screen) -> None:
    """Rewrite an older data file, so that pruning makes it smaller."""
    from agent_runtime.cli.commands import upkeep as commands

    commands.vacuum(place, screen)

"""Commands for policies: check, changes, propose, activate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import administration, opens

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration
    from agent_runtime.cli.screen import Screen

app = typer.Typer(no_args_is_help=True, help="Check, propose and activate policies.")


@app.command("check")
@opens(administration, data=False, first="policies check")
def policies_check(office: Administration, screen: Screen) -> int:
    """Check types, ids, coverage and decision tables."""
    from agent_runtime.cli.commands import policies as commands

    return commands.check(office, screen)


@app.command("changes")
@opens(administration, who="may")
def policies_changes(office: Administration, screen: Screen) -> None:
    """List proposed changes, and what became of them."""
    from agent_runtime.cli.commands import policies as commands

    commands.show_changes(office, screen)


@app.command("propose")
@opens(administration, who="must")
def policies_propose(
    office: Administration,
    screen: Screen,
    name: Annotated[str, typer.Argument(help="Name of the policy.", metavar="POLICY")],
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    file: Annotated[
        Path | None, typer.Option(help="The whole new text; default: the project's file.")
    ] = None,
) -> None:
    """Propose a change, for another policy owner to activate."""
    from agent_runtime.cli.commands import policies as commands

    commands.propose(office, screen, name, file, reason)


@app.command("activate")
@opens(administration, who="must")
def policies_activate(
    office: Administration,
    screen: Screen,
    change: Annotated[str, typer.Argument(help="Id of the change.", metavar="CHANGE")],
    rehearsal: Annotated[
        str | None,
        typer.Option(help="Its report, as having seen it: also that it was not rehearsed."),
    ] = None,
) -> None:
    """Put a change in force, also for questions that are open."""
    from agent_runtime.cli.commands import policies as commands

    commands.activate(office, screen, change, rehearsal)

"""Commands for API tokens: create, list, revoke. Whoever may read the data folder may use them;
at a server, its administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import administration, opens

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration
    from agent_runtime.cli.screen import Screen

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API tokens.")

Tenant = Annotated[str | None, typer.Option(help="Whose data it opens; here: default.")]


@app.command("create")
@opens(administration)
def tokens_create(
    office: Administration,
    screen: Screen,
    operator: Annotated[str, typer.Option(help="Whom it speaks for.")],
    role: Annotated[
        list[str], typer.Option(help="May be repeated; default: those in operators.toml.")
    ] = [],  # noqa: B006 — typer reads it, nobody changes it
    tenant: Tenant = None,
    expires: Annotated[str, typer.Option(help="12h, 30d, 8w.")] = "30d",
    scope: Annotated[list[str], typer.Option(help="Limit it to this act; may be repeated.")] = [],  # noqa: B006 — typer reads it, nobody changes it
) -> None:
    """Make a token and print it, once."""
    from agent_runtime.cli.commands import tokens as commands

    commands.create(office, screen, operator, role, tenant, expires, scope)


@app.command("list")
@opens(administration)
def tokens_list(office: Administration, screen: Screen, tenant: Tenant = None) -> None:
    """List tokens, also those that are over."""
    from agent_runtime.cli.commands import tokens as commands

    commands.show_list(office, screen, tenant)


@app.command("revoke")
@opens(administration)
def tokens_revoke(
    office: Administration,
    screen: Screen,
    token_id: Annotated[str, typer.Argument(help="Id of the token.", metavar="TOKEN")],
    tenant: Tenant = None,
) -> None:
    """End a token at once."""
    from agent_runtime.cli.commands import tokens as commands

    commands.revoke(office, screen, token_id, tenant)

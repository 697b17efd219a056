"""Commands for API tokens: create, list, revoke. Whoever may read the data folder may use them."""

from __future__ import annotations

from typing import Annotated

import typer

from agent_runtime.cli.options import HERE, AppFolder, AsJson, DataFolder, open_place

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API tokens.")

Tenant = Annotated[str, typer.Option(help="Whose data it opens.")]


@app.command("create")
def tokens_create(
    operator: Annotated[str, typer.Option(help="Whom it speaks for.")],
    role: Annotated[
        list[str], typer.Option(help="May be repeated; default: those in operators.toml.")
    ] = [],  # noqa: B006 — typer reads it, nobody changes it
    tenant: Tenant = "default",
    expires: Annotated[str, typer.Option(help="12h, 30d, 8w.")] = "30d",
    scope: Annotated[list[str], typer.Option(help="Limit it to this act; may be repeated.")] = [],  # noqa: B006 — see above
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, once."""
    place, screen = open_place(folder, data, as_json=as_json, title="tokens create")
    from agent_runtime.cli.commands import tokens as commands

    commands.create(place, screen, operator, role, tenant, expires, scope)


@app.command("list")
def tokens_list(
    tenant: Tenant = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """List tokens, also those that are over."""
    place, screen = open_place(folder, data, as_json=as_json, title="tokens list")
    from agent_runtime.cli.commands import tokens as commands

    commands.show_list(place, screen, tenant)


@app.command("revoke")
def tokens_revoke(
    token_id: Annotated[str, typer.Argument(help="Id of the token.", metavar="TOKEN")],
    tenant: Tenant = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """End a token at once."""
    place, screen = open_place(folder, data, as_json=as_json, title="tokens revoke")
    from agent_runtime.cli.commands import tokens as commands

    commands.revoke(place, screen, token_id, tenant)

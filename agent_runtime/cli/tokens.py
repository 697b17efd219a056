"""Commands for API tokens: create, list, revoke. Whoever may read the data folder may use them;
at a server, its administrators."""

from __future__ import annotations

from typing import Annotated

import typer

from agent_runtime.cli.options import (
    HERE,
    AppFolder,
    AsJson,
    DataFolder,
    Url,
    open_administration,
)

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API tokens.")

Tenant = Annotated[str | None, typer.Option(help="Whose data it opens; here: default.")]


@app.command("create")
def tokens_create(
    operator: Annotated[str, typer.Option(help="Whom it speaks for.")],
    role: Annotated[
        list[str], typer.Option(help="May be repeated; default: those in operators.toml.")
    ] = [],  # noqa: B006 — typer reads it, nobody changes it
    tenant: Tenant = None,
    expires: Annotated[str, typer.Option(help="12h, 30d, 8w.")] = "30d",
    scope: Annotated[list[str], typer.Option(help="Limit it to this act; may be repeated.")] = [],  # noqa: B006 — see above
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, once."""
    office, screen = open_administration(folder, data, url, as_json=as_json, title="tokens create")
    from agent_runtime.cli.commands import tokens as commands

    commands.create(office, screen, operator, role, tenant, expires, scope)


@app.command("list")
def tokens_list(
    tenant: Tenant = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List tokens, also those that are over."""
    office, screen = open_administration(folder, data, url, as_json=as_json, title="tokens list")
    from agent_runtime.cli.commands import tokens as commands

    commands.show_list(office, screen, tenant)


@app.command("revoke")
def tokens_revoke(
    token_id: Annotated[str, typer.Argument(help="Id of the token.", metavar="TOKEN")],
    tenant: Tenant = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """End a token at once."""
    office, screen = open_administration(folder, data, url, as_json=as_json, title="tokens revoke")
    from agent_runtime.cli.commands import tokens as commands

    commands.revoke(office, screen, token_id, tenant)

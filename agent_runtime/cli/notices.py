"""Commands for notices: subscriptions, subscribe, unsubscribe, dead, resend."""

from __future__ import annotations

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

app = typer.Typer(no_args_is_help=True, help="See who is told what, and what could not be told.")


@app.command("subscriptions")
def notices_subscriptions(
    folder: AppFolder = HERE, data: DataFolder = None, url: Url = None, as_json: AsJson = False
) -> None:
    """List who is told what."""
    office, screen = open_administration(
        folder, data, url, as_json=as_json, title="notices subscriptions"
    )
    from agent_runtime.cli.commands import notices as commands

    commands.show_subscriptions(office, screen)


@app.command("subscribe")
def notices_subscribe(
    to: Annotated[str, typer.Argument(help="An https URL, or an e-mail address.", metavar="TO")],
    topics: Annotated[
        list[str],
        typer.Option(
            "--topic", help="pending, reminded, escalated, decided, finished, failed, alert."
        ),
    ],
    who: As = "",
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    secret: Annotated[
        str | None, typer.Option(help="Name of the secret that signs, for a URL.")
    ] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Have a web address or a person told, from now on."""
    office, screen = open_administration(
        folder, data, url, who, named=True, as_json=as_json, title="notices subscribe"
    )
    from agent_runtime.cli.commands import notices as commands

    commands.subscribe(office, screen, to, topics, workflow, secret)


@app.command("unsubscribe")
def notices_unsubscribe(
    subscription_id: Annotated[str, typer.Argument(help="Its id.", metavar="SUBSCRIPTION")],
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Tell no more, also not what is still due."""
    office, screen = open_administration(
        folder, data, url, who, named=True, as_json=as_json, title="notices unsubscribe"
    )
    from agent_runtime.cli.commands import notices as commands

    commands.unsubscribe(office, screen, subscription_id)


@app.command("dead")
def notices_dead(
    folder: AppFolder = HERE, data: DataFolder = None, url: Url = None, as_json: AsJson = False
) -> None:
    """List notices that were given up, with the reason."""
    office, screen = open_administration(folder, data, url, as_json=as_json, title="notices dead")
    from agent_runtime.cli.commands import notices as commands

    commands.show_dead(office, screen)


@app.command("resend")
def notices_resend(
    notice_id: Annotated[str, typer.Argument(help="Its id.", metavar="NOTICE")],
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Have one that was given up delivered after all."""
    office, screen = open_administration(
        folder, data, url, who, named=True, as_json=as_json, title="notices resend"
    )
    from agent_runtime.cli.commands import notices as commands

    commands.resend(office, screen, notice_id)

"""Commands for notices: subscriptions, subscribe, unsubscribe, dead, resend."""

from __future__ import annotations

from typing import Annotated

import typer

from agent_runtime.cli.options import HERE, AppFolder, As, AsJson, DataFolder, open_place

app = typer.Typer(no_args_is_help=True, help="See who is told what, and what could not be told.")


@app.command("subscriptions")
def notices_subscriptions(
    folder: AppFolder = HERE, data: DataFolder = None, as_json: AsJson = False
) -> None:
    """List who is told what."""
    place, screen = open_place(folder, data, as_json=as_json, title="notices subscriptions")
    from agent_runtime.cli.commands import notices as commands

    commands.show_subscriptions(place, screen)


@app.command("subscribe")
def notices_subscribe(
    to: Annotated[str, typer.Argument(help="An https URL, or an e-mail address.", metavar="TO")],
    who: As,
    topics: Annotated[
        list[str],
        typer.Option(
            "--topic", help="pending, reminded, escalated, decided, finished, failed; repeatable."
        ),
    ],
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    secret: Annotated[
        str | None, typer.Option(help="Name of the secret that signs, for a URL.")
    ] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Have a web address or a person told, from now on."""
    place, screen = open_place(folder, data, as_json=as_json, title="notices subscribe")
    from agent_runtime.cli.commands import notices as commands

    commands.subscribe(place, screen, to, who, topics, workflow, secret)


@app.command("unsubscribe")
def notices_unsubscribe(
    subscription_id: Annotated[str, typer.Argument(help="Its id.", metavar="SUBSCRIPTION")],
    who: As,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Tell no more, also not what is still due."""
    place, screen = open_place(folder, data, as_json=as_json, title="notices unsubscribe")
    from agent_runtime.cli.commands import notices as commands

    commands.unsubscribe(place, screen, subscription_id, who)


@app.command("dead")
def notices_dead(
    folder: AppFolder = HERE, data: DataFolder = None, as_json: AsJson = False
) -> None:
    """List notices that were given up, with the reason."""
    place, screen = open_place(folder, data, as_json=as_json, title="notices dead")
    from agent_runtime.cli.commands import notices as commands

    commands.show_dead(place, screen)


@app.command("resend")
def notices_resend(
    notice_id: Annotated[str, typer.Argument(help="Its id.", metavar="NOTICE")],
    who: As,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Have a notice that was given up delivered after all, by the next worker."""
    place, screen = open_place(folder, data, as_json=as_json, title="notices resend")
    from agent_runtime.cli.commands import notices as commands

    commands.resend(place, screen, notice_id, who)

"""Commands for notices: subscriptions, subscribe, unsubscribe, dead, resend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import administration, opens

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration
    from agent_runtime.cli.screen import Screen

app = typer.Typer(no_args_is_help=True, help="See who is told what, and what could not be told.")


@app.command("subscriptions")
@opens(administration)
def notices_subscriptions(office: Administration, screen: Screen) -> None:
    """List who is told what."""
    from agent_runtime.cli.commands import notices as commands

    commands.show_subscriptions(office, screen)


@app.command("subscribe")
@opens(administration, who="must")
def notices_subscribe(
    office: Administration,
    screen: Screen,
    to: Annotated[str, typer.Argument(help="An https URL, or an e-mail address.", metavar="TO")],
    topics: Annotated[
        list[str],
        typer.Option(
            "--topic", help="pending, reminded, escalated, decided, finished, failed, alert."
        ),
    ],
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    secret: Annotated[
        str | None, typer.Option(help="Name of the secret that signs, for a URL.")
    ] = None,
) -> None:
    """Have a web address or a person told, from now on."""
    from agent_runtime.cli.commands import notices as commands

    commands.subscribe(office, screen, to, topics, workflow, secret)


@app.command("unsubscribe")
@opens(administration, who="must")
def notices_unsubscribe(
    office: Administration,
    screen: Screen,
    subscription_id: Annotated[str, typer.Argument(help="Its id.", metavar="SUBSCRIPTION")],
) -> None:
    """Tell no more, also not what is still due."""
    from agent_runtime.cli.commands import notices as commands

    commands.unsubscribe(office, screen, subscription_id)


@app.command("dead")
@opens(administration)
def notices_dead(office: Administration, screen: Screen) -> None:
    """List notices that were given up, with the reason."""
    from agent_runtime.cli.commands import notices as commands

    commands.show_dead(office, screen)


@app.command("resend")
@opens(administration, who="must")
def notices_resend(
    office: Administration,
    screen: Screen,
    notice_id: Annotated[str, typer.Argument(help="Its id.", metavar="NOTICE")],
) -> None:
    """Have one that was given up delivered after all."""
    from agent_runtime.cli.commands import notices as commands

    commands.resend(office, screen, notice_id)

"""Notices: subscriptions, subscribe, unsubscribe, dead, resend."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from agent_runtime.cli.administration import Administration
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.notice import Wanted


def show_subscriptions(office: Administration, screen: Screen) -> None:
    """List who is told what."""

    found = office.subscriptions()
    screen.document([subscription.model_dump(mode="json") for subscription in found])
    rows = [(s.id, s.channel, s.to, ",".join(s.topics), s.workflow or "all") for s in found]
    columns = ("subscription", "channel", "to", "topics", "workflow")
    screen.table(columns, rows, empty="Nobody is told anything.")


def subscribe(
    office: Administration,
    screen: Screen,
    to: str,
    topics: Sequence[str],
    workflow: str | None,
    secret: str | None,
) -> None:
    """Have a web address or a person told."""
    channel = "webhook" if "://" in to else "mail"
    given = {"channel": channel, "to": to, "topics": topics, "workflow": workflow, "secret": secret}
    try:
        wanted = Wanted.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "to"
        raise InvalidInput(field, first["input"], first["msg"]) from error
    made = office.subscribe(wanted)
    screen.document(made.model_dump(mode="json"))
    screen.line(f"subscription {made.id}: {', '.join(made.topics)} to {made.to}")


def unsubscribe(office: Administration, screen: Screen, subscription_id: str) -> None:
    """Tell no more."""
    gone = office.unsubscribe(subscription_id)
    screen.document(gone.model_dump(mode="json"))
    screen.line(f"subscription {gone.id} is removed")


def show_dead(office: Administration, screen: Screen) -> None:
    """List notices that were given up."""

    found = office.dead_notices()
    screen.document([notice.model_dump(mode="json") for notice in found])
    rows = [(n.id, n.topic, n.run, n.subscription, str(n.tries), n.why) for n in found]
    columns = ("notice", "topic", "run", "subscription", "tries", "why")
    screen.table(columns, rows, empty="No notice was given up.")


def resend(office: Administration, screen: Screen, notice_id: str) -> None:
    """Have a notice that was given up delivered after all."""
    again = office.resend(notice_id)
    screen.document(again.model_dump(mode="json"))
    screen.line(f"notice {again.id} is due again")

"""Notices: subscriptions, subscribe, unsubscribe, dead, resend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import ValidationError

from agent_runtime.access import a_tenant
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.notice import Notice, Subscription, Wanted
from agent_runtime.runtime import Runtime
from agent_runtime.verdict import Operator

T = TypeVar("T")


def show_subscriptions(place: Place, screen: Screen) -> None:
    """List who is told what."""

    async def work(runtime: Runtime) -> list[Subscription]:
        return runtime.store.read("default").subscriptions.find()

    found = place.work(work)
    screen.document([subscription.model_dump(mode="json") for subscription in found])
    rows = [(s.id, s.channel, s.to, ",".join(s.topics), s.workflow or "all") for s in found]
    columns = ("subscription", "channel", "to", "topics", "workflow")
    screen.table(columns, rows, empty="Nobody is told anything.")


def subscribe(
    place: Place,
    screen: Screen,
    to: str,
    who: str,
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
    made = _changed(
        place,
        who,
        lambda runtime, operator: runtime.outbox.subscribe(operator, wanted),
        create=True,
    )
    screen.document(made.model_dump(mode="json"))
    screen.line(f"subscription {made.id}: {', '.join(made.topics)} to {made.to}")


def unsubscribe(place: Place, screen: Screen, subscription_id: str, who: str) -> None:
    """Tell no more."""
    gone = _changed(
        place, who, lambda runtime, operator: runtime.outbox.unsubscribe(operator, subscription_id)
    )
    screen.document(gone.model_dump(mode="json"))
    screen.line(f"subscription {gone.id} is removed")


def show_dead(place: Place, screen: Screen) -> None:
    """List notices that were given up."""

    async def work(runtime: Runtime) -> list[Notice]:
        return runtime.store.read("default").notices.find("dead")

    found = place.work(work)
    screen.document([notice.model_dump(mode="json") for notice in found])
    rows = [(n.id, n.topic, n.run, n.subscription, str(n.tries), n.why) for n in found]
    columns = ("notice", "topic", "run", "subscription", "tries", "why")
    screen.table(columns, rows, empty="No notice was given up.")


def resend(place: Place, screen: Screen, notice_id: str, who: str) -> None:
    """Have a notice that was given up delivered after all."""
    again = _changed(
        place, who, lambda runtime, operator: runtime.outbox.resend(operator, notice_id)
    )
    screen.document(again.model_dump(mode="json"))
    screen.line(f"notice {again.id} is due again")


def _changed(
    place: Place,
    who: str,
    change: Callable[[Runtime, Operator], Awaitable[T]],
    *,
    create: bool = False,
) -> T:
    async def work(runtime: Runtime) -> T:
        operator = place.operator(who)
        await admit(runtime, operator, "administer", a_tenant(operator.tenant))
        return await change(runtime, operator)

    return place.work(work, create=create)

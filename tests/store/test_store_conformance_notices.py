"""What every implementation of the store holds to about notices and messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_runtime.errors import Conflict, NotFound
from agent_runtime.notice import Notice, Subscription
from agent_runtime.signature import WINDOW
from agent_runtime.store import Session
from tests.store.conftest import HOUR, Books

RUN = "run-acme"
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def told(books: Books) -> Books:
    """A tenant with a subscription that one ended run is told to."""
    await books.put(id=RUN)
    subscription = Subscription(
        id="sub-1",
        tenant="acme",
        channel="webhook",
        to="https://crm.example.com/",
        topics=("finished",),
        secret="crm",  # noqa: S106 — its name
        created_by="ada",
        created_at=books.clock.now(),
    )
    await books.write(lambda s: s.subscriptions.add(subscription))
    await books.write(end)
    return books


def end(session: Session) -> None:
    session.events.append("run.ended", RUN, state="completed", reason="")


def due(books: Books, tenant: str = "acme") -> list[Notice]:
    return books.read(tenant).notices.due("sub-1", 10)


async def take(books: Books, notice: Notice) -> Notice | None:
    return await books.write(lambda s: s.notices.take(notice.id, s.now + MINUTE))


async def test_an_event_is_told_once_to_each_subscription(told: Books) -> None:
    """It names the event, and is due at once."""
    (notice,) = due(told)
    (event,) = told.read().events.find()
    assert (notice.event, notice.event_hash) == (event.number, event.hash)
    assert (notice.run, notice.workflow, notice.status) == (RUN, "ledger", "completed")
    assert told.read().notices.whose_due() == ["sub-1"]


async def test_one_of_several_takes_it(told: Books) -> None:
    """Until its time is over; then another may."""
    (notice,) = due(told)
    taken = [await take(told, notice) for _ in range(2)]
    assert [one and one.tries for one in taken] == [1, None]
    told.clock.move(MINUTE)
    again = await take(told, notice)
    assert again is not None
    assert again.tries == 2


async def test_it_ends_delivered_or_dead(told: Books) -> None:
    """A dead one can be sent again, a delivered one can't."""
    (notice,) = due(told)
    await told.write(lambda s: s.notices.bury(notice, "status 500"))
    assert (due(told), told.read().notices.get(notice.id).why) == ([], "status 500")
    again = await told.write(lambda s: s.notices.resend(notice.id))
    await told.write(lambda s: s.notices.delivered(again))
    assert (due(told), told.read().notices.count()) == ([], {"delivered": 1})
    with pytest.raises(Conflict):
        await told.write(lambda s: s.notices.resend(notice.id))


async def test_a_retry_waits_for_its_time(told: Books) -> None:
    """Also when the clock goes back: then it is looked at again at once."""
    (notice,) = due(told)
    await told.write(lambda s: s.notices.again(notice, "status 503", s.now + HOUR))
    assert due(told) == []
    told.clock.move(-HOUR)
    assert [one.why for one in due(told)] == ["status 503"]


async def test_what_was_forgotten_meanwhile_stays_so(told: Books) -> None:
    """An attempt under way sets nothing anew."""
    (notice,) = due(told)
    await told.write(lambda s: s.notices.forget("sub-1"))
    await told.write(lambda s: s.notices.again(notice, "status 503", s.now))
    assert told.read().timers.due("notice") == []


async def test_what_was_delivered_long_ago_is_forgotten(told: Books) -> None:
    """With the next that is delivered."""
    (notice,) = due(told)
    await told.write(lambda s: s.notices.delivered(notice))
    told.clock.move(timedelta(days=8))
    await told.write(end)
    (later,) = due(told)
    await told.write(lambda s: s.notices.delivered(later))
    assert [one.id for one in told.read().notices.find("delivered")] == [later.id]


async def test_another_tenant_has_none_of_it(told: Books) -> None:
    """Neither notices nor subscriptions, neither to read nor to change."""
    (notice,) = due(told)

    async def bolt(work: Any) -> Any:
        return await told.write(work, "bolt")

    read = told.read("bolt")
    assert (due(told, "bolt"), read.subscriptions.find(), read.notices.count()) == ([], [], {})
    assert await bolt(lambda s: s.notices.take(notice.id, s.now)) is None
    for work in (
        lambda s: s.notices.get(notice.id),
        lambda s: s.notices.resend(notice.id),
        lambda s: s.subscriptions.get("sub-1"),
    ):
        with pytest.raises(NotFound):
            await bolt(work)
    await bolt(lambda s: s.subscriptions.remove("sub-1"))
    await bolt(lambda s: s.notices.forget("sub-1"))
    assert len(due(told)) == len(told.read().subscriptions.find()) == 1


async def test_a_message_is_taken_for_itself_only(books: Books) -> None:
    """Per tenant and trigger, for as long as its signature may count."""

    async def took(content: str, tenant: str = "acme", trigger: str = "mail") -> bool:
        return await books.write(lambda s: s.messages.take(trigger, "msg-1", content), tenant)

    assert [await took("a"), await took("a"), await took("b")] == [True, True, False]
    assert [await took("b", "bolt"), await took("b", trigger="shop")] == [True, True]
    books.clock.move(2 * WINDOW + MINUTE)
    assert await took("b")

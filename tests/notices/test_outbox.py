"""The outbox: what is told, written with what it tells of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_runtime.errors import Conflict, InvalidInput, NotFound
from agent_runtime.notice import MOST, Wanted
from agent_runtime.store import Session
from agent_runtime.workflow import SETTLED, Edge, Workflow
from tests.ledger import ESCALATING, PayRequest, make_pay, pay_as, pay_step, scripted
from tests.notices.conftest import deliver, subscribe
from tests.notices.receiver import Receiver
from tests.office import Office


def due(office: Office) -> list[tuple[str, str]]:
    found = office.runtime.store.read(office.tenant).notices.find("due")
    return [(notice.topic, notice.status) for notice in found]


async def test_a_run_that_asks_is_told_in_order(telling: Office, receiver: Receiver) -> None:
    """Pending, decided, finished; and everything else of a run is nobody's affair."""
    await subscribe(telling, receiver)
    telling.bank.put("a1", amount="500.00")
    await telling.flow("lena approve")
    assert due(telling) == [("pending", "open"), ("decided", "approved"), ("finished", "completed")]


async def test_an_escalation_is_told_and_whom_it_asks_now(
    open_telling: Any, receiver: Receiver
) -> None:
    """A reminder before it too."""
    reminding = ESCALATING.replace('@deadline("1h")', '@deadline("1h") @remind("15m")', 1)
    office = await open_telling(policy=reminding)
    await subscribe(office, receiver)
    office.bank.put("a1", amount="500.00")
    await office.parked()
    for minutes in (45, 15):
        office.clock.move(timedelta(minutes=minutes))
        await office.runtime.expire()
    topics = [topic for topic, _ in due(office)]
    assert topics == ["pending", "reminded", "escalated", "pending"]


async def test_what_needs_a_person_is_told_as_failed(open_telling: Any, receiver: Receiver) -> None:
    """Not only what has ended."""
    again = Edge("pay_out", "pay_out", on=SETTLED, at_most=1)
    endless = pay_step(make_pay(), scripted(pay_as(amount="1.00"), pay_as(amount="2.00")))
    office = await open_telling(workflow=Workflow("ledger", PayRequest, [endless], [again]))
    await subscribe(office, receiver)
    await office.flow()
    assert due(office) == [("failed", "needs_attention")]


async def test_one_transaction_holds_both_or_none(telling: Office, receiver: Receiver) -> None:
    """An event that is rolled back is not told."""
    await subscribe(telling, receiver)
    run = await telling.start()

    def end(session: Session) -> None:
        session.events.append("run.ended", run.id, state="failed", reason="")
        raise Conflict("No.")

    with pytest.raises(Conflict):
        await telling.runtime.store.write("default", end)
    assert due(telling) == []


async def test_only_what_was_asked_for_is_told(telling: Office, receiver: Receiver) -> None:
    """By topic, by workflow and by tenant."""
    await subscribe(telling, receiver, topics=["finished"])
    await subscribe(telling, receiver, workflow="another")
    telling.tenant = "other"
    await telling.flow()
    assert due(telling) == []
    telling.tenant = "default"
    await telling.flow()
    assert due(telling) == [("finished", "completed")]


async def test_nobody_subscribed_costs_no_row(telling: Office) -> None:
    """And one look into an empty table a transaction."""
    await telling.flow()
    assert due(telling) == []
    assert telling.runtime.store.read("default").timers.due("notice") == []


async def test_who_unsubscribes_is_told_nothing_more(telling: Office, receiver: Receiver) -> None:
    """Also not what was still due."""
    subscription = await subscribe(telling, receiver)
    await telling.flow()
    await telling.runtime.outbox.unsubscribe(telling.person("lena"), subscription.id)
    await telling.flow()
    await deliver(telling)
    assert (due(telling), receiver.got) == ([], [])


async def test_another_tenants_subscription_is_not_found(
    telling: Office, receiver: Receiver
) -> None:
    """Neither to be looked at nor to be ended."""
    subscription = await subscribe(telling, receiver)
    telling.tenant = "other"
    with pytest.raises(NotFound):
        await telling.runtime.outbox.unsubscribe(telling.person("lena"), subscription.id)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a secret of nobody": ({"secret": "nope"}, "no secret of this tenant"),
    "content": ({"content": True}, "no content leaves"),
    "mail without a server": ({"channel": "mail", "to": "ada@example.com"}, "no SMTP server"),
    "another scheme": ({"to": "ftp://example.com/"}, "https"),
    "a file": ({"to": "file:///etc/passwd"}, "https"),
    "a password": ({"to": "https://ada:pw@example.com/"}, "password"),
    "a fragment": ({"to": "https://example.com/#x"}, "fragment"),
    "a port beyond all": ({"to": "https://example.com:99999/"}, "cannot be read"),
    "a line break": ({"to": "https://example.com/\r\nX: y"}, "control"),
    "a backslash": ({"to": "https://example.com\\@127.0.0.1/"}, "control"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_can_never_be_delivered_is_refused(
    telling: Office, receiver: Receiver, name: str
) -> None:
    """With the field at fault; nothing is stored."""
    fields, words = WRONG[name]
    with pytest.raises(InvalidInput, match=words):
        await subscribe(telling, receiver, **fields)
    assert telling.runtime.store.read("default").subscriptions.find() == []


@pytest.mark.parametrize(
    "address", ["ada", "ada@", "a b@example.com", "ada@example.com\nBcc: x@y.z"]
)
def test_a_mail_goes_to_an_address(address: str) -> None:
    """To one, and to nobody else."""
    with pytest.raises(ValueError, match="e-mail address"):
        Wanted(channel="mail", to=address, topics=("failed",))


async def test_there_is_an_end_to_subscriptions(telling: Office, receiver: Receiver) -> None:
    """Each costs a look at every event that may be told."""
    for _ in range(MOST):
        await subscribe(telling, receiver)
    with pytest.raises(Conflict, match=str(MOST)):
        await subscribe(telling, receiver)

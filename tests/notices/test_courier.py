"""The courier: notices get there, signed; again where they did not; and are given up at last."""

from __future__ import annotations

import asyncio
import random
import socket
from datetime import timedelta
from typing import Any

import pytest

from agent_runtime.courier import FIRST_DELAY, LONGEST_DELAY, MAX_TRIES, delay_after
from agent_runtime.errors import Conflict
from agent_runtime.notice import Notice
from agent_runtime.signature import read_secret, verify
from tests.notices.conftest import deliver, subscribe
from tests.notices.receiver import Receiver
from tests.office import Office
from tests.patience import PATIENCE, until
from tests.queue.conftest import Serve
from tests.triggers.sender import SECRET

DAY = timedelta(days=1)


def only(office: Office, state: Any) -> Notice:
    (found,) = office.runtime.store.read(office.tenant).notices.find(state)
    return found


async def test_a_notice_is_signed_and_names_what_happened(
    telling: Office, receiver: Receiver
) -> None:
    """Ids, digests and states; nothing of what is proposed, nor of why."""
    await subscribe(telling, receiver, topics=["pending"])
    telling.bank.put("a1", amount="500.00")
    asked = await telling.parked(message="Please, it is urgent!")
    await deliver(telling)
    ((headers, body),) = receiver.got
    message = verify([read_secret(SECRET, "crm")], headers, body, telling.clock.now())
    (told,) = receiver.bodies
    assert (told["id"], told["type"]) == (message, "agent-runtime.pending")
    assert (told["data"]["approval"], told["data"]["digest"]) == (asked.id, asked.digest)
    assert (told["data"]["roles"], told["data"]["status"]) == (["lead"], "open")
    assert b"urgent" not in body
    assert b"500.00" not in body
    assert b"mara" not in body


async def test_content_is_told_where_both_sides_want_it(
    open_telling: Any, receiver: Receiver
) -> None:
    """The installation allows it, and the subscription asks for it."""
    office = await open_telling({"notice_content": True})
    await subscribe(office, receiver, topics=["pending"], content=True)
    await subscribe(office, receiver, topics=["pending"])
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    await deliver(office)
    told = [body["data"].get("action") for body in receiver.bodies]
    assert sorted(told, key=str) == sorted([asked.action.model_dump(mode="json"), None], key=str)


async def test_one_after_the_other_in_order(telling: Office, receiver: Receiver) -> None:
    """As the history has them."""
    await subscribe(telling, receiver)
    telling.bank.put("a1", amount="500.00")
    await telling.flow("lena approve")
    await deliver(telling)
    assert receiver.topics == ["pending", "decided", "finished"]


async def test_what_did_not_get_there_is_tried_again(telling: Office, receiver: Receiver) -> None:
    """After a while, as the same message."""
    await subscribe(telling, receiver)
    receiver.answer(503)
    await telling.flow()
    await deliver(telling)
    assert only(telling, "due").why == "status 503"
    await deliver(telling)
    assert len(receiver.got) == 1
    telling.clock.move(FIRST_DELAY)
    await deliver(telling)
    (_, first), (_, second) = receiver.got
    assert first == second
    assert only(telling, "delivered").tries == 2


async def test_it_is_given_up_at_last_and_can_be_sent_again(
    telling: Office, receiver: Receiver
) -> None:
    """The history says so, by ids; sent again by a person, it gets there."""
    await subscribe(telling, receiver)
    receiver.answer(*[500] * MAX_TRIES)
    record = await telling.flow()
    for _ in range(MAX_TRIES + 2):
        await deliver(telling)
        telling.clock.move(LONGEST_DELAY)
    dead = only(telling, "dead")
    (told,) = telling.record(record.run).bodies("notice.dead")
    assert (len(receiver.got), dead.tries, told["why"]) == (MAX_TRIES, MAX_TRIES, "status 500")
    lena = telling.person("lena")
    await telling.runtime.outbox.resend(lena, dead.id)
    await deliver(telling)
    assert only(telling, "delivered").id == dead.id == receiver.bodies[-1]["id"]
    with pytest.raises(Conflict, match="delivered"):
        await telling.runtime.outbox.resend(lena, dead.id)


async def test_gone_is_final(telling: Office, receiver: Receiver) -> None:
    """A receiver that says so is not asked again."""
    await subscribe(telling, receiver)
    receiver.answer(410)
    await telling.flow()
    await deliver(telling)
    assert only(telling, "dead").why == "status 410"


async def test_a_redirect_is_not_followed(telling: Office, receiver: Receiver) -> None:
    """Wherever it points, it is no delivery."""
    await subscribe(telling, receiver)
    receiver.answers = [(302, {"location": receiver.url}, b"")]
    await telling.flow()
    await deliver(telling)
    assert (only(telling, "due").why, len(receiver.got)) == ("status 302", 1)


async def test_an_endless_answer_is_not_read(telling: Office, receiver: Receiver) -> None:
    """Its status is all that counts."""
    await subscribe(telling, receiver)
    receiver.answers = [(200, {"set-cookie": "a=b"}, b"x" * 50_000_000)]
    await telling.flow()
    await asyncio.wait_for(deliver(telling), PATIENCE)
    assert only(telling, "delivered").tries == 1


async def test_who_does_not_answer_keeps_nobody_waiting(
    open_telling: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each subscription has its own round."""
    monkeypatch.setattr("agent_runtime.webhook.TOTAL", 0.3)
    office = await open_telling()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        await subscribe(office, receiver, to=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        await subscribe(office, receiver)
        await office.flow()
        await deliver(office)
    assert (only(office, "due").why, len(receiver.got)) == ("no answer in time", 1)


async def test_two_processes_send_it_once(open_telling: Any, receiver: Receiver) -> None:
    """Whoever takes it first, delivers it."""
    one, two = await open_telling(), await open_telling()
    await subscribe(one, receiver)
    await one.flow()
    await asyncio.gather(deliver(one), deliver(two))
    assert len(receiver.got) == 1


async def test_a_killed_courier_leaves_it_to_the_next(telling: Office, receiver: Receiver) -> None:
    """What was taken and not settled is taken again after a minute."""
    await subscribe(telling, receiver)
    await telling.flow()
    notice = only(telling, "due")
    later = telling.clock.now() + timedelta(minutes=1)
    await telling.runtime.store.write("default", lambda s: s.notices.take(notice.id, later))
    await deliver(telling)
    assert receiver.got == []
    telling.clock.move(timedelta(minutes=1))
    await deliver(telling)
    assert only(telling, "delivered").tries == 2


async def test_a_stopped_courier_hands_back(telling: Office, receiver: Receiver) -> None:
    """The next one delivers at once, and need not wait for a minute."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        await subscribe(telling, receiver, to=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        await telling.flow()
        (task,) = telling.runtime.courier.set_out("default")
        await until(lambda: only(telling, "due").tries == 1)
        task.cancel()
        await asyncio.wait([task])
    await telling.runtime.store.write("default", lambda _: None)  # after what was handed back
    await deliver(telling)
    assert only(telling, "due").tries == 2


async def test_a_worker_delivers(telling: Office, receiver: Receiver, serve: Serve) -> None:
    """As part of what it does, without a word from anybody."""
    await subscribe(telling, receiver)
    serve(telling)
    await telling.start()
    await until(lambda: receiver.topics == ["finished"])


async def test_a_lost_secret_waits_to_be_found(open_telling: Any, receiver: Receiver) -> None:
    """An unsigned message is never sent."""
    office = await open_telling()
    await subscribe(office, receiver)
    object.__setattr__(office.runtime._in.secrets, "given", {})
    await office.flow()
    await deliver(office)
    assert (only(office, "due").why, receiver.got) == ("its secret cannot be used", [])


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "600"}, 600),
        (503, {"retry-after": "900"}, 900),
        (503, {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}, LONGEST_DELAY.total_seconds()),
        (503, {"retry-after": "9999999999"}, LONGEST_DELAY.total_seconds()),
        (503, {"retry-after": "soon"}, 0),
        (500, {"retry-after": "600"}, 0),
    ],
    ids=["429", "503", "a date", "years", "words", "no busy status"],
)
async def test_who_asks_to_be_left_alone_is(
    telling: Office, receiver: Receiver, status: int, headers: dict[str, str], seconds: float
) -> None:
    """For as long as it says, up to the longest delay; where it says nothing, ours counts."""
    await subscribe(telling, receiver, topics=["pending"])
    receiver.answers.append((status, headers, b""))
    telling.bank.put("a1", amount="500.00")
    await telling.parked()
    await deliver(telling)
    own = FIRST_DELAY.total_seconds()
    # Ours is drawn from the upper half of the first delay.
    telling.clock.move(timedelta(seconds=seconds - 1 if seconds else own))
    await deliver(telling)
    assert len(receiver.got) == (1 if seconds else 2)
    telling.clock.move(timedelta(seconds=2))
    await deliver(telling)
    assert len(receiver.got) == 2


def test_delays_grow_up_to_a_bound() -> None:
    """Four times as long each time, the upper half of it, and never longer than the longest."""
    rng = random.Random(7)  # noqa: S311 — seeded, so that it can be repeated
    delays = [delay_after(tries, rng) for tries in range(1, 30)]
    assert all(FIRST_DELAY / 2 <= delay <= LONGEST_DELAY for delay in delays)
    assert FIRST_DELAY / 2 <= delays[0] <= FIRST_DELAY
    assert delays[-1] >= LONGEST_DELAY / 2

"""Couriers that are killed while they deliver: told at least once, given up once, nothing lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agent_runtime import courier
from agent_runtime.notice import Notice, NoticeState, Wanted
from agent_runtime.runtime import Runtime
from agent_runtime.service import Service
from agent_runtime.settings import NoticeSettings, Settings
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from tests.ledger import Bank, make_app, make_pay, pay_workflow
from tests.notices.receiver import Receiver, receiving
from tests.office import OFFLINE
from tests.patience import awaited
from tests.processes import spawn
from tests.triggers.sender import SECRET

RUNS, KILLS, SEED = 15, 8, 20_260_330
ADA = Operator(name="ada", roles=("administrator",))


@asynccontextmanager
async def open_runtime(folder: Path) -> AsyncIterator[Runtime]:
    """The ledger's app by the real clock, with leave to reach this machine."""
    settings = Settings.model_validate({**OFFLINE, "secrets": {"default/crm": SECRET}})
    own = NoticeSettings.model_validate({"notice_networks": ("127.0.0.0/8",)})
    app = make_app(pay_workflow(make_pay()))
    async with Runtime.open(app, folder, settings=settings, notices=own) as runtime:
        yield runtime


def deliver_child(folder: Path) -> None:
    """Deliver until killed; what a dead courier had taken is taken again after a moment."""
    courier.LEASE = timedelta(seconds=0.3)
    courier.FIRST_DELAY = timedelta(seconds=0.02)

    async def work() -> None:
        async with open_runtime(folder) as runtime:
            await Service(runtime).run(asyncio.Event())

    asyncio.run(work())


async def prepare(folder: Path, good: Receiver, gone: Receiver) -> None:
    """Runs that wait for somebody, of which two receivers are to be told."""
    Bank(folder).put("a1", amount="500.00")
    async with open_runtime(folder) as runtime:
        for receiver in (good, gone):
            wanted = {"channel": "webhook", "to": receiver.url, "topics": ["pending"]}
            given = Wanted.model_validate({**wanted, "secret": "crm"})
            await runtime.outbox.subscribe(ADA, given)
        for number in range(RUNS):
            trigger = Trigger(kind="event", owner="mailroom", key=f"mail-{number}")
            run = await runtime.start("ledger", {}, trigger=trigger)
            assert (await runtime.drive(run.id)).state == "paused"


def read(folder: Path, *states: NoticeState) -> dict[NoticeState, list[Notice]]:
    async def look() -> dict[NoticeState, list[Notice]]:
        async with open_runtime(folder) as runtime:
            notices = runtime.store.read("default").notices
            return {state: notices.find(state) for state in states}

    return asyncio.run(look())


def buried(folder: Path) -> list[str]:
    """The notices that history says were given up."""

    async def look() -> list[str]:
        async with open_runtime(folder) as runtime:
            events = runtime.store.read("default").events.find()
            return [(e.body or {})["notice"] for e in events if e.type == "notice.dead"]

    return asyncio.run(look())


def kill_again_and_again(folder: Path, good: Receiver, rng: random.Random) -> None:
    """Each courier dies right after the receiver has heard something, answered or not."""
    for _ in range(KILLS):
        child, heard = spawn(deliver_child, folder), len(good.got)
        awaited(lambda: len(good.got) > heard)  # noqa: B023 — called at once
        time.sleep(rng.uniform(0, 0.01))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    """One that refuses now and then, and one that wants no more."""
    rng = random.Random(SEED)  # noqa: S311 — seeded
    with receiving() as good, receiving() as gone:
        good.answer(*(rng.choice((500, 204, 204)) for _ in range(RUNS + KILLS)))
        gone.answer(*[410] * 1_000)
        yield good, gone


def test_eight_kills_lose_no_notice(tmp_path: Path, receivers: tuple[Receiver, Receiver]) -> None:
    """Whoever is to be told is told of everything, under one id each time; what was given up is in
    the history once, and was tried."""
    good, gone = receivers
    asyncio.run(prepare(tmp_path, good, gone))
    kill_again_and_again(tmp_path, good, random.Random(SEED))  # noqa: S311 — seeded
    last = spawn(deliver_child, tmp_path)
    awaited(lambda: read(tmp_path, "due")["due"], lambda due: not due)
    last.kill()
    last.join()
    found = read(tmp_path, "due", "delivered", "dead")
    told, refused = ({body["id"] for body in one.bodies} for one in (good, gone))
    assert [len(found[state]) for state in found] == [0, RUNS, RUNS]
    assert {notice.id for notice in found["delivered"]} == told
    assert {notice.id for notice in found["dead"]} == refused
    assert sorted(buried(tmp_path)) == sorted(refused)
    assert len(good.got) > RUNS  # some were told twice: that is what "at least once" costs

"""A full disk: a clear error, nothing broken, nothing lost, and the work goes on with room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.errors import StoreError
from agent_runtime.queue.retry import is_transient
from agent_runtime.service import Service
from agent_runtime.store import Store, upkeep
from tests.disk.conftest import SmallDisk
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import Office, opened
from tests.patience import until
from tests.queue.queue_children import present, settings

FULL = "disk is full"
LEASE = 0.6
"""Seconds until a run is taken up again whose worker could not say how it ended."""


@pytest.fixture
async def office(small_disk: SmallDisk) -> AsyncIterator[Office]:
    """An office on the small disk; its account holds 500, so that a lead is asked."""
    app, folder = make_app(pay_workflow(make_pay())), small_disk.folder
    async with opened(app, folder, clock=present(), settings=settings(LEASE)) as office:
        office.bank.put("a1", amount="500.00")
        yield office


def assert_whole(folder: Path) -> None:
    with upkeep.reading(folder / "runtime.db") as connection:
        assert upkeep.check(connection) == []


async def start_many(office: Office) -> None:
    for _ in range(100):
        await office.drive(await office.start())


async def test_what_finds_no_room_is_told_and_not_stored(
    office: Office, small_disk: SmallDisk
) -> None:
    """A start and a decision: StoreError with the remedy; reading goes on."""
    asked = await office.parked()
    small_disk.fill()
    for attempt in (office.start(key="late"), office.answer(asked, "lena")):
        with pytest.raises(StoreError, match=FULL) as found:
            await attempt
        assert "its room" in found.value.remedy
        assert "Nothing of this request was stored" in found.value.remedy
        assert is_transient(found.value)  # a worker tries again
    session = office.runtime.store.read("default")
    assert session.runs.by_key("ledger", "late") is None
    assert session.approvals.get(asked.id).decisions == ()
    assert_whole(small_disk.folder)


async def test_what_was_acknowledged_is_there_and_goes_on(
    office: Office, small_disk: SmallDisk
) -> None:
    """The disk fills up at any point of a run; with room again, it ends as it would have."""
    asked = [await office.parked() for _ in range(3)]
    for room in (0, 20_000, 60_000):
        small_disk.fill(room=room)
        with pytest.raises(StoreError, match=FULL):
            await start_many(office)
        small_disk.free()
    for question in asked:
        await office.answer(question, "lena")
    office.lapse()
    await office.runtime.drive_ready()
    states = office.runtime.store.read("default").runs.count()
    assert set(states) == {"completed", "paused"}
    assert states["completed"] == 3 == len(office.bank.payouts)
    assert_whole(small_disk.folder)
    assert office.runtime.audit().problem == ""


async def test_a_worker_service_survives_it(office: Office, small_disk: SmallDisk) -> None:
    """It waits for room, and then finishes every run, each payout made once."""
    office.bank.put("a1", amount="50.00")
    runs = [await office.start() for _ in range(6)]
    small_disk.fill(room=40_000)
    stop = asyncio.Event()
    service = asyncio.create_task(Service(office.runtime, grace=0.1).run(stop))
    await asyncio.sleep(1.5)
    assert not service.done()
    assert "completed" not in {office.read(run).state for run in runs[1:]}
    small_disk.free()
    await until(lambda: all(office.read(run).state == "completed" for run in runs))
    stop.set()
    await service
    assert len(office.bank.payouts) == len(runs)
    assert_whole(small_disk.folder)


def test_a_disk_without_room_for_the_file_is_named(small_disk: SmallDisk) -> None:
    """At the very first opening."""
    small_disk.fill()
    with pytest.raises(StoreError, match=r"cannot be opened: .*full") as found:
        Store(small_disk.folder / "runtime.db", SystemClock())
    assert found.value.remedy

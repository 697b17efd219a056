"""The timetable: each time starts one run, whoever looks, and people hold it in their hands."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from agent_runtime.clock import ManualClock
from agent_runtime.errors import Conflict, InvalidInput, NotFound, WorkflowError
from agent_runtime.schedule import Schedule
from agent_runtime.trigger import Trigger
from tests.ledger import make_pay, pay_workflow
from tests.office import PEOPLE, Office
from tests.patience import until
from tests.timers.conftest import DAY, EVE, HOUR, ScheduledOffice, fire, hourly, hours, utc

LENA = PEOPLE["lena"]
HOURLY = "ledger:hourly"


def kinds(office: Office) -> list[str]:
    events = office.runtime.store.read(office.tenant).events.find()
    return [event.type for event in events if event.type.startswith("schedule.")]


async def test_a_time_that_has_come_starts_one_run(scheduled: ScheduledOffice) -> None:
    """With the schedule's input, owner and key; the next time is set in the same commit."""
    office = await scheduled(hourly(input={"message": "Closing time."}))
    assert await fire(office) == []
    office.clock.move(timedelta(minutes=1))
    (run,) = await fire(office)
    assert (run.trigger.kind, run.trigger.owner) == ("schedule", "controlling")
    assert run.trigger.key == "schedule:ledger:hourly 2026-03-30T12:00:00.000000Z"
    assert run.input == {"customer": "mara", "account": "a1", "message": "Closing time."}
    (stored,) = office.runtime.timetable.find()
    assert stored.next_at == utc("2026-03-30 13:00")
    assert (await office.drive(run)).state == "completed"


async def test_two_workers_never_start_it_twice(scheduled: ScheduledOffice) -> None:
    """Both look at the same moment, over and over."""
    clock = ManualClock(EVE)
    one, two = await scheduled(clock=clock), await scheduled(clock=clock)
    for _ in range(10):
        clock.move(HOUR)
        await asyncio.gather(fire(one), fire(two), fire(one), fire(two))
    assert hours(one) == [12, 13, 14, 15, 16, 17, 18, 19, 20, 21]


@pytest.mark.parametrize(
    ("policy", "started"), [("all", [12, 13, 14]), ("once", [14]), ("skip", [])]
)
async def test_what_was_missed_follows_the_policy(
    scheduled: ScheduledOffice, policy: Any, started: list[int]
) -> None:
    """And where times were left out, history says so."""
    office = await scheduled(hourly(catch_up=policy))
    office.clock.move(3 * HOUR)
    await fire(office)
    assert hours(office) == started
    assert kinds(office) == ["schedule.created", *([] if policy == "all" else ["schedule.skipped"])]
    office.clock.move(timedelta(minutes=1))
    await fire(office)
    assert hours(office) == [*started, 15]


async def test_a_key_cannot_be_taken_beforehand(scheduled: ScheduledOffice) -> None:
    """A request under a schedule's key would keep its run from being started."""
    with pytest.raises(ValueError, match="belongs to a schedule"):
        Trigger(kind="request", owner="mallory", key="schedule:ledger:hourly 2026")


async def test_paused_it_starts_nothing_and_makes_up_for_nothing(
    scheduled: ScheduledOffice,
) -> None:
    """Resumed, it goes on from its next time; both carry the person's name."""
    office = await scheduled(hourly(catch_up="all"))
    table = office.runtime.timetable
    paused = await table.pause(LENA, HOURLY, "Audit.")
    assert (paused.paused, paused.reason, paused.next_at) == (True, "Audit.", None)
    office.clock.move(3 * HOUR)
    await fire(office)
    await table.resume(LENA, HOURLY)
    office.clock.move(HOUR)
    await fire(office)
    assert hours(office) == [15]
    events = office.runtime.store.read("default").events.find()
    told = [e.body for e in events if e.type in ("schedule.paused", "schedule.resumed")]
    assert [body["by"] for body in told if body] == ["lena", "lena"]


async def test_declared_anew_it_stays_as_it_was(scheduled: ScheduledOffice) -> None:
    """A restart changes nothing: neither its next time, nor that a person has paused it."""
    office = await scheduled()
    office.clock.move(HOUR)
    before = office.runtime.timetable.find()
    await office.runtime.timetable.declare()
    assert office.runtime.timetable.find() == before
    await office.runtime.timetable.pause(LENA, HOURLY)
    again = await scheduled(hourly(cron="30 * * * *"), clock=office.clock)
    (stored,) = again.runtime.timetable.find()
    assert (stored.paused, stored.cron) == (True, "30 * * * *")


async def test_what_code_no_longer_declares_is_gone(scheduled: ScheduledOffice) -> None:
    """And what a person has made stays."""
    office = await scheduled(hourly(), hourly(name="other"))
    await office.runtime.timetable.create(LENA, "ledger", hourly(name="mine"))
    again = await scheduled(hourly(name="other"), clock=office.clock)
    assert [stored.id for stored in again.runtime.timetable.find()] == [
        "ledger:mine",
        "ledger:other",
    ]


async def test_people_create_and_remove(scheduled: ScheduledOffice) -> None:
    """In their own tenant; what code declares is removed in code."""
    office = await scheduled()
    table = office.runtime.timetable
    boss = LENA.model_copy(update={"tenant": "acme"})
    made = await table.create(boss, "ledger", hourly(name="mine"))
    assert (made.tenant, made.declared, made.next_at) == ("acme", False, utc("2026-03-30 12:00"))
    with pytest.raises(Conflict, match="already"):
        await table.create(boss, "ledger", hourly(name="mine"))
    with pytest.raises(NotFound):
        await table.remove(LENA, made.id)
    with pytest.raises(Conflict, match="declared in the project's code"):
        await table.remove(LENA, HOURLY)
    await table.remove(boss, made.id)
    assert table.find("acme") == []


async def test_a_schedule_starts_runs_in_its_own_tenant(scheduled: ScheduledOffice) -> None:
    """Also one that code declares."""
    office = await scheduled(hourly(tenant="acme"))
    office.clock.move(HOUR)
    assert await fire(office) == []
    office.tenant = "acme"
    assert [run.tenant for run in await fire(office)] == ["acme"]


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (hourly(cron="61 * * * *"), "cron"),
        (hourly(zone="Nowhere"), "zone"),
        (hourly(input={"message": 7}), "message"),
        (hourly(input={"amount": 7}), "amount"),
    ],
)
async def test_a_wrong_schedule_is_refused_when_it_is_made(
    scheduled: ScheduledOffice, schedule: Schedule, field: str
) -> None:
    """By a person with the field at fault, by a developer when the workflow is built."""
    office = await scheduled()
    with pytest.raises(InvalidInput) as found:
        await office.runtime.timetable.create(LENA, "ledger", schedule)
    assert found.value.field == field
    flow = pay_workflow(make_pay())
    with pytest.raises(WorkflowError, match=f"'ledger', schedule 'hourly': {field}"):
        type(flow)("ledger", flow.input, flow.steps, schedules=[schedule]).check()


async def test_an_input_that_no_longer_fits_pauses_the_schedule(
    scheduled: ScheduledOffice,
) -> None:
    """With the reason, where a person finds it; it does not fail again and again."""
    office = await scheduled()
    store = office.runtime.store
    wrong = hourly(name="mine", input={"gone": 1})
    await store.write("default", lambda s: s.schedules.put("ledger", wrong, declared=False))
    office.clock.move(HOUR)
    assert len(await fire(office)) == 1
    mine = store.read("default").schedules.get("ledger:mine")
    assert mine.paused
    assert "gone" in mine.reason


async def test_a_schedule_of_an_unknown_workflow_waits_for_newer_code(
    scheduled: ScheduledOffice,
) -> None:
    """Its timer stays due, and the others fire."""
    office = await scheduled()
    store = office.runtime.store
    newer = hourly(name="mine")
    await store.write("default", lambda s: s.schedules.put("newer", newer, declared=False))
    office.clock.move(HOUR)
    assert len(await fire(office)) == 1
    assert store.read("default").timers.due("schedule") == ["newer:mine"]


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
@pytest.mark.parametrize("policy", ["skip", "once", "all"])
async def test_a_jump_of_the_clock_starts_nothing_twice_and_strands_nothing(
    scheduled: ScheduledOffice, jump: timedelta, policy: Any
) -> None:
    """A day away and back: every hour after that is started, none of them twice."""
    office = await scheduled(hourly(catch_up=policy))
    office.clock.move(timedelta(minutes=1))
    await fire(office)
    office.clock.move(jump)
    await fire(office)
    office.clock.move(-jump)
    for _ in range(5):
        await fire(office)
        office.clock.move(HOUR)
        await fire(office)
    runs = office.runtime.store.read("default").runs.find()
    keys = [run.trigger.key or "" for run in runs]
    assert len(set(keys)) == len(keys)
    today = {key for key in keys if " 2026-03-30T" in key}
    assert today >= {f"schedule:{HOURLY} 2026-03-30T{hour}:00:00.000000Z" for hour in range(12, 18)}


async def test_a_worker_starts_what_is_due(scheduled: ScheduledOffice, serve: Any) -> None:
    """Woken by the clock, without looking again and again."""
    office = await scheduled()
    serve(office)
    await asyncio.sleep(0.1)
    office.clock.move(HOUR)
    await until(lambda: bool(office.bank.payouts))
    assert hours(office) == [12]

"""Fixtures: offices whose workflow starts by the clock, and short forms for schedules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_runtime.clock import ManualClock
from agent_runtime.run import Run
from agent_runtime.schedule import Schedule
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_workflow
from tests.office import Office
from tests.queue.conftest import serve

__all__ = ["serve"]

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVE = datetime(2026, 3, 30, 11, 59, 30, tzinfo=UTC)
"""Half a minute before noon."""

ScheduledOffice = Callable[..., Awaitable[Office]]


def utc(text: str) -> datetime:
    """A moment from `2026-03-29 01:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hourly(**fields: Any) -> Schedule:
    """A schedule at every full hour, with these fields instead."""
    return replace(Schedule("hourly", cron="0 * * * *", owner="controlling"), **fields)


@pytest.fixture
def scheduled(open_office: OpenOffice) -> ScheduledOffice:
    """Opens an office at half a minute to noon whose workflow declares these schedules."""

    async def open_one(*schedules: Schedule, **options: Any) -> Office:
        clock = options.pop("clock", None) or ManualClock(EVE)
        flow = replace(pay_workflow(make_pay()), schedules=schedules or (hourly(),))
        office = await open_office(workflow=flow, clock=clock, **options)
        await office.runtime.timetable.declare()
        return office

    return open_one


async def fire(office: Office) -> list[Run]:
    """Let the schedules of the office's tenant take effect."""
    return await office.runtime.timetable.fire(office.tenant)


def hours(office: Office) -> list[int]:
    """The scheduled hours that runs were started for, in the order of the queue."""
    runs = office.runtime.store.read(office.tenant).runs.find()
    runs.sort(key=lambda run: run.ready_at or run.created_at)
    keys = [run.trigger.key or "" for run in runs if run.trigger.kind == "schedule"]
    return [int(key.split("T")[1][:2]) for key in keys]

"""Schedules: list, next, pause, resume."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from agent_runtime.access import a_tenant
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.runtime import Runtime
from agent_runtime.store.schedules import StoredSchedule
from agent_runtime.verdict import Operator


def show_list(place: Place, screen: Screen) -> None:
    """List schedules with their next time."""

    async def work(runtime: Runtime) -> list[StoredSchedule]:
        return await _found(runtime)

    found = place.work(work)
    screen.document([schedule.model_dump(mode="json") for schedule in found])
    columns = ("schedule", "cron", "zone", "next", "late ones", "owner", "why")
    rows = [
        (s.id, s.cron, s.zone, _local(s, s.next_at), s.catch_up, s.owner, s.reason) for s in found
    ]
    screen.table(columns, rows, empty="No workflow has a schedule.")


def show_next(place: Place, screen: Screen, schedule_id: str | None, count: int) -> None:
    """The next times of one schedule, or of all together; a paused one has none."""

    async def work(runtime: Runtime) -> list[tuple[datetime, StoredSchedule]]:
        found = await _found(runtime)
        if schedule_id is not None:
            found = [runtime.store.read("default").schedules.get(schedule_id)]
        now = runtime.clock.now()
        coming = [
            (instant, stored)
            for stored in found
            if not stored.paused
            for instant in islice(stored.schedule.instants(now), count)
        ]
        return sorted(coming, key=lambda pair: (pair[0], pair[1].id))[:count]

    coming = place.work(work)
    listed = [{"schedule": s.id, "at": at.isoformat(), "zone": s.zone} for at, s in coming]
    screen.document(listed)
    rows = [(f"{at:%Y-%m-%d %H:%M}", s.id, _local(s, at)) for at, s in coming]
    screen.table(("UTC", "schedule", "there"), rows, empty="Nothing is scheduled.")


def pause(place: Place, screen: Screen, schedule_id: str, who: str, reason: str) -> None:
    """Let a schedule start nothing until it is resumed."""
    _change(
        place,
        screen,
        who,
        lambda runtime, operator: runtime.timetable.pause(operator, schedule_id, reason),
    )


def resume(place: Place, screen: Screen, schedule_id: str, who: str) -> None:
    """Let a schedule start runs again, from its next time on."""
    _change(
        place,
        screen,
        who,
        lambda runtime, operator: runtime.timetable.resume(operator, schedule_id),
    )


def _change(
    place: Place,
    screen: Screen,
    who: str,
    change: Callable[[Runtime, Operator], Awaitable[StoredSchedule]],
) -> None:
    async def work(runtime: Runtime) -> StoredSchedule:
        operator = place.operator(who)
        await admit(runtime, operator, "administer", a_tenant(operator.tenant))
        await runtime.timetable.declare()
        return await change(runtime, operator)

    stored: StoredSchedule = place.work(work)
    screen.document(stored.model_dump(mode="json"))
    told: Any = "paused" if stored.paused else f"next at {_local(stored, stored.next_at)}"
    screen.line(f"schedule {stored.id}: {told}")


async def _found(runtime: Runtime) -> list[StoredSchedule]:
    """All schedules; those of the project's code also before a worker has ever run."""
    await runtime.timetable.declare()
    return runtime.timetable.find()


def _local(stored: StoredSchedule, at: datetime | None) -> str:
    """A moment as clocks show it in the schedule's zone."""
    return "paused" if at is None else f"{at.astimezone(ZoneInfo(stored.zone)):%Y-%m-%d %H:%M %Z}"

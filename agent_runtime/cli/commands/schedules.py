"""Schedules: list, next, pause, resume."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from agent_runtime.cli.screen import Screen
from agent_runtime.cli.timetable import Timetable
from agent_runtime.store.schedules import StoredSchedule


def show_list(timetable: Timetable, screen: Screen) -> None:
    """List schedules with their next time."""
    found = timetable.schedules()
    screen.document([schedule.model_dump(mode="json") for schedule in found])
    columns = ("schedule", "cron", "zone", "next", "late ones", "owner", "why")
    rows = [
        (s.id, s.cron, s.zone, _local(s, s.next_at), s.catch_up, s.owner, s.reason) for s in found
    ]
    screen.table(columns, rows, empty="No workflow has a schedule.")


def show_next(timetable: Timetable, screen: Screen, schedule_id: str | None, count: int) -> None:
    """The next times of one schedule, or of all together; a paused one has none."""
    coming = timetable.coming(schedule_id, count)
    listed = [{"schedule": s.id, "at": at.isoformat(), "zone": s.zone} for at, s in coming]
    screen.document(listed)
    rows = [(f"{at:%Y-%m-%d %H:%M}", s.id, _local(s, at)) for at, s in coming]
    screen.table(("UTC", "schedule", "there"), rows, empty="Nothing is scheduled.")


def tell(screen: Screen, stored: StoredSchedule) -> None:
    """Where a schedule stands after a change."""
    screen.document(stored.model_dump(mode="json"))
    told = "paused" if stored.paused else f"next at {_local(stored, stored.next_at)}"
    screen.line(f"schedule {stored.id}: {told}")


def _local(stored: StoredSchedule, at: datetime | None) -> str:
    """A moment as clocks show it in the schedule's zone."""
    return "paused" if at is None else f"{at.astimezone(ZoneInfo(stored.zone)):%Y-%m-%d %H:%M %Z}"

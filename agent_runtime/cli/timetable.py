"""The timetable: what the clock starts, here or behind a URL; asked and changed as a station is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import Protocol

from agent_runtime.access import a_tenant
from agent_runtime.cli.opening import Place, admit
from agent_runtime.client import Client
from agent_runtime.runtime import Runtime
from agent_runtime.store.schedules import StoredSchedule
from agent_runtime.verdict import Operator

Start = tuple[datetime, StoredSchedule]
"""When what is started."""


class Timetable(Protocol):
    """What commands ask for."""

    def schedules(self) -> list[StoredSchedule]:
        """All of them."""
        ...

    def coming(self, schedule_id: str | None, count: int) -> list[Start]:
        """The next times of one schedule, or of all together, in order."""
        ...

    def pause(self, schedule_id: str, reason: str) -> StoredSchedule:
        """Let it start nothing until it is resumed."""
        ...

    def resume(self, schedule_id: str) -> StoredSchedule:
        """Let it start runs again."""
        ...


class Here:
    """A data folder's; those of the project's code also before a worker has ever run."""

    def __init__(self, place: Place, who: str) -> None:
        self._place = place
        self._who = who

    def schedules(self) -> list[StoredSchedule]:
        """As stored."""

        async def work(runtime: Runtime) -> list[StoredSchedule]:
            await runtime.timetable.declare()
            return runtime.timetable.find()

        return self._place.work(work)

    def coming(self, schedule_id: str | None, count: int) -> list[Start]:
        """By the store's clock."""

        async def work(runtime: Runtime) -> list[Start]:
            await runtime.timetable.declare()
            found = runtime.timetable.find()
            if schedule_id is not None:
                found = [runtime.store.read("default").schedules.get(schedule_id)]
            now = runtime.clock.now()
            return _next(
                [
                    (instant, stored)
                    for stored in found
                    if not stored.paused
                    for instant in islice(stored.schedule.instants(now), count)
                ],
                count,
            )

        return self._place.work(work)

    def pause(self, schedule_id: str, reason: str) -> StoredSchedule:
        """Under the person's name."""
        return self._change(lambda runtime, who: runtime.timetable.pause(who, schedule_id, reason))

    def resume(self, schedule_id: str) -> StoredSchedule:
        """Under the person's name."""
        return self._change(lambda runtime, who: runtime.timetable.resume(who, schedule_id))

    def _change(
        self, change: Callable[[Runtime, Operator], Awaitable[StoredSchedule]]
    ) -> StoredSchedule:
        async def work(runtime: Runtime) -> StoredSchedule:
            operator = self._place.operator(self._who)
            await admit(runtime, operator, "administer", a_tenant(operator.tenant))
            await runtime.timetable.declare()
            return await change(runtime, operator)

        return self._place.work(work)


class There:
    """A server's, in the name of whom the token speaks for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def schedules(self) -> list[StoredSchedule]:
        """The tenant's."""
        return self._client.schedules()

    def coming(self, schedule_id: str | None, count: int) -> list[Start]:
        """By the server's clock."""
        found = [s for s in self._client.schedules() if schedule_id in (None, s.id)]
        if schedule_id is not None and not found:
            self._client.coming(schedule_id, 1)  # it says that there is none
        most = min(count, 100)
        return _next(
            [(at, one) for one in found for at in self._client.coming(one.id, most)], count
        )

    def pause(self, schedule_id: str, reason: str) -> StoredSchedule:
        """At once."""
        return self._client.pause_schedule(schedule_id, reason)

    def resume(self, schedule_id: str) -> StoredSchedule:
        """From its next time on."""
        return self._client.resume_schedule(schedule_id)


def _next(starts: Iterable[Start], count: int) -> list[Start]:
    return sorted(starts, key=lambda start: (start[0], start[1].id))[:count]

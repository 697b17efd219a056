"""Schedules: when a workflow is started by the clock, and what becomes of missed times."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice, takewhile
from typing import Any, Literal, assert_never, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from agent_runtime.errors import InvalidInput

CatchUp = Literal["skip", "once", "all"]
"""What becomes of times that passed while no worker ran. skip: none is made up for; once: the
newest of them starts one run; all: each starts one, the newest `MOST` of them."""

ON_TIME = timedelta(minutes=1)
"""Cron counts in minutes: whatever is started within one is not late."""

MOST = 100
"""Runs that one catch-up starts at most: a week without workers must not flood the people asked."""

_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,59}$")
_FIELDS = "minute hour day-of-month month day-of-week"


@dataclass(frozen=True)
class Schedule:
    """Starts a workflow at the times of a cron expression (five fields, Debian's rules) in a time
    zone. `owner` counts as who started the run: they may not approve in it.

    When clocks go forward, a fixed time in the skipped hour falls on the end of it; when they go
    back, a fixed time in the doubled hour happens once, the first time. Expressions whose minute
    or hour begins with `*` follow elapsed time instead.
    """

    name: str
    cron: str
    owner: str
    zone: str = "UTC"
    input: Mapping[str, Any] = field(default_factory=dict)
    catch_up: CatchUp = "once"
    tenant: str = "default"

    def check(self) -> None:
        """Raises InvalidInput that names the field at fault, its value and what is right."""
        if _NAME.match(self.name) is None:
            remedy = "Use lower-case letters, digits, - and _, 60 at most."
            raise InvalidInput("name", self.name, "is no schedule's name", remedy=remedy)
        if not 0 < len(self.owner) <= 200:
            raise InvalidInput("owner", self.owner, "is empty or longer than 200 characters")
        if self.catch_up not in get_args(CatchUp):
            raise InvalidInput(
                "catch_up", self.catch_up, "is none of skip, once, all", remedy="Choose one."
            )
        _zone(self.zone)
        if next(self.instants(datetime(2026, 1, 1, tzinfo=UTC)), None) is None:
            raise InvalidInput("cron", self.cron, "never comes", remedy="Correct day and month.")

    def instants(self, after: datetime) -> Iterator[datetime]:
        """Its times after a moment, UTC, in order; raises InvalidInput as `check` does."""
        zone, last = _zone(self.zone), after
        for local in _simulate(self.cron, after.astimezone(zone)):
            instant = local.astimezone(UTC)
            # Two local times of a skipped hour are the same instant, and one that was asked for
            # from within a doubled hour may lie before it.
            if instant > last:
                last = instant
                yield instant

    def next(self, after: datetime) -> datetime:
        """Its first time after a moment; raises InvalidInput when there is none."""
        for instant in self.instants(after):
            return instant
        raise InvalidInput("cron", self.cron, f"never comes after {after:%Y-%m-%d}")

    def due(self, since: datetime, now: datetime) -> list[datetime]:
        """Which of its times from `since` up to `now` are to be started, the newest `MOST` at
        most, with the policy for the late ones applied."""
        found = self._newest(since, now)
        match self.catch_up:
            case "all":
                return found
            case "once":
                return found[-1:]
            case "skip":
                return [instant for instant in found[-1:] if now - instant < ON_TIME]
            case _:
                assert_never(self.catch_up)

    def _newest(self, since: datetime, now: datetime) -> list[datetime]:
        """Its times from `since` to `now`; of very many, the newest."""
        # Looking back finds quickly where the newest begin, however long ago `since` is; looking
        # forward from there says which they are, in the one way that everybody else counts.
        back = _simulate(self.cron, now.astimezone(_zone(self.zone)), reverse=True)
        earliest = deque(islice(back, MOST + 1), maxlen=1)
        start = since - timedelta(microseconds=1)
        if earliest:
            start = max(start, earliest[0].astimezone(UTC) - timedelta(days=1))
        passed = takewhile(lambda instant: instant <= now, self.instants(start))
        return list(deque(dropwhile(lambda instant: instant < since, passed), maxlen=MOST))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        remedy = "Write it like Europe/Berlin or UTC."
        raise InvalidInput("zone", name, "is no time zone", remedy=remedy) from error


def _simulate(cron: str, local: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    if len(cron.split()) != 5:
        problem = f"has {len(cron.split())} fields, right are five: {_FIELDS}"
        remedy = "Write it like 0 6 * * 1-5; @daily and the like are 0 0 * * *."
        raise InvalidInput("cron", cron, problem, remedy=remedy)
    try:
        return CronSim(cron, local, reverse=reverse)
    except CronSimError as error:
        part = str(error).removeprefix("Bad ").lower()
        remedy = f"The fields are {_FIELDS}; write it like 0 6 * * 1-5."
        raise InvalidInput("cron", cron, f"its {part} cannot be used", remedy=remedy) from error

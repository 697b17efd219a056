"""Windows: which days a report is about, and which it holds them against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from agent_runtime.errors import InvalidInput
from agent_runtime.measure import month_of

USUAL = 30
"""Days of a window where nothing else is asked for."""

LONGEST = 366


@dataclass(frozen=True)
class Window:
    """UTC days, both included. The baseline is as many days, just before."""

    since: date
    until: date

    @property
    def baseline(self) -> Window:
        """What drift is held against."""
        last = self.since - timedelta(days=1)
        return Window(last - (self.until - self.since), last)

    @property
    def spans(self) -> list[tuple[str, str]]:
        """As they are stored: whole months by their own sums, and the days before and after."""
        first, last = _first_of_month(self.since), self.until + timedelta(days=1)
        end = last.replace(day=1)  # the month of this day is not a whole one
        if first >= end:
            return [(self.since.isoformat(), self.until.isoformat())]
        months = (month_of(first.isoformat()), month_of((end - timedelta(days=1)).isoformat()))
        spans = [months]
        if first > self.since:
            spans.append((self.since.isoformat(), (first - timedelta(days=1)).isoformat()))
        if end < last:
            spans.append((end.isoformat(), self.until.isoformat()))
        return spans


def _first_of_month(day: date) -> date:
    """The first day, from that day on, on which a month begins."""
    if day.day == 1:
        return day
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def window(since: date | None, until: date | None, today: date) -> Window:
    """The days asked for; raises InvalidInput for those that nothing can be known of."""
    last = until or today
    first = since or last - min(timedelta(days=USUAL - 1), last - date.min)
    if last > today:
        raise InvalidInput("until", last.isoformat(), "lies in the future", remedy=_today(today))
    if first > today:
        raise InvalidInput("since", first.isoformat(), "lies in the future", remedy=_today(today))
    if first > last:
        raise InvalidInput("since", first.isoformat(), f"is after until, {last.isoformat()}")
    if (last - first).days >= LONGEST:
        raise InvalidInput("since", first.isoformat(), f"makes more than {LONGEST} days")
    if first - date.min <= last - first:
        raise InvalidInput(
            "since", first.isoformat(), "leaves no days before it to hold it against"
        )
    return Window(first, last)


def _today(today: date) -> str:
    return f"Today is {today.isoformat()}, UTC."

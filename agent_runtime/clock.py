"""Time, passed in. All times are timezone-aware UTC datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the runtime reads the time; nothing else may call `datetime.now`."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved; for tests and for the demo's deadlines.

    With `ticking`, it runs with the machine's clock at the offset it was moved to.
    """

    def __init__(self, start: datetime, *, ticking: bool = False) -> None:
        self._base = start
        self._began = datetime.now(UTC) if ticking else None

    def now(self) -> datetime:
        if self._began is None:
            return self._base
        return self._base + (datetime.now(UTC) - self._began)

    def move(self, by: timedelta) -> None:
        """Move the clock; a negative `by` moves it back."""
        self._base += by


def to_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds: sorts as text in the order of time."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='microseconds')[:-6]}Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)

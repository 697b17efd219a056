"""Time is passed in, and its text sorts like it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.clock import ManualClock, SystemClock, from_text, to_text

NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
offsets = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
moments = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 — hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=offsets,
)
quick = settings(deadline=None, derandomize=True, max_examples=50)


@quick
@given(moments)
def test_a_moment_survives_its_text(moment: datetime) -> None:
    """To the microsecond, whatever the zone it was given in."""
    assert from_text(to_text(moment)) == moment
    assert from_text(to_text(moment)).utcoffset() == timedelta(0)


@quick
@given(moments, moments)
def test_texts_sort_like_moments(first: datetime, second: datetime) -> None:
    """The store compares times as text."""
    assert (to_text(first) < to_text(second)) == (first < second)


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    """Forward and back."""
    clock = ManualClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.move(timedelta(hours=1))
    clock.move(timedelta(minutes=-5))
    assert clock.now() == NOON + timedelta(minutes=55)


def test_a_ticking_clock_runs_from_where_it_was_set() -> None:
    """It never goes back by itself."""
    clock = ManualClock(NOON, ticking=True)
    first = clock.now()
    assert NOON <= first <= clock.now() < NOON + timedelta(minutes=1)


def test_the_machines_clock_is_in_utc() -> None:
    """No local time gets into the store."""
    assert SystemClock().now().utcoffset() == timedelta(0)

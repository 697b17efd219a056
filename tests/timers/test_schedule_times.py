"""A schedule's times: cron's rules, time zones, clocks that are changed, and late ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.errors import InvalidInput
from agent_runtime.schedule import MOST, Schedule
from tests.timers.conftest import hourly, utc

BERLIN = Schedule("nightly", cron="30 2 * * *", owner="controlling", zone="Europe/Berlin")
SPRING, AUTUMN = "2026-03-28 12:00", "2026-10-24 12:00"
"""The days before Berlin's clocks go forward, and back."""

CRONS = [
    "30 2 * * *",
    "0,30 2 * * *",
    "0 2,3 * * *",
    "*/30 * * * *",
    "15 1-4 * * 1-7",
    "59 23 L * *",
]
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]


def times(cron: str, after: str, count: int = 3) -> list[str]:
    found = islice(replace(BERLIN, cron=cron).instants(utc(after)), count)
    return [f"{instant:%d %H:%M}" for instant in found]


def test_working_days_at_six_in_berlin() -> None:
    """From Friday to Monday, an hour earlier in UTC once summer time has begun."""
    assert times("0 6 * * 1-5", "2026-03-27 00:00") == ["27 05:00", "30 04:00", "31 04:00"]


@pytest.mark.parametrize(
    ("cron", "found"),
    [
        ("30 2 * * *", ["29 01:00", "30 00:30", "31 00:30"]),
        ("0,30 2 * * *", ["29 01:00", "30 00:00", "30 00:30"]),
        ("0 2,3 * * *", ["29 01:00", "30 00:00", "30 01:00"]),
        ("*/30 * * * *", ["28 12:30", "28 13:00", "28 13:30"]),
    ],
)
def test_a_skipped_hours_times_fall_on_its_end_and_once(cron: str, found: list[str]) -> None:
    """On 29 March, 02:00 in Berlin is 03:00: nothing is lost, nothing comes twice."""
    assert times(cron, SPRING) == found


@pytest.mark.parametrize(
    ("cron", "found"),
    [
        ("30 2 * * *", ["25 00:30", "26 01:30", "27 01:30"]),
        ("0,30 2 * * *", ["25 00:00", "25 00:30", "26 01:00"]),
    ],
)
def test_a_doubled_hours_fixed_times_come_once(cron: str, found: list[str]) -> None:
    """On 25 October, Berlin's 02:30 is there twice: the first one counts."""
    assert times(cron, AUTUMN) == found


def test_a_doubled_hour_has_all_its_half_hours() -> None:
    """An expression that begins with a star follows the time that passes."""
    assert times("*/30 * * * *", "2026-10-24 23:59", 4) == [
        "25 00:00",
        "25 00:30",
        "25 01:00",
        "25 01:30",
    ]


def test_from_within_a_doubled_hour_nothing_lies_behind() -> None:
    """Asked for at the second 02:10, the 02:30 that has passed does not come again."""
    assert times("30 2 * * *", "2026-10-25 01:10", 1) == ["26 01:30"]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(ZONES),
    days=st.timedeltas(timedelta(), timedelta(days=270)),
    span=st.timedeltas(timedelta(), timedelta(days=5)),
)
def test_late_times_are_the_very_times_that_were_announced(
    cron: str, zone: str, days: timedelta, span: timedelta
) -> None:
    """Looking back over a gap finds what looking forward would have found, the newest of it."""
    schedule = replace(BERLIN, cron=cron, zone=zone, catch_up="all")
    since, forward = utc("2026-03-01") + days, []
    for instant in schedule.instants(since - timedelta(microseconds=1)):
        if instant > since + span:
            break
        forward.append(instant)
    assert schedule.due(since, since + span) == forward[-MOST:]
    assert forward == sorted(set(forward))


@pytest.mark.parametrize(
    ("policy", "now", "found"),
    [
        ("all", "15:00", [12, 13, 14, 15]),
        ("once", "15:30", [15]),
        ("skip", "15:30", []),
        ("skip", "15:00", [15]),
        ("skip", "12:00", [12]),
        ("all", "11:30", []),
    ],
)
def test_late_times_follow_the_policy(policy: Any, now: str, found: list[int]) -> None:
    """Due since noon; a time that is not a minute old is not late."""
    due = hourly(catch_up=policy).due(utc("2026-03-30 12:00"), utc(f"2026-03-30 {now}"))
    assert [instant.hour for instant in due] == found


def test_years_without_workers_are_made_up_for_within_bounds() -> None:
    """Every minute for six years: the newest hundred, found at once."""
    schedule = hourly(cron="* * * * *", catch_up="all")
    due = schedule.due(utc("2020-01-01"), utc("2026-03-30 12:00"))
    assert (len(due), due[-1]) == (MOST, utc("2026-03-30 12:00"))


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        ("cron", "60 * * * *", "minute hour"),
        ("cron", "0 6 * * 8", "minute hour"),
        ("cron", "@daily", "0 0 * * *"),
        ("cron", "", "five"),
        ("cron", "0 0 * * * *", "five"),
        ("cron", "0 0 30 2 *", "minute hour"),
        ("cron", "0 0 29 2 1#5 x", "five"),
        ("zone", "Europe/Atlantis", "Europe/Berlin"),
        ("zone", "../passwd", "Europe/Berlin"),
        ("zone", "", "Europe/Berlin"),
        ("name", "Every night!", "lower-case"),
        ("owner", "", "empty"),
        ("catch_up", "never", "skip, once, all"),
    ],
)
def test_nonsense_is_refused_by_field_value_and_remedy(field: str, value: Any, remedy: str) -> None:
    """Before anything is stored."""
    with pytest.raises(InvalidInput) as found:
        hourly(**{field: value}).check()
    assert (found.value.field, found.value.value) == (field, value)
    assert remedy in str(found.value)

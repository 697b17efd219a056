"""Measures: what is counted of the history, and how cases are split and sorted into buckets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Measure = Literal[
    "started",
    "ended",
    "judged",
    "answered",
    "took",
    "changed",
    "right",
    "wrong",
    "latency",
    "queued",
    "worked",
    "waited",
    "cost",
    "tokens",
    "drift",
    "outcome",
    "grade",
    "shadow",
]
"""started, ended: runs; judged: verdicts; answered: people's answers; took: seconds from the first
look to the answer; changed: fields that edits changed; right, wrong: proposals that people let
pass as they were, or did not, by stated confidence; latency, queued, worked, waited: seconds of a
run; cost, tokens: of a run; drift: inputs and outputs by class; outcome: what came of runs; grade:
what graders said; shadow: proposals beside what people did."""

CONFIDENCE = 100
"""Buckets from 0 to 1: fine enough for a threshold, few enough to add up."""

SECONDS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400, 604_800)
"""Upper bounds of the buckets of times; the last bucket is open."""


MONTH = "m"
"""What a month begins with, in the place of a day."""


class Key(NamedTuple):
    """What one sum is of; `day` is the UTC day as text, or `m` and the month."""

    day: str
    workflow: str
    measure: Measure
    by: str = ""
    value: str = ""
    bucket: int = 0


class Sum(NamedTuple):
    """Cases, their values and the squares of these added up."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        return Sum(self.n + other.n, self.total + other.total, self.squares + other.squares)


class Sums(dict[Key, Sum]):
    """Sums that are still to be added to those stored."""

    def count(self, key: Key, value: float = 0.0, sign: int = 1) -> None:
        """One case more, or with the sign -1 one less."""
        before = self.get(key, Sum())
        self[key] = before.plus(Sum(sign, sign * value, sign * value * value))


def by_month(sums: Mapping[Key, Sum]) -> Sums:
    """The same sums by month."""
    months = Sums()
    for key, one in sums.items():
        month = key._replace(day=month_of(key.day))
        months[month] = months.get(month, Sum()).plus(one)
    return months


def month_of(day: str) -> str:
    """What the sums of a day's whole month stand under: sorted after all days."""
    return f"{MONTH}{day[:7]}"


def second_bucket(seconds: float) -> int:
    """The bucket of a time."""
    for i, bound in enumerate(SECONDS):
        if seconds < bound:
            return i
    return len(SECONDS)


def confidence_bucket(confidence: float) -> int:
    """The bucket of a confidence; 1.0 is in the last."""
    # Confidences have four places: 0.29 is in the bucket 29, although 0.29 * 100 is less.
    return min(round(confidence * 10_000) // (10_000 // CONFIDENCE), CONFIDENCE - 1)


def class_of(value: Any) -> str:
    """What kind of value it is, for counting: the magnitude of a number, the length of a text,
    never what it says."""
    match value:
        case bool() | None:
            return str(value).lower()
        case int() | float():
            return _magnitude(float(value))
        case str():
            return _magnitude_of_text(value)
        case list() | tuple():
            return f"list of {_doubled(len(value))}"
        case _:
            return type(value).__name__


def _magnitude_of_text(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return f"text of {_doubled(len(text))}"
    return _magnitude(number)


def _magnitude(number: float) -> str:
    if not math.isfinite(number):
        return "not finite"
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    # Three classes for each power of ten: 1 to 2, 2 to 5, 5 to 10.
    power = math.floor(math.log10(abs(number)))
    first = abs(number) / 10.0**power
    low = 5 if first >= 5 else 2 if first >= 2 else 1
    return f"{sign}{low}e{power}"


def _doubled(length: int) -> str:
    return "0" if length == 0 else f"{1 << (length.bit_length() - 1)} or more"


def bounds(bucket: int) -> tuple[float, float]:
    """From and up to what a bucket of times reaches; the last one's end is open."""
    low = SECONDS[bucket - 1] if bucket else 0
    high = SECONDS[bucket] if bucket < len(SECONDS) else math.inf
    return float(low), float(high)

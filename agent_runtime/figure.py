"""Figures: what an installation tells monitoring about itself. Counts and seconds, with labels
from short lists: names of states, rules and models, never an id or a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Point:
    """One value. `suffix`: of a histogram, which part it is: _bucket, _sum or _count."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure as it is now. Counters and histograms only grow, until content is erased."""

    name: str
    kind: Kind
    help: str
    points: Sequence[Point]


def histogram(
    labels: Mapping[str, str], buckets: Mapping[float, int], total: float
) -> Iterator[Point]:
    """The points of one histogram. `buckets`: how many there are up to each bound, above the one
    before; infinity is among the bounds. `total`: their values added up."""
    count = 0
    for bound in sorted(buckets):
        count += buckets[bound]
        edge = "+Inf" if bound == float("inf") else f"{bound:g}"
        yield Point(count, {**labels, "le": edge}, "_bucket")
    yield Point(total, labels, "_sum")
    yield Point(count, labels, "_count")

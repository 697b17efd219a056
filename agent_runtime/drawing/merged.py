"""Two runs' ways in one drawing: grey what both passed, marked what only one of them did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from agent_runtime.drawing.line import END
from agent_runtime.drawing.trail import Passed, Side, Trail, Way

W = TypeVar("W", bound=Way)


def merge(one: Trail, other: Trail) -> Trail:
    """The way of A (`one`) and of B: nobody stands anywhere, since they stand in two places."""
    sides: dict[Way, Side] = {
        **_apart(one.nodes, other.nodes),
        **_apart(one.edges, other.edges),
        **_apart(one.inner, other.inner),
    }
    ended = other if other.state == "completed" and one.state != "completed" else one
    if ended.state == "completed" and (one.state, one.last) != (other.state, other.last):
        sides[f"{ended.last}>{END}"] = "only-a" if ended is one else "only-b"
    return Trail(
        state=ended.state,
        nodes={
            place: _both(one.nodes.get(place), other.nodes.get(place))
            for place in {**one.nodes, **other.nodes}
        },
        edges=_most(one.edges, other.edges),
        inner=_most(one.inner, other.inner),
        last=ended.last,
        sides=sides,
    )


def _apart(one: Mapping[W, object], other: Mapping[W, object]) -> dict[Way, Side]:
    found: dict[Way, Side] = {way: "only-a" for way in one if way not in other}
    return found | {way: "only-b" for way in other if way not in one}


def _most(one: Mapping[W, int], other: Mapping[W, int]) -> dict[W, int]:
    return {way: max(one.get(way, 0), other.get(way, 0)) for way in {**one, **other}}


def _both(one: Passed | None, other: Passed | None) -> Passed:
    if one is None or other is None:
        return one or other or Passed(0)
    return Passed(max(one.times, other.times), one.trouble or other.trouble)

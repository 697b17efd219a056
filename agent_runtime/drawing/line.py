"""Lines: what a drawing has to connect, and the way that each line takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from agent_runtime.topology import Topology

START, END = "●", "◎"
"""Where every run begins, and where it completes: no step can be called so."""


class Route(IntEnum):
    """Downwards in the order in which lines leave a step: back above all steps, on to the next
    column, or below those that are skipped."""

    BACK = 0
    ON = 1
    SKIP = 2


@dataclass(frozen=True)
class Link:
    """One line. `key` is how the runtime counts it: `source>target`; two edges between the same
    steps share it."""

    source: str
    target: str
    label: str
    route: Route
    number: int = 0

    @property
    def key(self) -> str:
        """The key of the edges that it stands for."""
        return f"{self.source}>{self.target}"


def links_of(topology: Topology) -> tuple[Link, ...]:
    """Every line of a drawing, from the start to the end."""
    backward = _backward(topology)
    depth = _depths(topology, backward)
    first = topology.steps[0].name
    links = [Link(START, first, "", Route.ON)]
    for number, edge in enumerate(topology.edges):
        if number in backward:
            route = Route.BACK
        else:
            route = Route.ON if depth[edge.target] == depth[edge.source] + 1 else Route.SKIP
        links.append(Link(edge.source, edge.target, edge.label, route, number))
    last = max(depth.values())
    for step in topology.steps:
        outcomes = topology.ends(step).get("completed", ())
        if outcomes:
            route = Route.ON if depth[step.name] == last else Route.SKIP
            links.append(Link(step.name, END, ", ".join(outcomes), route))
    return tuple(links)


def _backward(topology: Topology) -> set[int]:
    """The edges that close a loop: those that lead to a step on the way to their source."""
    leaving: dict[str, list[tuple[int, str]]] = {step.name: [] for step in topology.steps}
    for number, edge in enumerate(topology.edges):
        leaving[edge.source].append((number, edge.target))
    found: set[int] = set()
    seen: set[str] = set()

    def walk(name: str) -> Iterator[tuple[int, str]]:
        seen.add(name)
        return iter(leaving[name])

    first = topology.steps[0].name
    way, on_way = [(first, walk(first))], {first}
    while way:
        name, rest = way[-1]
        number, target = next(rest, (-1, ""))
        if not target:
            way.pop()
            on_way.discard(name)
        elif target in on_way:
            found.add(number)
        elif target not in seen:
            on_way.add(target)
            way.append((target, walk(target)))
    return found


def _depths(topology: Topology, backward: set[int]) -> Mapping[str, int]:
    """How many steps the longest way from the first one has."""
    depth = {step.name: 0 for step in topology.steps}
    for _ in topology.steps:
        for number, edge in enumerate(topology.edges):
            if number not in backward:
                depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
    return depth

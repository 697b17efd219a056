"""Trails: where in a workflow a run has been and where it stands, as a drawing shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent_runtime.envelope import Node
from agent_runtime.run import ENDS, RunState

Place = tuple[str, Node]
"""One node of one step."""

Trouble = Literal["", "failed", "denied"]
"""Whether a node's last envelope said that something went wrong, or that it may not be."""


Side = Literal["only-a", "only-b"]
"""Which of two runs passed something that the other one did not."""

Way = Place | str | tuple[str, Node, Node]
"""A node, an edge or a way within a step, as a trail's counts are named."""


@dataclass(frozen=True)
class Passed:
    """How often a node was passed, and how the last time went."""

    times: int
    trouble: Trouble = ""


@dataclass(frozen=True)
class Trail:
    """One run's way. `edges` counts by `source>target`, `inner` by step, node and node within it;
    `current`: where it stands; `last`: the step that it ended in. `sides`: where this is two runs'
    way in one, what only one of them passed."""

    state: RunState
    nodes: Mapping[Place, Passed] = field(default_factory=dict)
    edges: Mapping[str, int] = field(default_factory=dict)
    inner: Mapping[tuple[str, Node, Node], int] = field(default_factory=dict)
    current: Place | None = None
    last: str | None = None
    sides: Mapping[Way, Side] | None = None

    def side(self, way: Way) -> str:
        """The class of what was passed; empty where this is one run's way."""
        return "" if self.sides is None else self.sides.get(way, "shared")

    @property
    def waits(self) -> bool:
        """Whether it stands still until a person does something."""
        return self.state not in ENDS and self.state not in ("queued", "running")

    def times(self, step: str) -> int:
        """How often a step was begun."""
        passed = self.nodes.get((step, "context"))
        return 0 if passed is None else passed.times

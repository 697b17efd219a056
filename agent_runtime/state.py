"""The graph's state: small, plain JSON. Large content is stored once and named by its hash."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from agent_runtime.step import Outcome

Route = Literal["reasoning", "gate", "context", "action", "end"]
"""Where the step goes next; `end` leaves it with the outcome."""


class State(TypedDict, total=False):
    """Channels of every workflow's graph.

    `step`: the one the run is in. `shown`: hashes of all passages shown in this run, in order;
    `bundle`: of those that reasoning sees now. `envelopes`: the last of each step that a later one
    declares to see.
    `visits`: proposals made so far, per step. `counts`: bounded repetitions, by name. `taken`:
    edges taken, by `source>target`. `contracts`: digest per step at the start, for resuming under
    newer code. `route`, `outcome`: set by a node, read by the edge behind it. `after`: the step
    that follows. `reentered`: how often a person had resumed the run when it last went on elsewhere
    than it had stopped; `skip`: by whom and why the step that it went on at is left out.
    """

    step: str
    contracts: dict[str, str]
    shown: list[str]
    bundle: list[str]
    feedback: list[dict[str, Any]]
    visits: dict[str, int]
    counts: dict[str, int]
    taken: dict[str, int]
    envelope: dict[str, Any]
    envelopes: dict[str, dict[str, Any]]
    route: Route
    outcome: Outcome
    after: str | None
    reentered: int
    skip: dict[str, str] | None

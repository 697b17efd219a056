"""Topologies: a workflow's steps and edges as plain JSON, to be drawn and stored.

A run is drawn as the version that it was started under, which may be long gone from the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

from pydantic import BaseModel, ConfigDict

from agent_runtime.envelope import Node
from agent_runtime.run import EndState
from agent_runtime.step import Outcome, Step
from agent_runtime.tool import Effect, Recovery
from agent_runtime.workflow import END_STATES, Edge, Workflow

NODES: tuple[Node, ...] = get_args(Node)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class ToolHeld(BaseModel):
    """One tool in a node's scope."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    effect: Effect
    recovery: Recovery | None = None


class StepShape(BaseModel):
    """One step. `nodes`: those that it has, with their scopes; without an action it never acts.

    `thinker`: `prompt NAME` or `rule NAME`; `budget`: of its context, in estimated tokens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    nodes: dict[Node, tuple[ToolHeld, ...]]
    thinker: str
    policy: str | None = None
    budget: int

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How a visit of it may end."""
        return OUTCOMES if "action" in self.nodes else ("finished",)


class EdgeShape(BaseModel):
    """One edge. `when` names its condition; `at_most`: how often one run may take it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    target: str
    on: tuple[Outcome, ...]
    when: str | None = None
    at_most: int | None = None

    @property
    def key(self) -> str:
        """How the runtime counts it."""
        return f"{self.source}>{self.target}"

    @property
    def label(self) -> str:
        """On what it is taken, in words."""
        condition = "" if self.when is None else f" when {self.when}"
        bound = "" if self.at_most is None else f", at most {self.at_most} times"
        return f"{', '.join(self.on)}{condition}{bound}"


class Topology(BaseModel):
    """One version of a workflow. The first step is where a run begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflow: str
    version: str
    steps: tuple[StepShape, ...]
    edges: tuple[EdgeShape, ...]

    def leaving(self, step: str) -> list[EdgeShape]:
        """The edges that leave a step, in the order in which they are tried."""
        return [edge for edge in self.edges if edge.source == step]

    def ends(self, step: StepShape) -> dict[EndState, tuple[Outcome, ...]]:
        """Which state a run ends in after each outcome that no edge surely takes further."""
        edges = self.leaving(step.name)
        taken = {outcome for edge in edges if edge.when is None for outcome in edge.on}
        left = [outcome for outcome in step.outcomes if outcome not in taken]
        states = dict.fromkeys(END_STATES[outcome] for outcome in left)
        return {
            state: tuple(outcome for outcome in left if END_STATES[outcome] == state)
            for state in states
        }


def topology_of(workflow: Workflow) -> Topology:
    """What a workflow declares, as far as it can be drawn."""
    return Topology(
        workflow=workflow.name,
        version=workflow.version,
        steps=tuple(_step(step) for step in workflow.steps),
        edges=tuple(_edge(edge) for edge in workflow.all_edges),
    )


def _step(step: Step) -> StepShape:
    acts = bool(step.reasoning.proposes)
    rule = step.reasoning.rule
    thinker = f"prompt {step.reasoning.prompt}"
    if rule is not None:
        thinker = f"rule {getattr(rule, '__name__', 'of its own')}"
    nodes: dict[Node, tuple[ToolHeld, ...]] = {
        node: tuple(
            ToolHeld(name=tool.name, effect=tool.effect, recovery=tool.recovery)
            for tool in step.scopes[node].values()
        )
        for node in NODES
        if acts or node in ("context", "reasoning")
    }
    return StepShape(
        name=step.name,
        nodes=nodes,
        thinker=thinker,
        policy=step.policy if acts else None,
        budget=step.context.token_budget,
    )


def _edge(edge: Edge) -> EdgeShape:
    when = None if edge.when is None else getattr(edge.when, "__name__", "it fits")
    return EdgeShape(
        source=edge.source,
        target=edge.target,
        on=tuple(_sorted(edge.on)),
        when=when,
        at_most=edge.at_most,
    )


def _sorted(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    chosen = set(outcomes)
    return (outcome for outcome in OUTCOMES if outcome in chosen)

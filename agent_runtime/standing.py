"""Where a run's graph stands: at a question, in the middle of its work, or at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.types import INTERRUPT, RESUME
from langgraph.types import Interrupt

from agent_runtime.checkpoint import Saver
from agent_runtime.errors import WorkflowError
from agent_runtime.graph import Graph
from agent_runtime.state import State
from agent_runtime.workflow import Workflow


@dataclass(frozen=True)
class Standing:
    """A thread's newest checkpoint; `parked`: the question that it waits at; `idle`: it has no
    node for what comes next."""

    newest: CheckpointTuple
    parked: Interrupt | None
    idle: bool

    @property
    def values(self) -> Mapping[str, Any]:
        """The graph's state."""
        return self.newest.checkpoint["channel_values"]

    def fits(self, workflow: Workflow) -> bool:
        """Whether this code may resume the parked step."""
        # Not by a snapshot's `next`, which leaves out a node whose writes are stored while the
        # checkpoint that takes them in is not: after a crash between the two it goes on there.
        values, idle = self.values, self.idle
        if idle and values.get("route") == "end" and values.get("after") is None:
            return True
        if "step" not in values:
            return True  # only its input is stored: no step has begun
        parked = values["step"]
        try:
            present = workflow.contract(parked)
        except WorkflowError:
            return False
        # Idle, a node that is next is not in this version's step.
        return bool(values["contracts"].get(parked) == present) and not idle


async def stands_at(graph: Graph, saver: Saver, config: RunnableConfig) -> Standing | None:
    """Where the thread stands; None where nothing of it is stored."""
    newest = await saver.aget_tuple(config)
    if newest is None:
        return None
    # Asking LangGraph what is to be done next takes as long as doing it; where one question is
    # pending, there is nothing to ask.
    parked = _parked_at(newest)
    if parked is not None:
        return Standing(newest, parked, idle=False)
    snapshot = await graph.aget_state(config)
    parked = next(iter(snapshot.interrupts), None)
    return Standing(newest, parked, idle=not snapshot.tasks)


def begin(workflow: Workflow) -> State:
    """The state that a new run begins with."""
    return {
        "step": workflow.steps[0].name,
        "contracts": {step.name: workflow.contract(step.name) for step in workflow.steps},
        "shown": [],
        "bundle": [],
        "feedback": [],
        "visits": {},
        "counts": {},
        "taken": {},
    }


def migrated(values: Mapping[str, Any], workflow: Workflow, step: str, to: str) -> State:
    """A parked run's state as it begins a step of another version; visits are counted on, so that
    no right or question of before is found again."""
    visits = dict(values.get("visits", {}))
    visits[to] = max(visits.get(to, 0), visits.pop(step, 0) if step != to else 0)
    fresh = begin(workflow)
    told = {name: values[name] for name in ("shown", "bundle", "feedback") if name in values}
    return cast("State", {**fresh, **told, "step": to, "visits": visits, "route": "context"})


def _parked_at(found: CheckpointTuple) -> Interrupt | None:
    """The one question that a thread waits at, unanswered; None where it is less simple."""
    writes = found.pending_writes or []
    asked = [part for _, channel, value in writes if channel == INTERRUPT for part in value]
    if len(asked) != 1 or any(channel == RESUME for _, channel, _ in writes):
        return None
    return cast("Interrupt", asked[0])

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

    def mismatch(self, workflow: Workflow) -> str:
        """What keeps this code from resuming the parked step; empty when nothing does."""
        # Not by a snapshot's `next`, which leaves out a node whose writes are stored while the
        # checkpoint that takes them in is not: after a crash between the two it goes on there.
        values, idle = self.values, self.idle
        if idle and values.get("route") == "end" and values.get("after") is None:
            return ""
        if "step" not in values:
            return ""  # only its input is stored: no step has begun
        parked = values["step"]
        remedy = "Deploy the version that started the run, or cancel it and start anew."
        try:
            present = workflow.contract(parked)
        except WorkflowError:
            return f"This version doesn't have step {parked!r}, where the run is parked. {remedy}"
        if values["contracts"].get(parked) != present:
            return f"Tools, schemas or edges of step {parked!r} have changed since. {remedy}"
        if idle:
            return f"This version doesn't have the node in step {parked!r} that is next. {remedy}"
        return ""


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


def _parked_at(found: CheckpointTuple) -> Interrupt | None:
    """The one question that a thread waits at, unanswered; None where it is less simple."""
    writes = found.pending_writes or []
    asked = [part for _, channel, value in writes if channel == INTERRUPT for part in value]
    if len(asked) != 1 or any(channel == RESUME for _, channel, _ in writes):
        return None
    return cast("Interrupt", asked[0])

"""Workflow → LangGraph: one node per phase, named by its word, which names the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from agent_runtime.errors import WorkflowError
from agent_runtime.nodes.action import ActionNode
from agent_runtime.nodes.context import ContextNode
from agent_runtime.nodes.gate import GateNode
from agent_runtime.nodes.reasoning import ReasoningNode
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.workflow import Workflow

Graph = CompiledStateGraph[State, Segment, State, State]
Phase = Callable[[State, Runtime[Segment]], Awaitable[State]]
"""One node of a step: what it changes in the state, `route` and `after` with it."""

RECURSION_LIMIT = 10_000
"""LangGraph's own bound on supersteps: ours are declared on edges and steps and come first."""


def compile_graph(
    workflow: Workflow, checkpointer: BaseCheckpointSaver[Any] | None, *, entry: str = ""
) -> Graph:
    """Build the state machine; raises WorkflowError on anything that could not be run safely.

    `entry`: the node that a fork starts at; its nodes are the same, so that it goes on like any
    other run.
    """
    workflow.check()
    if checkpointer is None:
        raise WorkflowError(
            f"Workflow {workflow.name!r} has no checkpointer: a pause could never be resumed.",
            remedy="Pass the runtime's saver.",
        )
    # No context schema: every class that it leads to could be loaded from a checkpoint.
    builder: StateGraph[State, Segment, State, State] = StateGraph(State)
    for step in workflow.steps:
        phases: dict[str, Phase] = {"context": ContextNode(step), "reasoning": ReasoningNode(step)}
        if step.reasoning.proposes:
            phases |= {"gate": GateNode(step), "action": ActionNode(step)}
        for word, phase in phases.items():
            builder.add_node(f"{step.name}.{word}", _routed(step, phase))
    builder.add_edge(START, entry or f"{workflow.steps[0].name}.context")
    return builder.compile(checkpointer=checkpointer, name=workflow.name)


def _routed(step: Step, phase: Phase) -> Callable[..., Awaitable[Command[str]]]:
    """The phase as a node that names the one after it. LangGraph's conditional edges would do the
    same with a second look at the whole state, and take a quarter longer over all."""

    async def node(state: State, runtime: Runtime[Segment]) -> Command[str]:
        update = await phase(state, runtime)
        return Command(update=update, goto=_following(step, update))

    return node


def _following(step: Step, update: State) -> str:
    if update["route"] != "end":
        return f"{step.name}.{update['route']}"
    after = update["after"]
    return END if after is None else f"{after}.context"

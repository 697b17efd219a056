"""Workflow → LangGraph: one node per phase, named by its word, and edges that only route."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

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

RECURSION_LIMIT = 10_000
"""LangGraph's own bound on supersteps: ours are declared on edges and steps and come first."""


def compile_graph(workflow: Workflow, checkpointer: BaseCheckpointSaver[Any] | None) -> Graph:
    """Build the state machine; raises WorkflowError on anything that could not be run safely."""
    workflow.check()
    if checkpointer is None:
        raise WorkflowError(
            f"Workflow {workflow.name!r} has no checkpointer: a pause could never be resumed.",
            remedy="Pass the runtime's saver.",
        )
    builder: StateGraph[State, Segment, State, State] = StateGraph(State, context_schema=Segment)
    for step in workflow.steps:
        _add_step(builder, workflow, step)
    builder.add_edge(START, f"{workflow.steps[0].name}.context")
    return builder.compile(checkpointer=checkpointer, name=workflow.name)


def _add_step(
    builder: StateGraph[State, Segment, State, State], workflow: Workflow, step: Step
) -> None:
    following = {edge.target for edge in workflow.all_edges if edge.source == step.name}
    exits: dict[Hashable, str] = {END: END}
    exits.update({f"{name}.context": f"{name}.context" for name in following})
    inside = {word: f"{step.name}.{word}" for word in ("context", "reasoning", "gate", "action")}
    builder.add_node(inside["context"], ContextNode(step))
    builder.add_node(inside["reasoning"], ReasoningNode(step))
    builder.add_edge(inside["context"], inside["reasoning"])
    if not step.reasoning.proposes:
        builder.add_conditional_edges(inside["reasoning"], _router(step), exits)
        return
    builder.add_node(inside["gate"], GateNode(step))
    builder.add_node(inside["action"], ActionNode(step))
    route = _router(step)
    gate, action, back = inside["gate"], inside["action"], inside["reasoning"]
    builder.add_conditional_edges(back, route, {gate: gate, **exits})
    builder.add_conditional_edges(gate, route, {action: action, back: back, **exits})
    again = inside["context"]
    builder.add_conditional_edges(action, route, {again: again, **exits})


def _router(step: Step) -> Callable[[State], str]:
    def route(state: State) -> str:
        if state["route"] != "end":
            return f"{step.name}.{state['route']}"
        after = state.get("after")
        return END if after is None else f"{after}.context"

    return route

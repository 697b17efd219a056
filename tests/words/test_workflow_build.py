"""Workflows are refused when they are built, with what is wrong and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import SETTLED, Edge, Reasoning, Step, Workflow
from agent_runtime.app import App, load_app
from agent_runtime.envelope import Envelope
from agent_runtime.errors import (
    NeedsAttention,
    NotFound,
    OutOfScope,
    PolicyError,
    SettingsError,
    WorkflowError,
)
from agent_runtime.graph import compile_graph
from agent_runtime.policy import load_policy
from tests.ledger import PayRequest, done, make_app, make_pay, pay_step, pay_workflow

PAY = make_pay()


def step(name: str) -> Step:
    """A step that only thinks."""
    return Step(name, reasoning=Reasoning(rule=done))


def flow(*edges: Edge, steps: str = "abc", **fields: Any) -> Workflow:
    return Workflow("w", PayRequest, [step(name) for name in steps], edges, **fields)


def loop(at_most: int | None = None) -> Edge:
    return Edge("c", "a", on=SETTLED, at_most=at_most)


@pytest.mark.parametrize(
    ("workflow", "words"),
    [
        (flow(steps=""), "needs steps with different names"),
        (flow(steps="aa"), "needs steps with different names"),
        (flow(Edge("a", "b"), Edge("b", "z")), "edge to unknown step 'z'"),
        (flow(Edge("z", "b"), Edge("a", "b")), "edge to unknown step 'z'"),
        (flow(Edge("a", "b")), "step 'c' cannot be reached"),
        (flow(Edge("a", "b"), Edge("b", "c"), loop()), "the loop through 'a' has no bound"),
        (flow(Edge("a", "a"), Edge("a", "b"), Edge("b", "c")), "the loop through 'a' has no bound"),
        (flow(subject="owner"), "its input has no 'owner'"),
        (pay_workflow(PAY, policy=None), "proposes writes but names no policy"),
        (pay_workflow(PAY, reasoning=Reasoning(proposes=[PAY])), "neither a prompt nor a rule"),
    ],
)
def test_what_could_not_run_safely_is_refused(workflow: Workflow, words: str) -> None:
    """Before anything runs, in words that name the step."""
    with pytest.raises(WorkflowError, match=words):
        workflow.check()


def test_a_bounded_loop_is_accepted() -> None:
    """One bound anywhere in the loop is enough."""
    flow(Edge("a", "b"), Edge("b", "c"), loop(at_most=3)).check()


def test_a_graph_without_a_checkpointer_is_refused() -> None:
    """A pause could never be resumed."""
    with pytest.raises(WorkflowError, match="has no checkpointer"):
        compile_graph(pay_workflow(PAY), None)


def test_an_unknown_tool_is_named_with_the_node() -> None:
    """Asking a scope for what it doesn't hold."""
    with pytest.raises(OutOfScope, match=r"pay_out\.action may not use the tool 'wire'"):
        pay_step(PAY).tool("action", "wire")


def test_an_unknown_workflow_lists_the_known_ones() -> None:
    """Whoever asked sees what there is."""
    with pytest.raises(NotFound, match="This app has: ledger"):
        make_app(pay_workflow(PAY)).workflow("ledgre")


def test_two_different_tools_of_one_name_are_refused() -> None:
    """A name stands for one tool."""
    other = pay_step(make_pay("manual"), name="again")
    with pytest.raises(WorkflowError, match="Two different tools are called 'pay'"):
        make_app(Workflow("w", PayRequest, [pay_step(PAY), other]))


def test_a_missing_policy_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    """The error lists the policies that there are."""
    (tmp_path / "refund.cedar").touch()
    with pytest.raises(PolicyError, match=r"(?s)no policy 'ledger'.*refund"):
        load_policy(tmp_path, "ledger", [PAY])


def test_a_folder_without_graphs_is_no_project(tmp_path: Path) -> None:
    """The remedy says how to name another one."""
    with pytest.raises(SettingsError, match="--app DIR"):
        load_app(tmp_path)


def test_the_version_changes_with_what_a_run_depends_on_only() -> None:
    """Schemas, tools and edges, not prompts, thresholds or policy."""
    plain = pay_workflow(PAY)
    same = pay_workflow(PAY, max_rounds=9, policy="other")
    assert plain.version == same.version
    assert plain.version != pay_workflow(make_pay("manual")).version
    assert flow().version != flow(Edge("a", "b"), Edge("a", "c")).version


def test_edges_are_followed_by_outcome_and_condition() -> None:
    """The first edge that fits is taken; without one the run ends."""
    envelope = Envelope(step="a", status="done", confidence=0.4, reason="")
    unsure = Edge("a", "b", when=lambda seen: seen.confidence < 0.5)
    workflow = flow(unsure, Edge("a", "c"))
    assert workflow.follow("a", "finished", envelope, {}) == unsure
    assert workflow.follow("a", "finished", None, {}) == Edge("a", "c")
    assert workflow.follow("a", "rejected", envelope, {}) is None


def test_a_bound_that_is_used_up_needs_attention() -> None:
    """The edge is named with its bound."""
    workflow = flow(Edge("a", "b"), Edge("b", "c"), loop(at_most=2))
    assert workflow.follow("c", "acted", None, {"c>a": 1}) == loop(at_most=2)
    with pytest.raises(NeedsAttention, match="c>a has been taken 2 times"):
        workflow.follow("c", "acted", None, {"c>a": 2})


def test_an_apps_parts_can_be_replaced() -> None:
    """An app is a plain value."""
    app = make_app(pay_workflow(PAY))
    assert replace(app, folder=Path("x")) != app
    assert isinstance(app, App)

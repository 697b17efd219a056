"""What retries, timeouts, step limits and cancellation do to a node and its thread."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.errors import GraphRecursionError, NodeTimeoutError
from langgraph.graph import START
from langgraph.types import RetryPolicy

if TYPE_CHECKING:
    from tests.langgraph_behaviour.conftest import Bench

Values = dict[str, Any]


@pytest.mark.parametrize(("error", "attempts"), [(ValueError, 1), (ConnectionError, 3)])
async def test_the_default_retry_policy_leaves_value_errors_alone(
    bench: Bench, error: type[Exception], attempts: int
) -> None:
    """Only what is named as passing, such as a lost connection, is tried again."""

    async def fail(state: Values) -> Values:
        bench.acts.append("try")
        raise error

    builder = bench.builder()
    builder.add_node("fail", fail, retry_policy=RetryPolicy(initial_interval=0, jitter=False))
    builder.add_edge(START, "fail")
    async with bench.compiled(builder) as graph:
        with pytest.raises(error):
            await graph.ainvoke({"task": "t"}, bench.thread)
    assert len(bench.acts) == attempts


async def test_a_node_timeout_ends_an_async_node(bench: Bench) -> None:
    """An async node that takes too long is cancelled with an error of its own."""

    async def slow(state: Values) -> Values:
        await asyncio.sleep(60)
        return {}

    builder = bench.builder()
    builder.add_node("slow", slow, timeout=0.05)
    builder.add_edge(START, "slow")
    async with bench.compiled(builder) as graph:
        with pytest.raises(NodeTimeoutError):
            await graph.ainvoke({"task": "t"}, bench.thread)


def test_a_node_timeout_on_a_sync_node_is_refused(bench: Bench) -> None:
    """A graph with a timed sync node does not build."""
    builder = bench.builder()
    builder.add_node("slow", lambda _: {}, timeout=0.05)
    builder.add_edge(START, "slow")
    with pytest.raises(ValueError, match="async"):
        builder.compile()


async def test_the_recursion_limit_leaves_a_resumable_thread(bench: Bench) -> None:
    """Too many steps raise, and the thread goes on from there when invoked again."""

    async def step(state: Values) -> Values:
        bench.acts.append("step")
        return {}

    async with bench.chain(one=step, two=step, three=step) as graph:
        with pytest.raises(GraphRecursionError):
            await graph.ainvoke({"task": "t"}, {**bench.thread, "recursion_limit": 2})
        assert (await graph.aget_state(bench.thread)).next == ("three",)
        await graph.ainvoke(None, bench.thread)
    assert bench.acts == ["step"] * 3


async def test_a_cancelled_run_leaves_a_resumable_thread(bench: Bench) -> None:
    """Cancelling inside a node leaves that node next, as if the run were still going."""
    inside, blocked = asyncio.Event(), [True]

    async def slow(state: Values) -> Values:
        inside.set()
        await asyncio.sleep(60 if blocked else 0)
        return {"answer": "done"}

    async with bench.chain(slow=slow) as graph:
        run = asyncio.create_task(graph.ainvoke({"task": "t"}, bench.thread))
        await inside.wait()
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        assert (await graph.aget_state(bench.thread)).next == ("slow",)
        blocked.clear()
        assert (await graph.ainvoke(None, bench.thread))["answer"] == "done"

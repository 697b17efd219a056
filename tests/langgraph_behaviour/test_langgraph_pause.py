"""What a pause is: who sees it, who can lose it, and what its id stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langgraph.graph import START
from langgraph.types import Command, Send, interrupt

if TYPE_CHECKING:
    from tests.langgraph_behaviour.conftest import Bench

Values = dict[str, Any]


async def test_resuming_runs_the_pausing_node_again_from_its_top(bench: Bench) -> None:
    """An effect placed before interrupt() happens twice for one approval."""

    async def gate(state: Values) -> Values:
        bench.acts.append("mail sent")
        return {"answer": interrupt("go on?")}

    async with bench.chain(gate=gate) as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        await graph.ainvoke(Command(resume="yes"), bench.thread)
    assert bench.acts == ["mail sent", "mail sent"]


async def test_a_broad_except_swallows_the_pause(bench: Bench) -> None:
    """The pause is an ordinary Exception: who catches it acts as if the answer had come."""

    async def gate(state: Values) -> Values:
        try:
            return {"answer": interrupt("go on?")}
        except Exception:  # noqa: BLE001  (the mistake under test)
            return {"answer": "assumed"}

    async with bench.chain(gate=gate, act=bench.act) as graph:
        result = await graph.ainvoke({"task": "t"}, bench.thread)
    assert "__interrupt__" not in result
    assert bench.acts == ["assumed"]


async def test_a_pause_without_a_checkpointer_cannot_be_resumed(bench: Bench) -> None:
    """A graph without a saver pauses like any other, and only the answer meets an error."""
    graph = bench.builder(gate=bench.ask, act=bench.act).compile()
    result = await graph.ainvoke({"task": "pay 10"})
    assert [pause.value for pause in result["__interrupt__"]] == ["pay 10"]
    with pytest.raises(RuntimeError, match="without checkpointer"):
        await graph.ainvoke(Command(resume="yes"))
    assert bench.acts == []


async def test_an_interrupt_id_says_nothing_about_the_question(bench: Bench) -> None:
    """Asking for something else in the same task keeps the id (langgraph#8026)."""
    questions = iter(["pay 10", "pay 10000", "pay 10000"])

    async def gate(state: Values) -> Values:
        return {"answer": interrupt(next(questions))}

    async with bench.chain(gate=gate, act=bench.act) as graph:
        (seen,) = (await graph.ainvoke({"task": "t"}, bench.thread))["__interrupt__"]
        (asked,) = (await graph.ainvoke(None, bench.thread))["__interrupt__"]
        assert (seen.value, asked.value) == ("pay 10", "pay 10000")
        assert seen.id == asked.id
        await graph.ainvoke(Command(resume={seen.id: "yes"}), bench.thread)
    assert bench.acts == ["yes"]


async def test_new_input_drops_the_pending_question(bench: Bench) -> None:
    """Input to a paused thread starts over; a bare answer then meets the newer question."""
    async with bench.gated() as graph:
        await graph.ainvoke({"task": "pay 10"}, bench.thread)
        await graph.ainvoke({"task": "pay 10000"}, bench.thread)
        pending = (await graph.aget_state(bench.thread)).interrupts
        assert [pause.value for pause in pending] == ["pay 10000"]
        result = await graph.ainvoke(Command(resume="yes to 10"), bench.thread)
    assert result["task"] == "pay 10000"
    assert bench.acts == ["yes to 10"]


async def test_renaming_the_parked_node_ends_the_thread_silently(bench: Bench) -> None:
    """A graph that lacks the parked node has nothing next, and its resume does nothing."""
    async with bench.gated() as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
    async with bench.chain(gate_renamed=bench.ask, act=bench.act) as graph:
        assert (await graph.aget_state(bench.thread)).next == ()
        result = await graph.ainvoke(Command(resume="yes"), bench.thread)
    assert result == {"task": "t", "log": []}
    assert bench.acts == []


async def test_send_keeps_the_results_of_siblings_of_a_pause(bench: Bench) -> None:
    """Of three items in parallel only the one that paused runs again after the answer."""
    started: list[int] = []

    async def item(state: Values) -> Values:
        started.append(state["task"])
        answer = interrupt("item 2?") if state["task"] == 2 else "none needed"
        return {"log": [f"{state['task']}: {answer}"]}

    builder = bench.builder()
    builder.add_node("item", item)
    builder.add_conditional_edges(START, lambda _: [Send("item", {"task": n}) for n in (1, 2, 3)])
    async with bench.compiled(builder) as graph:
        await graph.ainvoke({}, bench.thread)
        result = await graph.ainvoke(Command(resume="yes"), bench.thread)
    assert sorted(started) == [1, 2, 2, 3]
    assert result["log"] == ["1: none needed", "2: yes", "3: none needed"]

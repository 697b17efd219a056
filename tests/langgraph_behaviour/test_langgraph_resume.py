"""What an answer does: twice, at the same time, too late, or addressed to the past."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.types import Command, interrupt

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from tests.langgraph_behaviour.conftest import Bench

Values = dict[str, Any]
CHILD = Path(__file__).with_name("killed_child.py")


async def test_a_second_contradicting_answer_returns_normally(bench: Bench) -> None:
    """A finished thread takes a "no" without an error and keeps the "yes"."""
    async with bench.gated() as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        await graph.ainvoke(Command(resume="yes"), bench.thread)
        second = await graph.ainvoke(Command(resume="no"), bench.thread)
    assert second["answer"] == "yes"
    assert bench.acts == ["yes"]


async def test_an_answer_to_an_unknown_interrupt_id_is_lost(bench: Bench) -> None:
    """An id that nobody asked under raises nothing, and the thread goes on waiting."""
    async with bench.gated() as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        await graph.ainvoke(Command(resume={"f" * 32: "yes"}), bench.thread)
        assert (await graph.aget_state(bench.thread)).next == ("gate",)
    assert bench.acts == []


async def test_resuming_an_answered_checkpoint_repeats_the_first_answer(bench: Bench) -> None:
    """A "no" sent to the old paused checkpoint runs the action again with the old "yes"."""
    async with bench.gated() as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        paused = (await graph.aget_state(bench.thread)).config
        await graph.ainvoke(Command(resume="yes"), bench.thread)
        await graph.ainvoke(Command(resume="no"), paused)
    assert bench.acts == ["yes", "yes"]


async def test_two_answers_at_the_same_time_both_act(bench: Bench) -> None:
    """Nothing locks a thread: over two connections two answers are carried out. Which ones, is a
    matter of luck: one may read what the other has stored already."""
    both_in = asyncio.Barrier(2)

    async def act(state: Values) -> Values:
        await both_in.wait()
        return await bench.act(state)

    chain = {"gate": bench.ask, "act": act}
    async with bench.chain(**chain) as one, bench.chain(**chain) as other:
        await one.ainvoke({"task": "t"}, bench.thread)
        yes = one.ainvoke(Command(resume="yes"), bench.thread)
        no = other.ainvoke(Command(resume="no"), bench.thread)
        await asyncio.wait_for(asyncio.gather(yes, no), PATIENCE)
    assert len(bench.acts) == 2


async def test_a_consumed_answer_also_answers_a_later_interrupt(bench: Bench) -> None:
    """Going on without an answer gives the next question the last one (langgraph#8837)."""

    async def gate(state: Values) -> Values:
        return {"log": [interrupt("pay 10?"), interrupt("pay 10000?")]}

    async with bench.chain(gate=gate) as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        asked = await graph.ainvoke(Command(resume="yes to 10"), bench.thread)
        assert [pause.value for pause in asked["__interrupt__"]] == ["pay 10000?"]
        result = await graph.ainvoke(None, bench.thread)
    assert result["log"] == ["yes to 10", "yes to 10"]


async def test_an_answered_id_also_answers_a_later_interrupt(bench: Bench) -> None:
    """The id of a task's first question is taken for its second one as well."""

    async def gate(state: Values) -> Values:
        return {"log": [interrupt("pay 10?"), interrupt("pay 10000?")]}

    async with bench.chain(gate=gate) as graph:
        (first,) = (await graph.ainvoke({"task": "t"}, bench.thread))["__interrupt__"]
        answer: Command[Any] = Command(resume={first.id: "yes to 10"})
        (second,) = (await graph.ainvoke(answer, bench.thread))["__interrupt__"]
        assert first.id != second.id
        result = await graph.ainvoke(answer, bench.thread)
    assert result["log"] == ["yes to 10", "yes to 10"]


async def test_a_kill_between_effect_and_checkpoint_doubles_the_effect(bench: Bench) -> None:
    """A process that dies after its effect leaves a thread that has the effect once more."""
    codes = []
    for step in ("start-and-die", "go-on"):
        child = await asyncio.create_subprocess_exec(sys.executable, CHILD, bench.path, step)
        codes.append(await asyncio.wait_for(child.wait(), PATIENCE))
    assert codes == [-signal.SIGKILL, 0]
    assert bench.path.with_suffix(".effects").read_text() == "yes\nyes\n"


async def test_replaying_from_a_checkpoint_runs_the_later_nodes_again(bench: Bench) -> None:
    """Invoking with an old checkpoint id repeats every effect after it."""
    async with bench.chain(plan=lambda _: {"answer": "first plan"}, act=bench.act) as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        history = [past async for past in graph.aget_state_history(bench.thread)]
        before = next(past.config for past in history if past.next == ("act",))
        await graph.ainvoke(None, before)
    assert bench.acts == ["first plan", "first plan"]


async def test_forking_runs_the_later_nodes_again(bench: Bench) -> None:
    """Editing an old checkpoint and going on from it acts beside the first run."""
    async with bench.chain(plan=lambda _: {"answer": "first plan"}, act=bench.act) as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        history = [past async for past in graph.aget_state_history(bench.thread)]
        before = next(past.config for past in history if past.next == ("act",))
        forked = await graph.aupdate_state(before, {"answer": "edited plan"})
        await graph.ainvoke(None, forked)
    assert bench.acts == ["first plan", "edited plan"]


async def test_a_subgraph_called_in_a_node_makes_the_parent_node_run_again(bench: Bench) -> None:
    """A pause inside the inner graph repeats what the calling node did before it."""
    inner = bench.builder(gate=bench.ask).compile()

    async def outer(state: Values) -> Values:
        bench.acts.append("before the inner graph")
        return {"answer": (await inner.ainvoke({"task": state["task"]}))["answer"]}

    async with bench.chain(outer=outer) as graph:
        await graph.ainvoke({"task": "t"}, bench.thread)
        result = await graph.ainvoke(Command(resume="yes"), bench.thread)
    assert result["answer"] == "yes"
    assert bench.acts == ["before the inner graph"] * 2

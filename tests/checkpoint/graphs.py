"""A small graph that asks once, for tests of the saver without the runtime around it."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from agent_runtime.checkpoint import Saver
from agent_runtime.clock import SystemClock
from agent_runtime.store import Store


class State(TypedDict, total=False):
    text: str
    seen: Annotated[list[str], operator.add]
    answer: str


def compile_asking(saver: Saver, started: list[str] | None = None) -> Any:
    """The asking graph on a saver."""
    return asking_graph(started).compile(checkpointer=saver)


def asking_graph(started: list[str] | None = None) -> Any:
    """first → second → gate → act; `started` records when each begins."""
    begun: list[str] = [] if started is None else started

    def step(name: str) -> Any:
        async def run(_state: State) -> State:
            begun.append(name)
            return {"seen": [name]}

        return run

    async def gate(state: State) -> State:
        begun.append("gate")
        return {"answer": interrupt(state["text"])}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    builder.add_sequence(
        [("first", step("first")), ("second", step("second")), ("gate", gate), ("act", step("act"))]
    )
    builder.add_edge(START, "first")
    return builder


def start_child(path: Path, reports: Any, tasks: int) -> None:
    """Start threads without end, and report each the moment its pause is reported here."""

    async def starter(graph: Any, number: int) -> None:
        for n in range(1_000_000):
            thread = f"t-{number}-{n}"
            config = {"configurable": {"thread_id": thread}}
            found = await graph.ainvoke({"text": thread}, config, durability="sync")
            assert found["__interrupt__"]
            reports.send(thread)

    async def run() -> None:
        store = Store(path, SystemClock())
        graph = compile_asking(Saver(store, tenant="a", fenced=False))
        await asyncio.gather(*(starter(graph, number) for number in range(tasks)))

    asyncio.run(run())

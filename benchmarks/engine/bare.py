"""The bare graph: the same four phases in plain LangGraph, with nothing governed.

Cases: `memory` (InMemorySaver: nothing is stored on disk, the upper bound of the graph engine),
`stock` (AsyncSqliteSaver as published) and `saver` (this project's saver).
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from agent_runtime.checkpoint import LANE, Saver
from agent_runtime.clock import SystemClock
from agent_runtime.store import Store
from benchmarks.engine.case import Case
from benchmarks.engine.workload import letter, proposal, summary


class Notice(TypedDict, total=False):
    """The bare graph's channels."""

    name: str
    letter: str
    summary: dict[str, Any]
    envelope: dict[str, Any]
    decision: dict[str, Any]
    published: Annotated[list[dict[str, Any]], operator.add]


def bare_graph(saver: BaseCheckpointSaver[Any], published: list[str]) -> Any:
    """The four nodes; the last one adds to `published`, which is its effect."""

    async def context(state: Notice) -> Notice:
        return {"summary": summary(state["name"])}

    async def reasoning(state: Notice) -> Notice:
        return {"envelope": proposal(state["name"])}

    async def gate(state: Notice) -> Notice:
        asked = state["envelope"]["proposed_action"]
        return {"decision": interrupt({"type": asked["type"], "target": asked["target_id"]})}

    async def action(state: Notice) -> Notice:
        published.append(state["name"])
        return {"published": [{"name": state["name"], "by": state["decision"]["by"]}]}

    builder = StateGraph(Notice)
    builder.add_sequence([context, reasoning, gate, action])
    builder.add_edge(START, "context")
    return builder.compile(checkpointer=saver)


class BareCase:
    """Drives the bare graph as its own documentation shows."""

    def __init__(self, saver: BaseCheckpointSaver[Any], store: Store | None = None) -> None:
        """`store`: of this project's saver, which then posts to a lane as under our worker."""
        self._published: list[str] = []
        self._graph = bare_graph(saver, self._published)
        self._store = store

    async def start(self, name: str) -> bool:
        inputs = {"name": name, "letter": letter(name)}
        return "__interrupt__" in await self._invoke(inputs, name)

    async def answer(self, name: str) -> int:
        wake: Command[Any] = Command(resume={"approved": True, "by": "rita", "note": "fine"})
        result = await self._invoke(wake, name)
        done = result.get("published") == [{"name": name, "by": "rita"}]
        return self._published.count(name) if done else -1

    async def _invoke(self, given: Any, name: str) -> dict[str, Any]:
        """Whatever is reported is stored: LangGraph waits for its saver, and we for our lane."""
        config: dict[str, Any] = {"configurable": {"thread_id": name}}
        lane = None if self._store is None else self._store.lane("default", name, None)
        if lane is not None:
            config["configurable"][LANE] = lane
        result: dict[str, Any] = await self._graph.ainvoke(given, config, durability="async")
        if lane is not None:
            await lane.settled()
        return result


@asynccontextmanager
async def open_memory(_folder: Path) -> AsyncIterator[Case]:
    """The bare graph, nothing on disk."""
    yield BareCase(InMemorySaver())


@asynccontextmanager
async def open_stock(folder: Path) -> AsyncIterator[Case]:
    """The stock saver, with its durability stated and verified."""
    async with AsyncSqliteSaver.from_conn_string(str(folder / "stock.db")) as saver:
        await saver.setup()
        await saver.conn.execute("PRAGMA synchronous=FULL")
        for pragma, wanted in (("journal_mode", "wal"), ("synchronous", 2)):
            async with saver.conn.execute(f"PRAGMA {pragma}") as cursor:
                found = await cursor.fetchone()
            if found is None or found[0] != wanted:
                raise RuntimeError(f"The stock saver runs with {pragma}={found}, not {wanted}.")
        yield BareCase(saver)


@asynccontextmanager
async def open_own(folder: Path) -> AsyncIterator[Case]:
    """This project's saver on its own store, for threads that are no runs: it has nothing to
    fence, as the stock saver has nothing."""
    store = Store(folder / "own.db", SystemClock())
    try:
        yield BareCase(Saver(store, tenant="default", fenced=False), store)
    finally:
        store.close()

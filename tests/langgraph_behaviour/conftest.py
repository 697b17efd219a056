"""A bench of stock LangGraph graphs over a real SQLite file.

The tests in this folder say what the libraries do, not what this project does. A test that
fails after an upgrade means: read the rule beside that behaviour again before going on.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict

import aiosqlite
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

Graph = CompiledStateGraph[Any, Any, Any, Any]
Values = dict[str, Any]


class State(TypedDict, total=False):
    task: Any
    answer: Any
    log: Annotated[list[Any], operator.add]


@dataclass
class Bench:
    """One database file, one thread, and `acts`: what the outside world saw."""

    path: Path
    acts: list[Any] = field(default_factory=list)
    thread: RunnableConfig = field(
        default_factory=lambda: RunnableConfig(configurable={"thread_id": "1"})
    )

    async def ask(self, state: Values) -> Values:
        return {"answer": interrupt(state["task"])}

    async def act(self, state: Values) -> Values:
        self.acts.append(state["answer"])
        return {}

    def builder(self, **nodes: Any) -> Any:
        """The nodes one after the other. Any: the library's types admit no dict as input."""
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
        previous = START
        for name, node in nodes.items():
            builder.add_node(name, node)
            builder.add_edge(previous, name)
            previous = name
        return builder

    @asynccontextmanager
    async def saver(self, serde: JsonPlusSerializer | None = None) -> AsyncIterator[Any]:
        async with aiosqlite.connect(self.path) as connection:
            yield AsyncSqliteSaver(connection, serde=serde)

    @asynccontextmanager
    async def compiled(
        self, builder: Any, serde: JsonPlusSerializer | None = None
    ) -> AsyncIterator[Graph]:
        async with self.saver(serde) as saver:
            yield builder.compile(checkpointer=saver)

    def chain(self, **nodes: Any) -> AbstractAsyncContextManager[Graph]:
        return self.compiled(self.builder(**nodes))

    def gated(self) -> AbstractAsyncContextManager[Graph]:
        return self.chain(gate=self.ask, act=self.act)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "checkpoints.db")

"""Run by test_langgraph_resume.py: acts, and on the first run dies before the checkpoint."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, TypedDict

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict, total=False):
    answer: str


async def gate(state: State) -> State:
    return {"answer": interrupt("go on?")}


async def main(path: Path, step: str) -> None:
    def act(state: State) -> State:
        with path.with_suffix(".effects").open("a") as effects:
            effects.write(f"{state['answer']}\n")
        if step == "start-and-die":
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    builder = StateGraph(State)
    builder.add_node("gate", gate)
    builder.add_node("act", act)
    builder.add_edge(START, "gate")
    builder.add_edge("gate", "act")
    async with aiosqlite.connect(path) as connection:
        graph: Any = builder.compile(checkpointer=AsyncSqliteSaver(connection))
        answer: Command[Any] = Command(resume="yes")
        inputs = [{"answer": ""}, answer] if step == "start-and-die" else [None]
        for value in inputs:
            await graph.ainvoke(value, {"configurable": {"thread_id": "1"}}, durability="sync")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

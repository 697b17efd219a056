"""The saver as it was before ours: makes the real databases that are migrated.

Today's code cannot run on schema 1. A whole runtime therefore works on today's schema without the
migrations of checkpoints, which are then made good; a file of schema 1 proper is made with SQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent_runtime.runtime import DATABASE
from agent_runtime.store import Store, database
from tests.ledger import Bank, make_app, make_pay, pay_workflow
from tests.office import Office, opened


class FencedSaver(AsyncSqliteSaver):
    """As agent_runtime/checkpoint.py had it in version 0.1.0."""

    def __init__(self, connection: aiosqlite.Connection, store: Store) -> None:
        super().__init__(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._store = store

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        self._fence(config)
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        self._fence(config)
        await super().aput_writes(config, writes, task_id, task_path)

    def _fence(self, config: RunnableConfig) -> None:
        claim = config["configurable"]
        self._store.read(claim["tenant"]).runs.own(claim["thread_id"], claim["epoch"])


@asynccontextmanager
async def stock_office(folder: Path) -> AsyncIterator[Office]:
    """An office with the saver of version 0.1.0, on a new folder."""
    Bank(folder)  # makes it
    path = folder / DATABASE
    scripts = database.migrations()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrations", lambda: [scripts[0], scripts[2], *scripts[4:]])
        patch.setattr(database, "STEPS", {})
        database.prepare(path)
        async with aiosqlite.connect(path) as connection:
            await connection.execute("PRAGMA synchronous = FULL")
            patch.setattr(
                "agent_runtime.runtime.Saver", lambda store: FencedSaver(connection, store)
            )
            async with opened(make_app(pay_workflow(make_pay())), folder) as office:
                yield office


def bring_forward(path: Path) -> None:
    """Make the migrations of checkpoints good on the file of a `stock_office`."""
    scripts = database.migrations()
    set_version(path, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrations", lambda: [*scripts[:2], scripts[3]])
        database.prepare(path)
    set_version(path, len(scripts))


def set_version(path: Path, version: int) -> None:
    """Say which schema a file has."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


async def make_first_schema(path: Path, graph: Any, run_id: str) -> None:
    """A file of schema 1 with one running run, whose graph the stock saver has checkpointed up to
    its pause; `graph` is a builder."""
    with pytest.MonkeyPatch.context() as patch:
        first = database.migrations()[:1]
        patch.setattr(database, "migrations", lambda: first)
        database.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        names = "workflow, version, input, documents, trigger, trace, created_at, updated_at"
        connection.execute(
            f"INSERT INTO runs (id, tenant, state, epoch, {names}) VALUES"  # noqa: S608
            " (?, 'a', 'running', 1, '', '', '{}', '[]', '{}', '', '', '')",
            (run_id,),
        )
        connection.commit()
    async with aiosqlite.connect(path) as opened_file:
        saver = AsyncSqliteSaver(
            opened_file, serde=JsonPlusSerializer(allowed_msgpack_modules=None)
        )
        config = {"configurable": {"thread_id": run_id, "tenant": "a", "epoch": 1}}
        await graph.compile(checkpointer=saver).ainvoke({"text": "?"}, config, durability="sync")

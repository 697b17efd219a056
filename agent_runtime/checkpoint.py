"""LangGraph's saver on our file: strict, and fenced by the run's epoch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent_runtime.store import Store


class FencedSaver(AsyncSqliteSaver):
    """Refuses to write for a claim that another worker has taken over."""

    def __init__(self, connection: aiosqlite.Connection, store: Store) -> None:
        # An empty allow-list: state is plain JSON, so nothing has to be constructed.
        super().__init__(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._store = store

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; raises LostOwnership."""
        self._fence(config)
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store a node's writes; raises LostOwnership."""
        self._fence(config)
        await super().aput_writes(config, writes, task_id, task_path)

    def _fence(self, config: RunnableConfig) -> None:
        claim = config["configurable"]
        self._store.read(claim["tenant"]).runs.own(claim["thread_id"], claim["epoch"])


@asynccontextmanager
async def open_saver(path: Path, store: Store) -> AsyncIterator[FencedSaver]:
    """The saver on the store's own file."""
    async with aiosqlite.connect(path) as connection:
        await connection.execute(f"PRAGMA busy_timeout = {int(store.busy_timeout * 1000)}")
        await connection.execute("PRAGMA synchronous = FULL")
        saver = FencedSaver(connection, store)
        await saver.setup()
        yield saver

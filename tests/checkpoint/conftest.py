"""A store with a saver on it, unfenced where a test speaks about checkpoints alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.checkpoint.base.id import uuid6

from agent_runtime.checkpoint import Saver
from agent_runtime.clock import SystemClock
from agent_runtime.store import Store

TABLES = ("checkpoints", "checkpoint_values", "checkpoint_writes")


def config_at(thread_id: str, **more: Any) -> RunnableConfig:
    """The configuration of a thread's newest checkpoint."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **more}}


def rows_of(path: Path, thread_id: str, tenant: str = "a") -> list[int]:
    """How many checkpoints, values and writes are stored of a thread."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT count(*) FROM {} WHERE thread_id = ? AND tenant = ?"
        found = [connection.execute(query.format(t), (thread_id, tenant)) for t in TABLES]
        return [cursor.fetchone()[0] for cursor in found]


class Desk:
    """Puts checkpoints by hand: `big` is set once, `n` changes with each."""

    def __init__(self, store: Store, tenant: str) -> None:
        self.saver = Saver(store, tenant=tenant, fenced=False)
        self.path = store.path

    async def fill(self, thread_id: str, count: int, ns: str = "", **metadata: Any) -> list[Any]:
        """A chain of checkpoints, each with one pending write; their configurations."""
        config, configs = config_at(thread_id, checkpoint_ns=ns), []
        versions: dict[str, Any] = {}
        for n in range(count):
            new: dict[str, Any] = {"n": self.saver.get_next_version(versions.get("n"), None)}
            new |= {} if n else {"big": self.saver.get_next_version(None, None)}
            versions |= new
            checkpoint = make_checkpoint({"big": "x" * 10_000, "n": n}, versions)
            known: Any = {"source": "loop", "step": n, **metadata}
            config = await self.saver.aput(config, checkpoint, known, new)
            await self.saver.aput_writes(config, [("n", n)], str(uuid4()))
            configs.append(config)
        return configs

    async def history(self, thread_id: str) -> list[CheckpointTuple]:
        return [found async for found in self.saver.alist(config_at(thread_id))]

    async def values(self, thread_id: str) -> list[Any]:
        return [c.checkpoint["channel_values"]["n"] for c in await self.history(thread_id)]


def make_checkpoint(values: dict[str, Any], versions: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        v=4,
        id=str(uuid6()),
        ts="2026-03-30T12:00:00+00:00",
        channel_values=values,
        channel_versions=dict(versions),
        versions_seen={},
        updated_channels=None,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "runtime.db", SystemClock())
    yield opened
    opened.close()


@pytest.fixture
async def desk(store: Store) -> Desk:
    return Desk(store, "a")


@pytest.fixture
async def other(store: Store) -> Desk:
    """The same file, for another tenant."""
    return Desk(store, "b")

"""What the SQLite saver offers for many threads: little beyond keeping them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

if TYPE_CHECKING:
    from tests.langgraph_behaviour.conftest import Bench


async def test_deleting_a_thread_does_not_shrink_the_file(bench: Bench) -> None:
    """The rows go, the pages stay until a vacuum."""
    async with bench.gated() as graph:
        saver: Any = graph.checkpointer

        async def size() -> int:
            await saver.conn.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            return bench.path.stat().st_size

        await graph.ainvoke({"task": "x" * 200_000}, bench.thread)
        full = await size()
        await saver.adelete_thread("1")
        assert (await graph.aget_state(bench.thread)).values == {}
        assert await size() == full
        await saver.conn.execute_fetchall("VACUUM")
        assert await size() < full / 5


async def test_the_saver_has_no_prune_copy_or_ttl(bench: Bench) -> None:
    """Retention is left to whoever owns the file."""
    async with bench.saver() as saver:
        with pytest.raises(NotImplementedError):
            await saver.aprune(["1"])
        with pytest.raises(NotImplementedError):
            await saver.acopy_thread("1", "2")
        with pytest.raises(NotImplementedError):
            await saver.adelete_for_runs(["1"])
    assert set(inspect.signature(AsyncSqliteSaver).parameters) == {"conn", "serde"}


async def test_listing_all_threads_scans_and_sorts_the_table(bench: Bench) -> None:
    """Even the newest checkpoint alone is found by reading all of them."""
    async with bench.saver() as saver:
        await saver.setup()
        statements: list[str] = []
        await saver.conn.set_trace_callback(statements.append)
        assert [row async for row in saver.alist(None, limit=1)] == []
        await saver.conn.set_trace_callback(None)
        (select,) = [text for text in statements if "FROM checkpoints" in text]
        plan = await saver.conn.execute_fetchall(f"EXPLAIN QUERY PLAN {select}")
    details = [row[-1] for row in plan]
    assert "SCAN checkpoints" in details
    assert "USE TEMP B-TREE FOR ORDER BY" in details

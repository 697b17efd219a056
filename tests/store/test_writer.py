"""The one writer: group commit without harm to neighbours."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.errors import StoreError
from agent_runtime.store import Session, Store
from agent_runtime.store.database import connect
from agent_runtime.store.writer import Writer
from tests.patience import at_best
from tests.processes import CONTEXT, append_child, spawn, wait


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "runtime.db", SystemClock())
    yield opened
    opened.close()


def note(session: Session) -> int:
    """Append one event; returns its number."""
    return session.events.append("tool.called").number


async def test_many_waiting_requests_share_a_commit(store: Store) -> None:
    """Group commit: a burst writes far fewer pages to the log than one commit each would."""
    log = store.path.with_name("runtime.db-wal")
    sizes = []
    for burst in (1, 100):
        before = log.stat().st_size
        await asyncio.gather(*(store.write("t", note) for _ in range(burst)))
        sizes.append(log.stat().st_size - before)
    assert sizes[1] < 20 * sizes[0]


class SlowDisk(sqlite3.Connection):
    """A flush takes its time."""

    flushed_by = 0

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.flushed_by = threading.get_ident()
            time.sleep(0.2)
        return super().execute(sql, *given)


async def longest_stall(work: asyncio.Future[int]) -> float:
    """Seconds for which nothing else got its turn while this was waited for."""
    longest, last = 0.0, time.monotonic()
    while not work.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


async def test_a_flush_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """The statements run on the event loop, the COMMIT on the writer's own thread."""
    path, here = tmp_path / "slow.db", threading.get_ident()
    slow = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=SlowDisk)
    with closing(Writer(slow)) as writer:

        async def flush() -> float:
            work = writer.submit(lambda _: threading.get_ident())
            stalled = await longest_stall(work)
            assert (work.result(), slow.flushed_by) == (here, writer._thread.ident)
            return stalled

        assert await at_best(flush, 0.1) < 0.1


async def test_a_lock_in_the_way_keeps_nobody_else_waiting(store: Store) -> None:
    """It is waited for on the writer's own thread, and then the request is served."""
    served: list[int] = []

    async def serve() -> float:
        other.execute("BEGIN IMMEDIATE")
        work = store.submit("t", note)
        asyncio.get_running_loop().call_later(0.3, other.execute, "ROLLBACK")
        stalled = await longest_stall(work)
        served.append(work.result())
        return stalled

    with closing(connect(store.path)) as other:
        assert await at_best(serve, 0.1) < 0.1
    assert served[0] == 1


async def test_long_work_is_done_apart(store: Store) -> None:
    """Where it says so; in its turn all the same."""
    here = threading.get_ident()
    await store.write("t", note)
    assert await store.write("t", lambda _: threading.get_ident(), apart=True) != here
    assert await store.write("t", note) == 2


def test_a_store_outlives_the_loop_that_used_it(store: Store) -> None:
    """What one loop left behind as it ended is committed before what the next one asks for."""

    async def leave() -> None:
        store.submit("t", note)

    for expected in (2, 4):
        asyncio.run(leave())
        assert asyncio.run(store.write("t", note)) == expected


async def test_a_lock_held_by_another_program_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """Nothing is stored, nothing hangs, and afterwards it works again."""
    store = Store(tmp_path / "runtime.db", SystemClock(), busy_timeout=0.05)
    with closing(connect(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="Nothing of this request was stored"):
            await store.write("t", note)
        other.execute("ROLLBACK")
    assert await store.write("t", note) == 1
    store.close()


async def test_writers_in_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Both make the file at the same moment and append to one chain; it is whole."""
    path, barrier = tmp_path / "runtime.db", CONTEXT.Barrier(2)
    children = [spawn(append_child, path, "t", 200, barrier) for _ in range(2)]
    assert wait(*children) == [0, 0]
    store = Store(path, SystemClock())
    found = store.read("t").events.verify()
    assert (found.events, found.problem) == (400, "")
    store.close()

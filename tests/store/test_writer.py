"""The one writer: group commit without harm to neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.errors import StoreError
from agent_runtime.store import Session, Store
from agent_runtime.store.database import connect
from tests.processes import CONTEXT, append_child, spawn, wait


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "runtime.db", SystemClock(), busy_timeout=5.0)
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

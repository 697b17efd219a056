"""The one writer: group commit without harm to neighbours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

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


def fail(session: Session) -> int:
    """Append one event and then fail."""
    note(session)
    raise LookupError("in the middle")


def break_sql(session: Session) -> int:
    note(session)
    session.events._connection.execute("INSERT INTO runs (id) VALUES (NULL)")
    return 0


async def test_a_failing_request_harms_no_neighbour_in_its_batch(store: Store) -> None:
    """Of a batch, the good ones are committed and the bad ones leave nothing, not even a gap."""
    works = [note, fail, note, break_sql, note, fail]
    found = await asyncio.gather(*(store.write("t", w) for w in works), return_exceptions=True)
    kinds = [type(result).__name__ for result in found]
    assert kinds == ["int", "LookupError", "int", "IntegrityError", "int", "LookupError"]
    assert [event.number for event in store.read("t").events.find()] == [1, 2, 3]
    assert store.read("t").events.verify().problem == ""


async def test_requests_are_served_in_the_order_in_which_they_came(store: Store) -> None:
    """First in, first out, over several batches."""
    found = await asyncio.gather(*(store.write("t", note) for _ in range(600)))
    assert found == list(range(1, 601))


async def test_a_request_resolves_only_after_its_commit(store: Store) -> None:
    """At that moment another connection sees what it wrote."""
    with closing(connect(store.path, readonly=True)) as other:
        for expected in range(1, 20):
            await store.write("t", note)
            count = other.execute("SELECT count(*) FROM events").fetchone()[0]
            assert count == expected


async def test_many_waiting_requests_share_a_commit(store: Store) -> None:
    """Group commit: a burst writes far fewer pages to the log than one commit each would."""
    log = store.path.with_name("runtime.db-wal")
    sizes = []
    for burst in (1, 100):
        before = log.stat().st_size
        await asyncio.gather(*(store.write("t", note) for _ in range(burst)))
        sizes.append(log.stat().st_size - before)
    assert sizes[1] < 20 * sizes[0]


async def test_a_commit_that_fails_fails_its_whole_batch(store: Store) -> None:
    """Nothing of it is stored, everybody is told, and the next batch works."""
    connection = store._writer._connection

    def spoil(session: Session) -> None:
        # What breaks at COMMIT: a foreign key whose check was put off until then.
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO event_bodies (seq, salt, body) VALUES (999, '', '{}')")

    works: list[Any] = [note, spoil, note]
    found = await asyncio.gather(*(store.write("t", w) for w in works), return_exceptions=True)
    assert [type(result) for result in found] == [StoreError] * 3
    assert store.read("t").events.find() == []
    assert await store.write("t", note) == 1


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


async def test_a_caller_that_gives_up_disturbs_nobody(store: Store) -> None:
    """Its request may have been committed; those behind it are served."""
    tasks = [asyncio.ensure_future(store.write("t", note)) for _ in range(3)]
    tasks[1].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    assert isinstance(found[2], int)


async def test_closing_commits_what_waits(tmp_path: Path) -> None:
    """No accepted request is lost by an orderly end."""
    store = Store(tmp_path / "runtime.db", SystemClock())
    waiting = [asyncio.ensure_future(store.write("t", note)) for _ in range(50)]
    await asyncio.sleep(0)
    store.close()
    assert sorted(await asyncio.gather(*waiting)) == list(range(1, 51))


async def test_a_write_after_the_close_is_refused(tmp_path: Path) -> None:
    """It neither hangs nor is lost silently."""
    store = Store(tmp_path / "runtime.db", SystemClock())
    store.close()
    with pytest.raises(StoreError, match="closed"):
        await asyncio.wait_for(store.write("t", note), 2)


async def test_the_reader_cannot_write(store: Store) -> None:
    """A session for reading is on a read-only connection."""
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.read("t").events.append("tool.called")


async def test_listeners_hear_what_is_committed_and_nothing_else(store: Store) -> None:
    """Rolled-back events are never announced."""
    heard: list[int] = []
    store.listeners.append(lambda event: heard.append(event.number))
    works = [note, fail, note]
    await asyncio.gather(*(store.write("t", w) for w in works), return_exceptions=True)
    assert heard == [1, 2]


async def test_writers_in_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Both make the file at the same moment and append to one chain; it is whole."""
    path, barrier = tmp_path / "runtime.db", CONTEXT.Barrier(2)
    children = [spawn(append_child, path, "t", 200, barrier) for _ in range(2)]
    assert wait(*children) == [0, 0]
    store = Store(path, SystemClock())
    found = store.read("t").events.verify()
    assert (found.events, found.problem) == (400, "")
    store.close()

"""What every implementation of the store holds to when it writes: one after the other, all of a
request or nothing, and no word before it is committed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent_runtime.errors import StoreError
from agent_runtime.store import Across, Session
from tests.patience import PATIENCE
from tests.store.conftest import Books, OpenBooks


def note(session: Session) -> int:
    """Append one event; its number."""
    return session.events.append("tool.called").number


def fail(session: Session) -> int:
    """Append one event and then fail."""
    note(session)
    raise LookupError("in the middle")


async def test_first_in_first_out(books: Books) -> None:
    """Over more requests than one transaction takes."""
    found = await asyncio.gather(*(books.write(note) for _ in range(600)))
    assert found == list(range(1, 601))


async def test_a_request_fails_alone(books: Books) -> None:
    """Its neighbours in the batch are committed; of itself nothing is left, not even a gap."""
    taken = await books.put()

    def collide(session: Session) -> None:
        note(session)
        session.runs.insert(taken, [])

    works = [note, fail, note, collide, note, fail]
    found = await asyncio.gather(*(books.write(w) for w in works), return_exceptions=True)
    assert [type(result) for result in found[1::2]] == [LookupError, books.refusal, LookupError]
    assert found[0::2] == [1, 2, 3]
    assert [event.number for event in books.read().events.find()] == [1, 2, 3]
    assert books.read().events.verify().problem == ""


async def test_all_of_a_request_or_nothing(books: Books) -> None:
    """A run, its event and a content that were stored before the failure are not there."""
    run = books.run()

    def work(session: Session) -> None:
        session.runs.insert(run, [])
        session.recordings.put("content")
        fail(session)

    with pytest.raises(LookupError):
        await books.write(work)
    assert books.read().runs.find() == []
    assert books.read().events.find() == []


async def test_a_request_sees_its_own_changes(books: Books) -> None:
    """And those of the requests before it in the same batch."""
    counts = await asyncio.gather(
        *(books.write(lambda s: (note(s), len(s.events.find()))) for _ in range(5))
    )
    assert counts == [(n, n) for n in range(1, 6)]


async def test_no_word_before_the_commit(open_books: OpenBooks) -> None:
    """Once a caller is told, everybody else sees what it wrote."""
    books, other = await open_books(), await open_books()
    for expected in range(1, 20):
        await books.write(note)
        assert len(other.read().events.find()) == expected


async def test_a_commit_that_fails_fails_its_whole_batch(books: Books) -> None:
    """Nothing of it is stored, everybody is told, and the next batch works."""

    def spoil(session: Session) -> None:
        books.spoil(session)

    works: list[Any] = [note, spoil, note]
    found = await asyncio.gather(*(books.write(w) for w in works), return_exceptions=True)
    assert [type(result) for result in found] == [StoreError] * 3
    assert books.read().events.find() == []
    assert await books.write(note) == 1


async def test_a_caller_that_gives_up_disturbs_nobody(books: Books) -> None:
    """Its request may have been committed; those behind it are served."""
    tasks = [asyncio.ensure_future(books.write(note)) for _ in range(3)]
    tasks[1].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    assert (found[0], isinstance(found[2], int)) == (1, True)


async def test_closing_commits_what_waits(open_books: OpenBooks) -> None:
    """And refuses what comes later."""
    books, other = await open_books(), await open_books()
    waiting = [asyncio.ensure_future(books.write(note)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(books.store.close)
    assert sorted(await asyncio.gather(*waiting)) == list(range(1, 51))
    assert len(other.read().events.find()) == 50
    with pytest.raises(StoreError, match="closed"):
        await asyncio.wait_for(books.write(note), PATIENCE)


async def test_a_session_for_reading_cannot_write(books: Books) -> None:
    """Whatever is tried."""
    run = books.run()
    for attempt in (
        lambda: books.read().events.append("tool.called"),
        lambda: books.read().runs.insert(run, []),
        lambda: books.read().recordings.put("content"),
    ):
        with pytest.raises(StoreError):
            attempt()
    assert books.read().events.find() == []


async def test_listeners_hear_what_is_committed(books: Books) -> None:
    """In order, and nothing that was rolled back; of all tenants."""
    heard: list[tuple[str, int]] = []
    books.store.listeners.append(lambda event: heard.append((event.tenant, event.number)))
    await asyncio.gather(*(books.write(w) for w in (note, fail, note)), return_exceptions=True)
    await books.write(note, "bolt")
    await books.store.write_across(lambda across: note(across.session("bolt")))
    assert heard == [("acme", 1), ("acme", 2), ("bolt", 1), ("bolt", 2)]


async def test_one_transaction_over_tenants(books: Books) -> None:
    """A failure with the second takes back what was done for the first."""

    def work(across: Across) -> None:
        note(across.session("acme"))
        fail(across.session("bolt"))

    with pytest.raises(LookupError):
        await books.store.write_across(work)
    for tenant in ("acme", "bolt"):
        assert books.read(tenant).events.find() == []


async def test_two_stores_lose_nothing(open_books: OpenBooks) -> None:
    """Each writes as fast as it can; their events make one chain."""
    stores = [await open_books(), await open_books()]
    await asyncio.gather(*(one.write(note) for _ in range(100) for one in stores))
    found = stores[0].read().events.verify()
    assert (found.events, found.problem) == (200, "")


async def test_a_session_has_one_moment(books: Books) -> None:
    """The clock's, in UTC, also for what it stores."""
    seen = await books.write(lambda s: (s.now, s.events.append("tool.called").at))
    assert seen == (books.clock.now(), books.clock.now())
    assert books.read().now == books.store.now() == books.clock.now()

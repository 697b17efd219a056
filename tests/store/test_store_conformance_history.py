"""What every implementation of the store holds to about events, recordings and checkpoints."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent_runtime.errors import StoreError
from agent_runtime.event import GENESIS, Event, Head
from agent_runtime.store import Session
from agent_runtime.store.checkpoints import PendingWrite, Place, StoredCheckpoint
from tests.store.conftest import Books

BODY: dict[str, Any] = {"amount": "50.00", "n": 3, "deep": {"list": [1, None, "ü", True]}, "x": 1.5}


def append(session: Session, run_id: str | None = None, **body: Any) -> Event:
    return session.events.append("tool.called", run_id, **body)


async def test_an_event_comes_back_as_it_was_appended(books: Books) -> None:
    """Its body, its moment, and what chains it to the one before."""
    event = await books.write(lambda s: s.events.append("run.queued", "run-1", **BODY))
    assert books.read().events.find() == [event]
    assert (event.number, event.previous, event.body) == (1, GENESIS, BODY)
    assert event.at == books.clock.now()


async def test_events_are_numbered_without_gaps_by_tenant(books: Books) -> None:
    """However many are appended at once, in one request or in many."""
    await books.write(lambda s: [append(s) for _ in range(3)])
    await asyncio.gather(*(books.write(append, tenant) for tenant in ["acme", "bolt"] * 10))
    for tenant, count in (("acme", 13), ("bolt", 10)):
        found = books.read(tenant).events
        assert [event.number for event in found.find()] == list(range(1, count + 1))
        assert found.head().number == found.verify().events == count


async def test_each_event_names_the_one_before(books: Books) -> None:
    """The chain holds, and its head is the last one's hash."""
    await books.write(lambda s: [append(s, n=n) for n in range(5)])
    events = books.read().events.find()
    assert [e.previous for e in events] == [GENESIS, *(e.hash for e in events[:-1])]
    assert books.read().events.head() == Head(tenant="acme", number=5, hash=events[-1].hash)
    assert books.read().events.verify().problem == ""


async def test_equal_bodies_have_unequal_digests(books: Books) -> None:
    """Each is salted, so that an erased body cannot be guessed."""
    await books.write(lambda s: [append(s, amount="50.00") for _ in range(2)])
    first, second = books.read().events.find()
    assert first.body_digest != second.body_digest


async def test_events_are_read_by_run_and_from_a_number_on(books: Books) -> None:
    """In order, no more than asked for."""
    await books.write(lambda s: [append(s, f"run-{n % 2}", n=n) for n in range(6)])
    events = books.read().events

    def numbers(**asked: Any) -> list[int]:
        return [event.number for event in events.find(**asked)]

    assert numbers(run_id="run-1") == [2, 4, 6]
    assert numbers(after=4) == [5, 6]
    assert numbers(run_id="run-0", after=1, limit=1) == [3]
    assert (events.count("tool.called", "run-1"), events.count("run.ended", "run-1")) == (3, 0)


async def test_a_chain_is_held_against_a_head_from_elsewhere(books: Books) -> None:
    """Its own earlier head is anchored; a head beyond its end, or another's, is a problem."""
    await books.write(append)
    early = books.read().events.head()
    await books.write(append)
    events = books.read().events
    assert (events.verify(early).anchored, events.verify(early).problem) == (True, "")
    assert events.verify(Head(tenant="acme", number=0, hash=GENESIS)).anchored
    beyond = events.verify(Head(tenant="acme", number=3, hash=early.hash))
    assert "the chain ends at 2" in beyond.problem
    assert "not the one" in events.verify(Head(tenant="acme", number=2, hash=early.hash)).problem


async def test_an_empty_history_holds(books: Books) -> None:
    """It has a head, too."""
    assert books.read().events.head() == Head(tenant="acme", number=0, hash=GENESIS)
    assert books.read().events.verify().problem == ""


async def test_a_content_is_stored_once_by_its_hash(books: Books) -> None:
    """Equal JSON has one name, whatever the order of its fields; it comes back as it was."""
    first = await books.write(lambda s: s.recordings.put(BODY))
    again = await books.write(lambda s: s.recordings.put(dict(reversed(BODY.items()))))
    assert first == again
    assert first.startswith("sha256:")
    assert await books.write(lambda s: s.recordings.put({**BODY, "n": 4})) != first
    assert books.read().recordings.content(first) == BODY


async def test_a_content_that_is_gone_is_named(books: Books) -> None:
    with pytest.raises(StoreError, match="sha256:none is not in the store"):
        books.read().recordings.content("sha256:none")


async def test_exchanges_are_read_in_order(started: Books) -> None:
    """Of one run, with what was asked and answered."""

    def record(session: Session) -> None:
        for run, asked in (("run-1", 1), ("run-2", 2), ("run-1", 3)):
            session.recordings.add(run, 1, "tool", "look", asked, BODY)

    await started.write(record)
    found = started.read().recordings.find("run-1")
    assert [exchange.request for exchange in found] == [1, 3]
    assert {(e.kind, e.name, e.at) for e in found} == {("tool", "look", started.clock.now())}
    assert all(exchange.response == BODY for exchange in found)


def checkpoint(name: str, parent: str | None = None, **versions: str) -> StoredCheckpoint:
    place = Place("run-1", "", name)
    return StoredCheckpoint(place, parent, "run-1", versions, {"step": 1}, ("msgpack", b"body"))


def pending(idx: int, value: bytes) -> PendingWrite:
    return PendingWrite("task", idx, "", "n", ("bytes", value))


async def test_the_newest_checkpoint_is_the_state(books: Books) -> None:
    """With each channel's value of its version, whichever checkpoint brought it."""
    await books.write(
        lambda s: s.checkpoints.put(
            checkpoint("1", a="1", b="1"), {"a": ("bytes", b"a1"), "b": ("bytes", b"b1")}
        )
    )
    await books.write(
        lambda s: s.checkpoints.put(checkpoint("2", "1", a="1", b="2"), {"b": ("bytes", b"b2")})
    )
    newest = books.read().checkpoints.get("run-1", "")
    assert newest is not None
    assert (newest.place.checkpoint_id, newest.parent_id, newest.metadata) == (
        "2",
        "1",
        {"step": 1},
    )
    assert newest.values == {"a": ("bytes", b"a1"), "b": ("bytes", b"b2")}
    first = books.read().checkpoints.get("run-1", "", "1")
    assert first is not None
    assert first.values == {"a": ("bytes", b"a1"), "b": ("bytes", b"b1")}
    assert books.read().checkpoints.get("run-1", "other") is None


async def test_a_tasks_writes_stay_unless_they_are_replaced(books: Books) -> None:
    """In the order of their index."""
    place = Place("run-1", "", "1")

    def put(session: Session) -> None:
        first = [pending(1, b"second"), pending(0, b"first")]
        session.checkpoints.put(checkpoint("1"), {})
        session.checkpoints.put_writes(place, first, replace=False)
        session.checkpoints.put_writes(place, [pending(0, b"late")], replace=False)
        session.checkpoints.put_writes(place, [pending(1, b"new")], replace=True)

    await books.write(put)
    found = books.read().checkpoints.get("run-1", "")
    assert found is not None
    assert [write.value[1] for write in found.writes] == [b"first", b"new"]


async def test_a_deleted_thread_is_gone(books: Books) -> None:
    """Its checkpoints, and nobody else's."""
    await books.write(lambda s: s.checkpoints.put(checkpoint("1"), {}))
    await books.write(lambda s: s.checkpoints.copy_thread("run-1", "run-2"))
    await books.write(lambda s: s.checkpoints.delete_thread("run-1"))
    assert books.read().checkpoints.find("run-1", None, None) == []
    assert len(books.read().checkpoints.find("run-2", None, None)) == 1

"""A lane: the writes of one claim, in order, and none after a post that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.errors import LostOwnership
from agent_runtime.run import Run
from agent_runtime.store import Lane, Session, Store
from agent_runtime.store.lane import PATIENCE
from agent_runtime.trigger import Trigger

RUN = "run-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "runtime.db", SystemClock())
    yield opened
    opened.close()


@pytest.fixture
async def lane(store: Store) -> Lane:
    """The lane of a run's first claim."""
    now = datetime.now(UTC)
    trigger = Trigger(kind="request", owner="desk")
    names = {"id": RUN, "tenant": "t", "workflow": "w", "version": "1", "state": "queued"}
    run = Run.model_validate(
        {**names, "input": {}, "trigger": trigger, "epoch": 0, "created_at": now, "updated_at": now}
    )
    await store.write("t", lambda s: s.runs.insert(run, ()))
    claimed = await claim(store)
    return store.lane("t", RUN, claimed.epoch)


async def claim(store: Store) -> Run:
    until = datetime.now(UTC) + timedelta(minutes=1)
    return await store.write("t", lambda s: s.runs.claim(RUN, "me:1", until, take_over=True))


def note(name: str) -> Callable[[Session], object]:
    return lambda session: session.events.append("tool.called", RUN, tool=name)


def fail(_session: Session) -> None:
    raise LookupError("in the middle")


def told(store: Store) -> list[str]:
    """What the history says was called, in order."""
    return [str((event.body or {})["tool"]) for event in store.read("t").events.find(RUN)]


async def test_what_was_posted_comes_before_what_is_waited_for(store: Store, lane: Lane) -> None:
    """All of it in one commit, in the order in which it was asked for."""
    lane.post(note("one"))
    lane.post(note("two"))
    assert told(store) == []
    await lane.write(note("three"))
    assert told(store) == ["one", "two", "three"]


async def test_a_post_does_not_wait_for_company_for_long(store: Store, lane: Lane) -> None:
    """Live updates are behind by a moment, whatever the run does meanwhile."""
    lane.post(note("alone"))
    await asyncio.sleep(PATIENCE * 2)
    await store.write("t", lambda _: None)
    assert told(store) == ["alone"]


async def test_nothing_is_written_after_a_post_that_failed(store: Store, lane: Lane) -> None:
    """Whoever writes next gets its error, and so does everybody after that."""
    lane.post(note("before"))
    lane.post(fail)
    lane.send()
    for _ in range(2):
        with pytest.raises(LookupError, match="in the middle"):
            await lane.write(note("after"))
    assert told(store) == []


async def test_what_was_posted_outlives_a_write_that_fails(store: Store, lane: Lane) -> None:
    """The write's own error is its own; what came before it is stored with the next."""
    lane.post(note("posted"))
    with pytest.raises(LookupError):
        await lane.write(fail)
    await lane.write(note("next"))
    assert told(store) == ["posted", "next"]


async def test_a_provisional_post_gives_way_to_the_one_that_replaces_it(
    store: Store, lane: Lane
) -> None:
    """As long as it was not sent; others stay."""
    lane.post(note("results"), provisional=True)
    lane.post(note("event"))
    lane.post(note("checkpoint"), replaces=True)
    await lane.settled()
    assert told(store) == ["event", "checkpoint"]


async def test_a_lane_whose_claim_was_taken_over_writes_nothing(store: Store, lane: Lane) -> None:
    """Neither what was posted before nor what is waited for."""
    lane.post(note("posted"))
    await claim(store)
    with pytest.raises(LostOwnership):
        await lane.write(note("late"))
    assert told(store) == []


async def test_a_neighbour_that_fails_costs_a_lane_nothing(store: Store, lane: Lane) -> None:
    """Their batch is run again: what was posted is there once."""
    lane.post(note("posted"))
    neighbours = [store.write("t", fail) for _ in range(3)]
    found = await asyncio.gather(lane.write(note("own")), *neighbours, return_exceptions=True)
    assert [type(result).__name__ for result in found[1:]] == ["LookupError"] * 3
    assert told(store) == ["posted", "own"]


async def test_settled_waits_for_what_was_sent(store: Store, lane: Lane) -> None:
    """What is under way counts as posted."""
    lane.post(note("sent"))
    lane.send()
    await lane.settled()
    assert told(store) == ["sent"]

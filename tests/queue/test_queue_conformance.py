"""What every implementation of the queue holds to; written once, against the interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agent_runtime.errors import Conflict, LostOwnership
from agent_runtime.queue import Limits
from agent_runtime.queue.retry import MAX_TRIES
from tests.patience import PATIENCE
from tests.queue.conftest import Line

HOUR = timedelta(hours=1)


def nobody_is_gone(owner: str | None) -> bool:
    return False


def all_are_gone(owner: str | None) -> bool:
    return True


async def test_first_in_first_out(line: Line) -> None:
    """Runs of one priority are handed out in the order in which they got ready."""
    put = [await line.put() for _ in range(5)]
    assert [await line.claim() for _ in range(6)] == [*put, None]


async def test_priority_comes_first(line: Line) -> None:
    """A higher priority goes before older runs; within it, the order holds."""
    low, high, later, higher = [await line.put(priority=p) for p in (0, 5, 5, 9)]
    assert [await line.claim() for _ in range(4)] == [higher, high, later, low]


async def test_a_delayed_run_waits(line: Line) -> None:
    """It isn't handed out before its time, keeps nobody waiting, and is what the timer names."""
    late = await line.put(after=HOUR, priority=9)
    soon = await line.put()
    assert [await line.claim(), await line.claim()] == [soon, None]
    assert line.queue.timer() == line.read(late).ready_at
    line.clock.move(HOUR)
    assert (await line.claim(), line.queue.timer()) == (late, None)


async def test_a_key_gives_one_run(line: Line) -> None:
    """The trigger key deduplicates, also once the run has been handed out."""
    await line.put(key="mail-1")
    await line.claim()
    with pytest.raises(Conflict):
        await line.put(key="mail-1")
    assert await line.claim() is None


async def test_each_claim_raises_the_epoch(line: Line) -> None:
    """And the history says who took the run."""
    run_id = await line.put()
    first = await line.job("one:1")
    await line.queue.retry(first, timedelta(), "again")
    second = await line.job("two:2")
    assert (first.epoch, second.epoch) == (1, 2)
    events = line.store.read("default").events.find(run_id)
    bodies = [event.body for event in events if event.type == "run.claimed"]
    assert bodies == [{"epoch": 1, "owner": "one:1"}, {"epoch": 2, "owner": "two:2"}]


async def test_a_lost_claim_can_do_nothing(line: Line) -> None:
    """heartbeat, done, retry and park of the old epoch are refused."""
    run_id = await line.put()
    old = await line.job()
    await line.queue.reap(all_are_gone)
    await line.job()
    before = line.read(run_id)
    for attempt in (
        lambda: line.queue.heartbeat(old),
        lambda: line.queue.done(old, "completed"),
        lambda: line.queue.retry(old, HOUR, "late"),
        lambda: line.queue.park(old, "late"),
    ):
        with pytest.raises(LostOwnership):
            await attempt()
    assert line.read(run_id) == before


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(workflows={"ledger": 2}), ["a", "b", "d"]),
        (Limits(workflows={"ledger": 1, "letter": 1}), ["a", "d"]),
        (Limits(per_tenant=2), ["a", "b", "c"]),
        (Limits(workflows={"ledger": 2}, per_tenant=1), ["a", "c"]),
        (Limits(), ["a", "b", "c", "d"]),
    ],
)
async def test_limits_bound_what_runs_at_once(
    line: Line, limits: Limits, expected: list[str]
) -> None:
    """By workflow and by tenant; what is over a limit keeps nobody else waiting."""
    ids = {
        await line.put("ledger", tenant="acme"): "a",
        await line.put("ledger", tenant="acme"): "b",
        await line.put("ledger", tenant="bolt"): "c",
        await line.put("letter", tenant="acme"): "d",
    }
    taken = [await line.claim(limits) for _ in range(5)]
    assert [ids[run_id] for run_id in taken if run_id] == expected


async def test_a_place_that_gets_free_is_taken(line: Line) -> None:
    """A paused run counts no longer."""
    limits = Limits(workflows={"ledger": 1})
    _, second = await line.put(), await line.put()
    job = await line.queue.claim("elsewhere:1", limits)
    assert job is not None
    assert await line.claim(limits) is None
    await line.queue.done(job, "paused")
    assert await line.claim(limits) == second


async def test_starts_are_spaced(line: Line) -> None:
    """Two a second: the next one half a second later, another workflow at once."""
    limits = Limits(starts_per_second=2)
    first, second, other = await line.put(), await line.put(), await line.put("letter")
    assert [await line.claim(limits) for _ in range(3)] == [first, other, None]
    assert line.queue.timer() == line.clock.now() + timedelta(seconds=0.5)
    line.clock.move(timedelta(seconds=0.5))
    assert await line.claim(limits) == second


async def test_spaced_starts_survive_a_clock_that_goes_back(line: Line) -> None:
    """A turn that was given for tomorrow holds up nothing today."""
    limits = Limits(starts_per_second=2)
    second = [await line.put(), await line.put()][1]
    await line.claim(limits)
    line.clock.move(-timedelta(days=1))
    assert await line.claim(limits) == second


async def test_a_heartbeat_keeps_the_claim(open_line: Callable[..., Any]) -> None:
    """While the lease is renewed, nobody reaps the run."""
    line = await open_line(lease=0.2)
    await line.put()
    job = await line.job()
    for _ in range(6):
        await asyncio.sleep(0.05)
        line.clock.move(timedelta(seconds=0.15))
        await line.queue.heartbeat(job)
        assert await line.queue.reap(nobody_is_gone) == []


async def test_a_lapsed_claim_is_reaped(open_line: Callable[..., Any]) -> None:
    """After its lease the run is queued again, with one more failure on its count."""
    line = await open_line(lease=0.2)
    run_id = await line.put()
    job = await line.job()
    assert await line.queue.reap(nobody_is_gone) == []
    line.clock.move(timedelta(seconds=0.3))
    assert await line.queue.reap(nobody_is_gone) == []  # watched for a beat first
    await asyncio.sleep(0.15)
    assert await line.queue.reap(nobody_is_gone) == [job]
    assert (line.read(run_id).state, line.read(run_id).tries) == ("queued", 1)
    assert await line.claim() == run_id


async def test_the_claim_of_a_dead_owner_is_reaped_at_once(line: Line) -> None:
    """No lease is waited for, and a live owner's run stays."""
    dead, alive = await line.put(), await line.put()
    await line.claim(owner="host:1")
    await line.claim(owner="host:2")
    reaped = await line.queue.reap(lambda owner: owner == "host:1")
    assert [job.run_id for job in reaped] == [dead]
    assert (line.read(dead).state, line.read(alive).state) == ("queued", "running")


async def test_retries_are_bounded(line: Line) -> None:
    """A run whose workers keep dying is parked for a person, and handed out no more."""
    run_id = await line.put()
    for _ in range(MAX_TRIES):
        assert await line.claim() == run_id
        await line.queue.reap(all_are_gone)
    stored = line.read(run_id)
    assert (stored.state, await line.claim()) == ("needs_attention", None)
    assert f"attempt {MAX_TRIES}" in stored.reason


async def test_a_retry_waits_for_its_delay(line: Line) -> None:
    """The run is ready again after it, and its failures are counted until one attempt succeeds."""
    run_id = await line.put()
    await line.queue.retry(await line.job(), HOUR, "The provider is down.")
    assert (await line.claim(), line.read(run_id).tries) == (None, 1)
    line.clock.move(HOUR)
    job = await line.job()
    assert line.read(run_id).tries == 1
    assert (await line.queue.done(job, "paused")).tries == 0


async def test_a_parked_run_waits_for_a_person(line: Line) -> None:
    """It is not handed out, and says why."""
    await line.put()
    run = await line.queue.park(await line.job(), "Look at this.")
    assert (run.state, run.reason, run.owner) == ("needs_attention", "Look at this.", None)
    assert await line.claim() is None


async def test_a_clock_that_goes_back_strands_nothing(line: Line) -> None:
    """Queued runs and retries stay ready; a delayed start waits for its own moment."""
    retried = await line.put()
    await line.queue.retry(await line.job(), timedelta(seconds=5), "again")
    queued = await line.put()
    await line.put(after=HOUR)
    line.clock.move(-timedelta(days=1))
    assert {await line.claim(), await line.claim()} == {retried, queued}
    assert await line.claim() is None


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_live_owner_survives_a_jump_of_the_clock(
    open_line: Callable[..., Any], days: int
) -> None:
    """Its next heartbeat comes before its lease is believed to have passed."""
    line = await open_line(lease=0.4)
    await line.put()
    job = await line.job()
    line.clock.move(timedelta(days=days))
    assert await line.queue.reap(nobody_is_gone) == []
    await asyncio.sleep(0.1)
    await line.queue.heartbeat(job)
    await asyncio.sleep(0.25)
    assert await line.queue.reap(nobody_is_gone) == []


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_silent_owner_does_not(open_line: Callable[..., Any], days: int) -> None:
    """A lease that ends tomorrow by a clock that went back holds nothing up until then."""
    line = await open_line(lease=0.2)
    await line.put()
    job = await line.job()
    line.clock.move(timedelta(days=days))
    await line.queue.reap(nobody_is_gone)
    await asyncio.sleep(0.15)
    assert await line.queue.reap(nobody_is_gone) == [job]


async def test_stats(line: Line) -> None:
    """Ready, delayed, running, and how long the first ready one has waited."""
    for after in (timedelta(), timedelta(), timedelta(), HOUR):
        await line.put(after=after)
    await line.claim()
    stats = line.queue.stats()
    assert (stats.ready, stats.delayed, stats.running, stats.oldest_ready) == (2, 1, 1, 2.0)


async def test_two_claimers_never_get_the_same_run(open_line: Callable[..., Any]) -> None:
    """Two stores on one file, each claiming as fast as it can."""
    first, second = await open_line(), await open_line()
    second.clock.move(timedelta(hours=1))
    put = {await first.put() for _ in range(40)}

    async def take_all(line: Line) -> list[str]:
        taken = []
        while (run_id := await line.claim()) is not None:
            taken.append(run_id)
        return taken

    lists = await asyncio.gather(take_all(first), take_all(second), take_all(first))
    taken = [run_id for one in lists for run_id in one]
    assert (len(taken), set(taken)) == (40, put)


async def test_a_nudge_ends_the_wait(line: Line) -> None:
    """Also one that came before; otherwise patience ends it, and says so."""
    await line.queue.wait(None, 1.0)
    assert await line.queue.wait(None, 0.05) is False
    line.queue.nudge()
    assert await line.queue.wait(None, 5.0) is True


async def test_another_process_is_noticed_within_250_ms(open_line: Callable[..., Any]) -> None:
    """A change through another store ends the wait."""
    waiting, other = await open_line(), await open_line()
    while await waiting.queue.wait(None, 0.3):
        pass
    took = []
    loop = asyncio.get_running_loop()
    for _ in range(5):
        waiter = asyncio.create_task(waiting.queue.wait(None, PATIENCE))
        await asyncio.sleep(0.03)
        await other.put()
        since = loop.time()
        assert await waiter
        took.append(loop.time() - since)
    assert min(took) < 0.25, took  # a busy machine only adds


async def test_the_timer_ends_the_wait_when_the_clock_jumps(line: Line) -> None:
    """Forward past it, or back, which may have moved anything."""
    for days in (1, -1):
        while await line.queue.wait(None, 0.3):
            pass
        due = line.clock.now() + HOUR
        waiter = asyncio.create_task(line.queue.wait(due, PATIENCE))
        await asyncio.sleep(0.05)
        line.clock.move(timedelta(days=days))
        assert await waiter

"""Worker services as real processes: woken, stopped, killed, and asleep past their lease."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.run import Run
from tests.office import Office, opened
from tests.patience import PATIENCE, at_best, until
from tests.processes import CONTEXT, spawn, wait
from tests.queue.queue_children import (
    app,
    approve_child,
    claim_child,
    present,
    serve_child,
)
from tests.rules.test_rule_07_owner import count_rows

Start = Callable[..., BaseProcess]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    """An office by the machine's clock, on the folder that the worker processes share."""
    async with opened(app(tmp_path / "data"), tmp_path / "data", clock=present()) as office:
        yield office


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker process and waits until it waits for work."""
    started: list[BaseProcess] = []
    kept = []  # an event that is collected here cannot be opened there any more

    def start(*, waits: bool = True, **options: Any) -> BaseProcess:
        ready = CONTEXT.Event()
        kept.append(ready)
        child = CONTEXT.Process(target=serve_child, args=(tmp_path / "data", ready), kwargs=options)
        child.start()
        started.append(child)
        if waits:
            assert ready.wait(PATIENCE)
        return child

    yield start
    for child in started:
        if child.is_alive():
            child.kill()
        child.join()


def send(child: BaseProcess, number: int) -> None:
    assert child.pid is not None
    os.kill(child.pid, number)


def freeze(child: BaseProcess, path: Path) -> None:
    """Stop it between two transactions: within one it would hold the file for ever."""
    with closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as beside:
        while True:
            send(child, signal.SIGSTOP)
            try:
                beside.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                send(child, signal.SIGCONT)
            else:
                beside.execute("ROLLBACK")
                return


async def done(office: Office, run: Run | str, state: str = "completed") -> None:
    await until(lambda: office.read(run).state == state)


async def test_two_processes_never_get_the_same_run(here: Office) -> None:
    """Each claiming as fast as it can, they share the runs."""
    runs = {(await here.start()).id for _ in range(40)}
    barrier, results = CONTEXT.Barrier(2), CONTEXT.Queue()
    path = here.data / "runtime.db"
    children = [spawn(claim_child, path, f"elsewhere:{n}", barrier, results) for n in (1, 2)]
    taken = [await asyncio.to_thread(results.get, True, PATIENCE) for _ in range(40)]
    assert await asyncio.to_thread(wait, *children) == [0, 0]
    assert set(taken) == runs


async def test_a_start_wakes_a_worker_in_another_process(here: Office, start_worker: Start) -> None:
    """Within 250 ms, at the median of seven."""
    start_worker()

    async def median() -> float:
        return sorted([await wake_up(here) for _ in range(7)])[3]

    assert await at_best(median, 0.25) < 0.25


async def wake_up(here: Office) -> float:
    """Seconds from a start to its claim, by a worker that has waited for a while."""
    await asyncio.sleep(0.2)
    run = await here.start()
    await done(here, run)
    at = {event.type: event.at for event in here.record(run).events}
    return (at["run.claimed"] - at["run.queued"]).total_seconds()


async def test_start_decide_and_execute_in_three_processes(
    here: Office, start_worker: Start
) -> None:
    """The decision wakes the worker; the payout happens once."""
    here.bank.put("a1", amount="500.00")
    asked = await here.parked()
    start_worker()
    child = spawn(approve_child, here.data, asked.id)
    assert await asyncio.to_thread(wait, child) == [0]
    await done(here, asked.run_id)
    assert len(here.bank.payouts) == 1


async def test_a_stopped_worker_that_wakes_up_can_write_nothing(
    here: Office, start_worker: Start
) -> None:
    """Asleep past its lease, it loses the run; awake again, it is refused everything."""
    sleeper = start_worker(slow=True, lease=1.5)
    run = await here.start()
    await until((here.data / "begun").exists)
    freeze(sleeper, here.data / "runtime.db")
    other = start_worker(slow=True, lease=3.0)
    await done(here, run)
    send(other, signal.SIGTERM)
    assert await asyncio.to_thread(wait, other) == [0]
    before, record = count_rows(here.data / "runtime.db"), here.record(run)
    (here.data / "go").touch()
    send(sleeper, signal.SIGCONT)
    await asyncio.sleep(1.5)
    assert count_rows(here.data / "runtime.db") == before
    assert here.record(run) == record
    assert (record.run.epoch, len(record.payouts), len(record.bodies("run.ended"))) == (2, 1, 1)
    send(sleeper, signal.SIGTERM)
    assert await asyncio.to_thread(wait, sleeper) == [0]


async def test_sigterm_hands_back_what_is_held(here: Office, start_worker: Start) -> None:
    """The process ends with 0, the run is queued and another worker finishes it."""
    worker = start_worker(slow=True, grace=0.1)
    run = await here.start()
    await until((here.data / "begun").exists)
    send(worker, signal.SIGTERM)
    assert await asyncio.to_thread(wait, worker) == [0]
    stored = here.read(run)
    assert (stored.state, stored.owner, stored.tries) == ("queued", None, 0)
    start_worker(waits=False, slow=True)
    await done(here, run)
    assert len(here.bank.payouts) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_killed_workers_run_is_finished_by_another(
    here: Office, start_worker: Start, when: Any
) -> None:
    """Killed at the payout; the effect happens once, and no lease is waited for."""
    here.bank.lay_fuse(when)
    victim = start_worker()
    run = await here.start()
    assert await asyncio.to_thread(wait, victim) == [-signal.SIGKILL]
    start_worker(waits=False)
    await done(here, run)
    record = here.record(run)
    assert (len(record.payouts), record.run.epoch) == (1, 2)
    assert len(record.bodies("action.executed")) == 1


async def test_a_delayed_start_fires_in_a_waiting_worker(here: Office, start_worker: Start) -> None:
    """At its moment and by itself: nothing else changes."""
    start_worker()
    trigger = (await here.start()).trigger
    at = here.clock.now() + timedelta(seconds=1.2)
    run = await here.runtime.start("ledger", {}, trigger=trigger, at=at)
    await done(here, run)
    claimed = next(e.at for e in here.record(run).events if e.type == "run.claimed")
    assert claimed >= at

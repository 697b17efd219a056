"""What is reported is on disk; and why the runtime drives with durability `sync`."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from agent_runtime.checkpoint import Saver
from agent_runtime.clock import SystemClock
from agent_runtime.store import Store
from agent_runtime.store.database import connect
from tests.checkpoint.conftest import Desk, config_at, make_checkpoint, rows_of
from tests.checkpoint.graphs import compile_asking, start_child
from tests.conftest import OpenOffice
from tests.office import Office
from tests.patience import at_best, until
from tests.processes import CONTEXT, park_child, spawn, wait


async def test_a_kill_loses_no_reported_pause(tmp_path: Path) -> None:
    """Sixteen starters in a child, killed in the middle: every pause it reported is there, can
    be read and answered."""
    path, (ours, theirs) = tmp_path / "runtime.db", CONTEXT.Pipe(duplex=False)
    child = spawn(start_child, path, theirs, 16)
    theirs.close()
    reported = [await asyncio.to_thread(ours.recv) for _ in range(100)]
    child.kill()
    while ours.poll():
        try:
            reported.append(ours.recv())
        except EOFError:
            break
    ours.close()
    wait(child)
    store = Store(path, SystemClock())
    graph = compile_asking(Saver(store, tenant="a", fenced=False))
    for thread in reported:
        snapshot = await graph.aget_state(config_at(thread))
        assert [pause.value for pause in snapshot.interrupts] == [thread]
    done = await graph.ainvoke(Command(resume="yes"), config_at(reported[-1]), durability="sync")
    assert (done["answer"], done["seen"]) == ("yes", ["first", "second", "act"])
    store.close()


async def test_a_run_killed_right_after_its_pause_acts_once_when_answered(
    open_office: OpenOffice,
) -> None:
    """The same through the runtime: a worker that dies the moment it has parked the run."""
    office: Office = await open_office()
    office.bank.put("a1", amount="500.00")
    run = await office.start()
    child = spawn(park_child, office.data, run.id)
    assert await asyncio.to_thread(wait, child) == [-9]
    await office.answer(office.read(run), "lena")
    assert (await office.drive(office.read(run))).state == "completed"
    assert len(office.bank.payouts) == 1


@pytest.mark.parametrize(
    ("durability", "begun"), [("sync", []), ("async", ["first", "second", "gate"])]
)
async def test_with_async_later_nodes_run_before_earlier_checkpoints_are_stored(
    store: Store, durability: Any, begun: list[str]
) -> None:
    """While no commit is possible, `sync` begins no node, and `async` all of them: each checkpoint
    is handed over only once the one before is committed, so that what a later node writes to the
    journal may stand before it in the queue."""
    started: list[str] = []
    graph = compile_asking(Saver(store, tenant="a", fenced=False), started)
    with closing(connect(store.path)) as elsewhere:
        elsewhere.execute("BEGIN IMMEDIATE")
        running = asyncio.create_task(
            graph.ainvoke({"text": "?"}, config_at("t"), durability=durability)
        )
        await until(lambda: len(started) >= len(begun))
        await asyncio.sleep(0.5)
        assert started == begun
        assert rows_of(store.path, "t") == [0, 0, 0]
        elsewhere.execute("ROLLBACK")
        await running
    assert rows_of(store.path, "t")[0] == 4


async def test_a_read_sees_what_was_asked_for_before(desk: Desk) -> None:
    """Also when nobody has waited for the write yet."""
    checkpoint = make_checkpoint({"n": 7}, {"n": "1"})
    put = asyncio.create_task(desk.saver.aput(config_at("t"), checkpoint, {"step": 1}, {"n": "1"}))
    await asyncio.sleep(0)
    assert not put.done()
    found = await desk.saver.aget_tuple(config_at("t"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"n": 7}
    await put


async def test_a_flush_does_not_stall_the_event_loop(desk: Desk) -> None:
    """While the disk (here: another writer) keeps a commit waiting, the loop goes on."""
    with closing(connect(desk.path)) as elsewhere:
        elsewhere.execute("BEGIN IMMEDIATE")
        put = asyncio.create_task(desk.fill("t", 1))
        assert await at_best(longest_turn, 0.2) < 0.2
        assert not put.done()
        elsewhere.execute("ROLLBACK")
    await put


async def longest_turn() -> float:
    """Seconds, of a quarter of one, for which the loop was busy with one thing."""
    longest, last = 0.0, time.perf_counter()
    for _ in range(50):
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


async def test_a_put_that_fails_ends_the_run_of_the_graph(store: Store) -> None:
    """A graph never goes on as if its checkpoint had been stored."""
    started: list[str] = []
    saver = Saver(store, tenant="a", fenced=False)
    graph = compile_asking(saver, started)
    await store.write("a", lambda s: s.checkpoints._connection.execute("DROP TABLE checkpoints"))
    with pytest.raises(Exception, match="no such table"):
        await graph.ainvoke({"text": "?"}, config_at("t"), durability="sync")
    assert started == []

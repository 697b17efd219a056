"""The fence: a write and the check of its claim are one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from agent_runtime.checkpoint import Saver
from agent_runtime.errors import Conflict, LostOwnership, StoreError
from agent_runtime.run import Run
from agent_runtime.store.database import connect
from agent_runtime.worker import config_of
from tests.checkpoint.conftest import config_at, make_checkpoint, rows_of
from tests.office import Office
from tests.patience import PATIENCE
from tests.processes import CONTEXT, spawn, wait

CLAIM = "UPDATE runs SET epoch = epoch + 1, owner = 'other:1' WHERE id = ?"


def put_something(saver: Any, run: Run, what: str) -> Any:
    """One write under the claim of `run`."""
    config = config_of(run)
    config["configurable"]["checkpoint_ns"] = ""
    if what == "put":
        return saver.aput(config, make_checkpoint({"n": 1}, {"n": 1}), {"step": 1}, {"n": 1})
    config["configurable"]["checkpoint_id"] = "1"
    return saver.aput_writes(config, [("n", 1)], "task")


def saver_of(office: Office) -> Any:
    return office.runtime._worker._graphs["ledger"].checkpointer


@pytest.mark.parametrize("what", ["put", "put_writes"])
async def test_a_claim_that_commits_first_is_seen_by_the_write(office: Office, what: str) -> None:
    """The claim is open in another connection while the old owner already asks to write; a check
    made outside of the write's transaction would still see the old epoch, and let it pass."""
    segment = await office.claim(await office.start())
    run = segment.run
    with closing(connect(office.data / "runtime.db")) as elsewhere:
        elsewhere.execute("BEGIN IMMEDIATE")
        elsewhere.execute(CLAIM, (run.id,))
        attempt = asyncio.create_task(put_something(saver_of(office), run, what))
        await asyncio.sleep(0.1)
        assert not attempt.done()
        elsewhere.execute("COMMIT")
        with pytest.raises(LostOwnership):
            await attempt
    assert rows_of(office.data / "runtime.db", run.id, "default") == [0, 0, 0]


def claim_child(path: Any, run_id: str, ready: Any, go: Any) -> None:
    """Take a run over in a process of its own."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)) as connection:
        ready.set()
        go.wait(PATIENCE)
        connection.execute(CLAIM, (run_id,))


async def test_of_a_claim_and_many_writes_in_two_processes_none_comes_too_late(
    office: Office,
) -> None:
    """From the first refusal on all are refused, and only what was accepted is stored."""
    run = (await office.claim(await office.start())).run
    path, ready, go = office.data / "runtime.db", CONTEXT.Event(), CONTEXT.Event()
    child = spawn(claim_child, path, run.id, ready, go)
    await asyncio.to_thread(ready.wait, 30)
    saver, outcomes = saver_of(office), []
    for n in range(2_000):
        if n == 20:
            go.set()
        try:
            await put_something(saver, run, "put")
            outcomes.append(True)
        except LostOwnership:
            outcomes.append(False)
        if outcomes[-50:] == [False] * 50:
            break
    assert await asyncio.to_thread(wait, child) == [0]
    accepted = outcomes.index(False)
    assert accepted >= 20
    assert not any(outcomes[accepted:])
    assert rows_of(path, run.id, "default")[0] == accepted


@pytest.mark.parametrize("what", ["put", "put_writes"])
async def test_a_write_without_a_claim_is_refused(office: Office, what: str) -> None:
    """The runtime's saver never writes for nobody in particular."""
    run = (await office.claim(await office.start())).run
    attempt = put_something(saver_of(office), run.model_copy(update={"epoch": None}), what)
    with pytest.raises(StoreError, match="names no claim"):
        await attempt


async def test_a_configuration_without_a_tenant_is_refused(office: Office) -> None:
    """Neither reads nor house-keeping guess whose data is meant."""
    saver: Saver = saver_of(office)
    with pytest.raises(StoreError, match="tenant"):
        await saver.aget_tuple(config_at("t"))
    with pytest.raises(StoreError, match="Whose thread"):
        await saver.adelete_thread("t")


async def test_a_run_that_goes_on_keeps_its_checkpoints(asking: Office) -> None:
    """Deleted, it would begin anew; pruned, it loses only its past, and resumes."""
    asked = await asking.parked()
    saver = saver_of(asking).of("default")
    for attempt in (
        saver.adelete_thread(asked.run_id),
        saver.adelete_for_runs([asked.run_id]),
        saver.aprune([asked.run_id], strategy="delete"),
    ):
        with pytest.raises(Conflict, match="still needed"):
            await attempt
    await saver.aprune([asked.run_id])
    path = asking.data / "runtime.db"
    assert rows_of(path, asked.run_id, "default")[0] == 1
    await asking.answer(asked, "lena")
    assert (await asking.drive(asking.read(asked.run_id))).state == "completed"
    assert len(asking.bank.payouts) == 1
    await saver.adelete_thread(asked.run_id)
    assert rows_of(path, asked.run_id, "default") == [0, 0, 0]


async def test_another_tenant_cannot_delete_a_run(asking: Office) -> None:
    """Nothing happens, and nothing is told about it."""
    asked = await asking.parked()
    await saver_of(asking).of("other").adelete_thread(asked.run_id)
    assert rows_of(asking.data / "runtime.db", asked.run_id, "default")[0] > 0

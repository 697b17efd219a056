"""A file whose checkpoints LangGraph's own saver wrote is brought forward; its runs go on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG, JsonPlusSerializer
from langgraph.types import Command

from agent_runtime.checkpoint import Saver
from agent_runtime.clock import SystemClock
from agent_runtime.errors import LostOwnership, StoreError
from agent_runtime.runtime import DATABASE
from agent_runtime.store import Store, database
from agent_runtime.worker import config_of
from tests.checkpoint.conftest import config_at, rows_of
from tests.checkpoint.graphs import asking_graph, compile_asking
from tests.checkpoint.stock import bring_forward, make_first_schema, stock_office
from tests.conftest import OpenOffice
from tests.office import Office


async def history(office: Office, run_id: str) -> list[dict[str, Any]]:
    """What LangGraph says about every checkpoint of a run, newest first."""
    graph = office.runtime._worker._graphs["ledger"]
    found = graph.aget_state_history(config_of(office.read(run_id)))
    return [
        {
            "values": snapshot.values,
            "next": snapshot.next,
            "interrupts": snapshot.interrupts,
            "results": [task.result for task in snapshot.tasks],
            "id": snapshot.config["configurable"]["checkpoint_id"],
        }
        async for snapshot in found
    ]


async def parked(folder: Path, *, answered: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """Make a file with the saver of version 0.1.0 and one paused run; its id and history."""
    async with stock_office(folder) as office:
        office.bank.put("a1", amount="500.00")
        asked = await office.parked()
        if answered:
            await office.answer(asked, "lena")
        return asked.run_id, await history(office, asked.run_id)


async def test_a_paused_run_resumes_and_acts_exactly_once(
    open_office: OpenOffice, tmp_path: Path
) -> None:
    """Asked under the old saver, answered and executed under ours."""
    run_id, _ = await parked(tmp_path / "data")
    bring_forward(tmp_path / "data" / DATABASE)
    office = await open_office()
    await office.answer(office.question(run_id), "lena")
    run = await office.drive(office.read(run_id))
    assert (run.state, len(office.bank.payouts)) == ("completed", 1)
    assert [entry.state for entry in office.record(run).journal] == ["executed"]


async def test_a_run_that_was_answered_before_resumes_too(
    open_office: OpenOffice, tmp_path: Path
) -> None:
    """The decision was committed, the process ended, the new version starts."""
    run_id, _ = await parked(tmp_path / "data", answered=True)
    bring_forward(tmp_path / "data" / DATABASE)
    office = await open_office()
    (run,) = await office.runtime.drive_ready()
    assert (run.id, run.state, len(office.bank.payouts)) == (run_id, "completed", 1)


async def test_a_run_that_stopped_between_two_nodes_goes_on(
    open_office: OpenOffice, tmp_path: Path
) -> None:
    """Killed after a node's writes were stored and before the checkpoint that takes them in."""
    folder = tmp_path / "data"
    run_id, before = await parked(folder)
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        for table in ("checkpoints", "writes"):
            sql = f"DELETE FROM {table} WHERE checkpoint_id = ?"  # noqa: S608
            connection.execute(sql, (before[0]["id"],))
        connection.execute("DELETE FROM approvals")
        connection.execute("UPDATE runs SET state = 'queued'")
        connection.commit()
    bring_forward(tmp_path / "data" / DATABASE)
    office = await open_office()
    await office.runtime.drive_ready()
    await office.answer(office.question(run_id), "lena")
    assert (await office.drive(office.read(run_id))).state == "completed"
    assert len(office.bank.payouts) == 1


async def test_the_whole_history_reads_as_before(open_office: OpenOffice, tmp_path: Path) -> None:
    """Every checkpoint with its values, its pause and its tasks' results."""
    run_id, before = await parked(tmp_path / "data")
    bring_forward(tmp_path / "data" / DATABASE)
    office = await open_office()
    assert await history(office, run_id) == before
    assert len(before) >= 4


async def test_it_is_moved_not_kept_twice(open_office: OpenOffice, tmp_path: Path) -> None:
    """The old tables are gone; each value stands once per version."""
    run_id, before = await parked(tmp_path / "data")
    bring_forward(tmp_path / "data" / DATABASE)
    office = await open_office()
    path = office.data / DATABASE
    checkpoints, values, writes = rows_of(path, run_id, "default")
    assert (checkpoints, writes > 0) == (len(before), True)
    assert values < sum(len(snapshot["values"]) for snapshot in before)
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'stock%'")
        assert tables.fetchall() == []


async def test_a_file_of_the_first_schema_is_migrated_at_start(tmp_path: Path) -> None:
    """All migrations in a row; the run's graph goes on from its pause, under its claim only."""
    path = tmp_path / "runtime.db"
    await make_first_schema(path, asking_graph(), "run-1")
    store = Store(path, SystemClock())
    graph, config = compile_asking(Saver(store)), config_at("run-1", tenant="a", epoch=1)
    (pause,) = (await graph.aget_state(config)).interrupts
    assert pause.value == "?"
    assert (await graph.aget_state(config_at("run-1", tenant="b"))).created_at is None
    answer: Command[Any] = Command(resume={pause.id: "yes"})
    with pytest.raises(LostOwnership):
        await graph.ainvoke(answer, config_at("run-1", tenant="a", epoch=0), durability="sync")
    done = await graph.ainvoke(answer, config, durability="sync")
    assert (done["answer"], done["seen"]) == ("yes", ["first", "second", "act"])
    store.close()


async def test_a_file_in_which_nothing_was_driven_is_migrated(tmp_path: Path) -> None:
    """The stock saver's tables are there only once it was opened."""
    path = tmp_path / "runtime.db"
    with pytest.MonkeyPatch.context() as patch:
        first = database.migrations()[:1]
        patch.setattr(database, "migrations", lambda: first)
        database.prepare(path)
    store = Store(path, SystemClock())
    assert store.read("a").checkpoints.find(None, None, None) == []
    store.close()


async def test_a_stored_call_is_not_executed_by_the_migration(
    open_office: OpenOffice, tmp_path: Path
) -> None:
    """It is carried over unopened, and strict loading returns its bare argument."""
    folder = tmp_path / "data"
    run_id, before = await parked(folder)
    call = ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, ormsgpack.packb(("math", "sqrt", 9.0)))
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        where = f"WHERE checkpoint_id = '{before[0]['id']}'"
        (body,) = connection.execute(f"SELECT checkpoint FROM checkpoints {where}").fetchone()  # noqa: S608
        checkpoint = ormsgpack.unpackb(body, ext_hook=ormsgpack.Ext)
        checkpoint["channel_values"]["step"] = call
        forged = ormsgpack.packb(checkpoint)
        connection.execute(f"UPDATE checkpoints SET checkpoint = ? {where}", (forged,))  # noqa: S608
        connection.commit()
    bring_forward(tmp_path / "data" / DATABASE)
    office = await open_office()
    stored = office.runtime.store.read("default").checkpoints.get(run_id, "")
    assert stored is not None
    assert stored.values["step"] == ("msgpack", ormsgpack.packb(call))
    assert JsonPlusSerializer().loads_typed(stored.values["step"]) == 9.0


async def test_a_checkpoint_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """The file stays as it was, for the older version or a backup."""
    folder = tmp_path / "data"
    run_id, _ = await parked(folder)
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.execute("UPDATE checkpoints SET checkpoint = x'c1'")
        connection.commit()
        before = list(connection.iterdump())
    with pytest.raises(StoreError, match=f"run {run_id} cannot be read"):
        bring_forward(folder / DATABASE)
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        assert list(connection.iterdump()) == before
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)

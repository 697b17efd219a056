"""Backups are whole, restores are safe."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from agent_runtime.anchor import AnchorFile
from agent_runtime.app import App
from agent_runtime.backup import Restored, make_backup, restore_backup, verify_file
from agent_runtime.clock import ManualClock
from agent_runtime.errors import Conflict, InvalidInput, LostOwnership, StoreError
from agent_runtime.store.upkeep import is_private
from agent_runtime.tool import Recovery
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import NOON, Office, opened
from tests.processes import drive_child, spawn, wait
from tests.upkeep.conftest import Tamper, anchors

LATER = NOON + timedelta(hours=1)


def app_with(recovery: Recovery = "idempotency_key") -> App:
    return make_app(pay_workflow(make_pay(recovery)))


def back_up(office: Office, target: Path) -> Path:
    make_backup(office.data, target, office.runtime.anchor.file, force=False)
    return target


def restore(data: Path, file: Path, recovery: Recovery = "idempotency_key") -> Restored:
    anchor = AnchorFile(data / "anchors.jsonl")
    return restore_backup(data, file, app_with(recovery), anchor, by="root", now=LATER)


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_a_backup_under_writes_holds_what_was_acknowledged(
    asking: Office, tmp_path: Path
) -> None:
    """Taken while others write; every decision that was acknowledged before is in it."""
    asked = [await asking.parked() for _ in range(4)]
    for question in asked[:2]:
        await asking.answer(question, "lena")
    before = asking.runtime.store.read("default").events.head().number
    backing = asyncio.create_task(
        asyncio.to_thread(
            make_backup, asking.data, tmp_path / "b.db", asking.runtime.anchor.file, force=False
        )
    )
    written = 0
    while not backing.done():
        await asking.start()
        written += 1
    made = await backing
    assert written
    assert made.chains[0].events >= before
    decided = {row[0] for row in rows(tmp_path / "b.db", "SELECT approval_id FROM decisions")}
    assert decided == {question.id for question in asked[:2]}


async def test_a_backup_is_one_private_file(asking: Office, tmp_path: Path) -> None:
    """Verified against the anchor, with nothing beside it."""
    await asking.flow("lena approve")
    anchors(asking)
    folder = tmp_path / "backups"
    folder.mkdir()
    made = make_backup(asking.data, folder / "b.db", asking.runtime.anchor.file, force=False)
    assert [file.name for file in folder.iterdir()] == ["b.db"]
    assert is_private(folder / "b.db")
    assert made.chains[0].anchored


async def test_a_backup_overwrites_nothing_unasked(asking: Office, tmp_path: Path) -> None:
    """Without --force a file stays; the data file itself always does."""
    back_up(asking, tmp_path / "b.db")
    with pytest.raises(InvalidInput, match="is there already"):
        back_up(asking, tmp_path / "b.db")
    make_backup(asking.data, tmp_path / "b.db", asking.runtime.anchor.file, force=True)
    with pytest.raises(InvalidInput, match="is there already"):
        make_backup(asking.data, asking.data / "runtime.db", asking.runtime.anchor.file, force=True)


async def test_no_backup_is_made_of_a_broken_history(
    asking: Office, tmp_path: Path, tamper: Tamper
) -> None:
    """It is refused with what is wrong, and leaves no file."""
    await asking.flow("lena approve")
    with tamper(asking) as connection:
        connection.execute("UPDATE events SET at = '2025' WHERE number = 3")
    with pytest.raises(StoreError, match="event 3 was changed"):
        back_up(asking, tmp_path / "b.db")
    assert not [name for name in names(tmp_path) if "b.db" in name]


async def test_a_restore_brings_the_history_back(tmp_path: Path) -> None:
    """Runs, approvals and events are the backup's; the replaced file is kept; both verify."""
    data = tmp_path / "data"
    async with opened(app_with(), data) as office:
        done = await office.flow()
        back_up(office, tmp_path / "b.db")
        await office.flow()
    found = restore(data, tmp_path / "b.db")
    assert rows(data / "runtime.db", "SELECT id FROM runs") == [(done.run.id,)]
    assert len(rows(Path(found.aside), "SELECT id FROM runs")) == 2
    verify_file(Path(found.aside))
    assert is_private(Path(found.aside))
    assert is_private(data / "runtime.db")
    assert not [file for file in data.iterdir() if ".draft" in file.name]
    async with opened(app_with(), data, clock=ManualClock(LATER)) as office:
        audit = office.runtime.audit()
        assert (audit.holds, audit.anchored) == (True, True)
        assert "were given up" in audit.notes[0]
        assert (await office.flow()).run.state == "completed"


async def test_a_restored_file_is_not_a_truncation_that_goes_unseen(tmp_path: Path) -> None:
    """Copying an old file over the new one by hand is one: no line says that somebody did it."""
    data = tmp_path / "data"
    async with opened(app_with(), data) as office:
        await office.flow()
        back_up(office, tmp_path / "b.db")
        await office.flow()
    (data / "runtime.db").write_bytes((tmp_path / "b.db").read_bytes())
    async with opened(app_with(), data) as office:
        assert "the chain ends at" in office.runtime.audit().problem


async def test_a_worker_of_before_can_write_nothing(tmp_path: Path) -> None:
    """Whatever claim it held, before the backup or after it: the restored run's is higher."""
    data = tmp_path / "data"
    async with opened(app_with(), data) as office:
        run = await office.start()
        first = await office.claim(run)
        back_up(office, tmp_path / "b.db")
        second = await office.claim(run)
    found = restore(data, tmp_path / "b.db")
    assert [(r.id, r.state, r.unknown) for r in found.runs] == [(run.id, "queued", False)]
    async with opened(app_with(), data, clock=ManualClock(LATER)) as office:
        assert office.read(run).epoch == second.run.epoch + 1
        for old in (first, second):
            with pytest.raises(LostOwnership):
                await office.runtime._in.segment(old.run).write(lambda _: None)
        assert (await office.drive(run)).state == "completed"


@pytest.mark.parametrize("recovery", ["manual", "probe"])
async def test_what_may_have_acted_waits_for_a_person(tmp_path: Path, recovery: Recovery) -> None:
    """The payment was made after the backup; the restored run does not make it again by itself."""
    data = tmp_path / "data"
    async with opened(app_with(recovery), data) as office:
        run = await office.start()
        back_up(office, tmp_path / "b.db")
        assert (await office.drive(run)).state == "completed"
    found = restore(data, tmp_path / "b.db", recovery)
    (waiting,) = found.runs
    assert (waiting.state, waiting.unknown) == ("needs_attention", True)
    assert waiting.tools == {"pay": recovery}
    async with opened(app_with(recovery), data, clock=ManualClock(LATER)) as office:
        assert await office.runtime.drive_ready() == []
        assert len(office.bank.payouts) == 1


async def test_a_call_with_a_key_is_not_made_twice(tmp_path: Path) -> None:
    """The restored run calls under the same key, and the outside system knows it."""
    data = tmp_path / "data"
    async with opened(app_with(), data) as office:
        run = await office.start()
        back_up(office, tmp_path / "b.db")
        await office.drive(run)
    restore(data, tmp_path / "b.db")
    async with opened(app_with(), data, clock=ManualClock(LATER)) as office:
        assert (await office.drive(office.read(run))).state == "completed"
        assert len(office.bank.payouts) == 1


async def test_a_file_in_use_is_not_replaced(asking: Office, tmp_path: Path) -> None:
    """An idle process that has it open is enough."""
    back_up(asking, tmp_path / "b.db")
    run = await asking.start()
    with pytest.raises(Conflict, match="Another process holds"):
        restore(asking.data, tmp_path / "b.db")
    assert asking.read(run).state == "queued"
    assert not list(asking.data.glob("*before-restore*"))


async def test_a_run_held_on_another_machine_stops_a_restore(tmp_path: Path) -> None:
    """Its worker may come back; after its lease it may not."""
    data = tmp_path / "data"
    async with opened(app_with(), data, clock=ManualClock(NOON + timedelta(days=9_000))) as office:
        run = await office.start()
        back_up(office, tmp_path / "b.db")
        await office.claim(run)
    with pytest.raises(Conflict, match="elsewhere:1"):
        restore(data, tmp_path / "b.db")


async def test_a_killed_workers_run_can_be_restored(tmp_path: Path) -> None:
    """The claim of a dead process stops nobody."""
    data = tmp_path / "data"
    async with opened(app_with(), data) as office:
        run = await office.start()
        back_up(office, tmp_path / "b.db")
        office.bank.lay_fuse("after")
    assert wait(spawn(drive_child, data, "idempotency_key", run.id)) == [-9]
    assert rows(data / "runtime.db", "SELECT state FROM runs") == [("running",)]
    assert restore(data, tmp_path / "b.db").runs[0].state == "queued"


async def test_a_damaged_file_is_replaced_and_kept(tmp_path: Path) -> None:
    """As it is, byte for byte."""
    data = tmp_path / "data"
    async with opened(app_with(), data) as office:
        await office.flow()
        back_up(office, tmp_path / "b.db")
    junk = b"\x07" * 8_192
    (data / "runtime.db").write_bytes(junk)
    found = restore(data, tmp_path / "b.db")
    assert (data / Path(found.aside).name).read_bytes() == junk
    assert len(rows(data / "runtime.db", "SELECT id FROM runs")) == 1


async def test_a_missing_file_is_restored(tmp_path: Path) -> None:
    """On a new machine there is nothing to keep aside."""
    async with opened(app_with(), tmp_path / "data") as office:
        await office.flow()
        back_up(office, tmp_path / "b.db")
    found = restore(tmp_path / "fresh", tmp_path / "b.db")
    assert (found.aside, found.anchored) == ("", True)
    async with opened(app_with(), tmp_path / "fresh") as office:
        assert office.runtime.audit().anchored


async def test_a_backup_that_contradicts_the_anchor_is_refused(tmp_path: Path) -> None:
    """A history that was written anew does not come back as a backup."""
    data, other = tmp_path / "data", tmp_path / "other"
    for folder in (data, other):
        async with opened(app_with(), folder) as office:
            await office.flow()
            back_up(office, tmp_path / f"{folder.name}.db")
    before = (data / "runtime.db").read_bytes()
    with pytest.raises(StoreError, match="not the one that was anchored"):
        restore(data, tmp_path / "other.db")
    assert (data / "runtime.db").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no database", b"\x07" * 9_000])
async def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    """And nothing is touched."""
    data = tmp_path / "data"
    async with opened(app_with(), data) as office:
        await office.flow()
    before = (data / "runtime.db").read_bytes()
    (tmp_path / "b.db").write_bytes(content)
    with pytest.raises(StoreError):
        restore(data, tmp_path / "b.db")
    assert (data / "runtime.db").read_bytes() == before

"""A page that broke after the file was written: found by whoever reads it, told, and left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.errors import StoreError
from agent_runtime.store import Store
from tests.cli.conftest import Desk, asked_made, clean_environment, desk, say
from tests.office import Office

__all__ = ["asked_made", "clean_environment", "desk", "say"]

PAGE = 4_096


def break_page(file: Path, table: str) -> bytes:
    """Flip every bit of a table's first page; returns the file as it is then."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
        ).fetchone()
    content = bytearray(file.read_bytes())
    start = (page - 1) * PAGE
    content[start : start + PAGE] = bytes(255 - byte for byte in content[start : start + PAGE])
    file.write_bytes(content)
    return bytes(content)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("approvals", ("approvals", "list")),
        ("runs", ("runs", "list")),
        ("events", ("events", "verify")),
        ("event_bodies", ("events", "tail")),
    ],
)
def test_whoever_reads_a_broken_page_is_told(
    desk: Desk, table: str, words: tuple[str, ...]
) -> None:
    """Exit code 6 and the remedy, no traceback, and not a byte changed."""
    broken = break_page(desk.data / "runtime.db", table)
    desk(*words).fails(6, "is damaged", "doctor", "backup")
    assert (desk.data / "runtime.db").read_bytes() == broken


def test_the_doctor_names_it_and_no_backup_is_made_of_it(desk: Desk, tmp_path: Path) -> None:
    """The doctor ends with 1; the backup leaves no file, not even a draft."""
    break_page(desk.data / "runtime.db", "journal")
    said = desk("doctor", "--json")
    assert (said.code, {finding["code"] for finding in said.json}) == (1, {"damaged", "unusable"})
    (tmp_path / "backups").mkdir()
    desk("backup", str(tmp_path / "backups" / "b.db")).fails(6, "does not verify", "doctor")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_person_who_decides_on_a_broken_page_is_told(desk: Desk) -> None:
    """Nothing of the decision is stored, nothing else is touched."""
    approval = desk.approval("49.00")
    break_page(desk.data / "runtime.db", "decisions")
    said = desk("approvals", "decide", approval, "approve", "--as", "lena")
    said.fails(6, "is damaged", "doctor")


async def test_a_program_that_embeds_the_runtime_is_told(asking: Office) -> None:
    """Reading and writing raise StoreError, and none of SQLite's own errors."""
    await asking.parked()
    break_page(asking.runtime.store.path, "event_bodies")
    store = Store(asking.runtime.store.path, asking.clock)  # one that has read no page yet
    with pytest.raises(StoreError, match="is damaged"):
        store.read("default").events.find()
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        await store.write("default", lambda session: session.events.append("tool.called"))
    store.close()

"""The database file: made with care, brought forward, refused when it is not ours."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.errors import StoreError
from agent_runtime.store import Store
from agent_runtime.store.database import APPLICATION_ID, connect, migrations, prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runtime.db"


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_new_file_is_for_its_owner_only(path: Path) -> None:
    """Mode 0600, with the log beside it, which holds the same content."""
    store = Store(path, SystemClock())
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    store.close()


def test_a_file_that_was_opened_up_is_closed_again(path: Path) -> None:
    """Opening it takes other users' rights away."""
    prepare(path)
    path.chmod(0o644)
    prepare(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_is_marked_and_numbered(path: Path) -> None:
    """Its header names the program and the schema."""
    prepare(path)
    with closing(connect(path)) as connection:
        header = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode", "synchronous")
        ]
        foreign = connection.execute("PRAGMA foreign_keys").fetchone()[0]
    assert header == [APPLICATION_ID, len(migrations()), "wal", 2]
    assert foreign == 1


def test_opening_again_changes_nothing(path: Path) -> None:
    """Migrations run once."""
    prepare(path)
    before = dump(path)
    prepare(path)
    assert dump(path) == before


def test_a_file_that_another_process_is_making_is_waited_for(path: Path) -> None:
    """SQLite's own switch to WAL fails at once on such a lock, whatever the busy timeout."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
        release.start()
        prepare(path)
        release.join()
    assert len(dump(path)) > 10


def newer(path: Path) -> None:
    prepare(path)
    run_sql(path, "PRAGMA user_version = 99")


def foreign(path: Path) -> None:
    run_sql(path, "PRAGMA application_id = 7")


def unmarked(path: Path) -> None:
    run_sql(path, "CREATE TABLE photos (id INTEGER)")


def corrupt(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 500)


def torn(path: Path) -> None:
    prepare(path)
    raw = bytearray(path.read_bytes())
    raw[100:4096] = b"\xff" * (4096 - 100)
    path.write_bytes(raw)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words", "remedy"),
    [
        (newer, "has schema 99; this code knows", "Use the newer agent-runtime"),
        (foreign, "belongs to another program", "--data"),
        (unmarked, "belongs to another program", "--data"),
        (corrupt, "is damaged", "Restore a backup"),
        (torn, "is damaged", "Restore a backup"),
        (folder, "cannot be opened", "Check that the folder is writable"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_unchanged(
    path: Path, make: Callable[[Path], None], words: str, remedy: str
) -> None:
    """With what is wrong, what to do about it, and not a byte of it touched."""
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError, match=words) as found:
        Store(path, SystemClock())
    assert remedy in found.value.remedy
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_failed_migration_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a migration is none: the second of two statements fails, the first is undone."""
    prepare(path)
    before = dump(path)
    scripts = [*migrations(), "CREATE TABLE extra (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n"]
    monkeypatch.setattr("agent_runtime.store.database.migrations", lambda: scripts)
    with pytest.raises(StoreError):
        prepare(path)
    assert dump(path) == before


def test_the_next_migration_is_applied_to_an_older_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward only, from the version that the file has."""
    prepare(path)
    scripts = [*migrations(), "CREATE TABLE extra (id INTEGER);\n"]
    monkeypatch.setattr("agent_runtime.store.database.migrations", lambda: scripts)
    prepare(path)
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(scripts)
        assert connection.execute("SELECT count(*) FROM extra").fetchone() == (0,)

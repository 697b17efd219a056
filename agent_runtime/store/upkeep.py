"""Operations on the whole file: copying, checking, holding and shrinking it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.errors import Conflict, StoreError
from agent_runtime.store.connection import check_keys
from agent_runtime.store.database import PRIVATE, connect, migrations
from agent_runtime.store.tenants import owner_of
from agent_runtime.tenant import HOME

CHUNK = 256
"""Pages that are copied between two reports of progress, or given back in one commit."""
HOLD_TIMEOUT = 1.0
"""Seconds to wait for another process to let go of the file."""

Connection = sqlite3.Connection
Progress = Callable[[int, int], None]
"""Told how many pages were copied, and of how many."""


def copy(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Copy a database that may be in use into a new file (mode 0600), as it is at this moment."""
    with damage_named(source):
        target.touch(mode=PRIVATE, exist_ok=False)
        with closing(connect(source, readonly=True)) as read, closing(connect(target)) as write:
            # The snapshot is taken here and kept: otherwise every commit of a busy runtime would
            # make the copy begin anew.
            read.execute("BEGIN")
            read.execute("SELECT count(*) FROM sqlite_master").fetchone()
            read.backup(write, pages=CHUNK, progress=told(progress), sleep=0.0)
            write.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        sync(target)


def sync(path: Path) -> None:
    """Bring a file and its name to the disk."""
    for name, flags in ((path, os.O_RDWR), (path.parent, os.O_RDONLY)):
        opened = os.open(name, flags)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def pages(path: Path) -> int:
    """How many reports of progress a copy of this file makes."""
    with damage_named(path), closing(connect(path, readonly=True)) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0]) // CHUNK + 1


def check(connection: sqlite3.Connection) -> list[str]:
    """What SQLite itself finds wrong with the file, at most twenty lines."""
    try:
        rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
        found = [str(text) for (text,) in rows if text != "ok"]
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            found.append(f"row {row} of {table} hangs on a row of {parent} that is not there")
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return found[:20]


def versions(connection: sqlite3.Connection) -> tuple[int, int]:
    """The file's schema, and the newest that this code knows."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]), len(migrations())


def tenants(connection: sqlite3.Connection) -> list[str]:
    """Every tenant with a history, and the one that is always there."""
    return sorted({owner_of(connection) or HOME, *with_history(connection)})


def with_history(connection: sqlite3.Connection) -> list[str]:
    """Every tenant with a history: one step in an index for each, however long they are."""
    rows = connection.execute(
        "WITH RECURSIVE names (name) AS (SELECT min(tenant) FROM events UNION ALL"
        " SELECT (SELECT min(tenant) FROM events WHERE tenant > name) FROM names"
        " WHERE name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL"
    )
    return [name for (name,) in rows.fetchall()]


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """The file with nobody else in it, until this ends; raises Conflict when somebody is."""
    connection = connect(path, HOLD_TIMEOUT)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Every open connection to a file in WAL mode forbids this, idle ones too.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")  # the lock stays
        yield connection
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise Conflict(
            f"Another process holds {path}.", remedy="Stop every worker and service, then repeat."
        ) from error
    finally:
        connection.close()


def give_back(path: Path) -> bool:
    """Return free pages to the file system, as far as the file was made for it; a few at a time,
    so that writers get in between. Whether the log is empty then: a reader may have kept it."""
    with damage_named(path), closing(connect(path)) as connection:
        before, left = -1, _free(connection)
        while left and left != before:
            # A script runs the pragma to its end; `execute` would stop after the first page.
            connection.executescript(f"PRAGMA incremental_vacuum({CHUNK})")
            before, left = left, _free(connection)
        # It holds writers off while it waits for readers, so it does not wait long.
        connection.execute(f"PRAGMA busy_timeout = {int(HOLD_TIMEOUT * 1000)}")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy


def remove(path: Path) -> None:
    """Remove a database file with its log, and bring that to the disk."""
    with damage_named(path):
        for suffix in ("-wal", "-shm", ""):
            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _free(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def rewrite(path: Path) -> None:
    """Write the file anew, so that free pages can be given back from now on."""
    with damage_named(path), held(path) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")


def is_private(path: Path) -> bool:
    """Whether only the file's owner may use it."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077


@contextmanager
def reading(path: Path, cipher: Cipher = CLEAR) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing, not even the schema; raises StoreError, also where the
    cipher doesn't open the file's content."""
    with damage_named(path), closing(connect(path, readonly=True, cipher=cipher)) as connection:
        check_keys(connection)
        yield connection


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Foreign errors as StoreError."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        remedy = "Check the disk, who may write there, and whether another program holds the file."
        raise StoreError(f"{path} cannot be used: {error}.", remedy=remedy) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"The database {path} is damaged: {error}.",
            remedy="Restore a backup with: agent-runtime restore",
        ) from error


def told(progress: Progress | None) -> Callable[[int, int, int], None] | None:
    """As sqlite3 reports progress."""
    if progress is None:
        return None
    return lambda _status, remaining, total: progress(total - remaining, total)

"""The SQLite file: opened with safe settings, migrated forward, refused when it is not ours."""

from __future__ import annotations

import sqlite3
import stat
import time
from importlib import resources
from pathlib import Path
from typing import Any, Self

from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.errors import StoreError
from agent_runtime.store.connection import Connection, check_keys, note_key
from agent_runtime.store.migration import STEPS

APPLICATION_ID = 0x41_52_54_31
"""Written into the file's header ("ART1") so that another program's database is recognised."""

PRIVATE = 0o600
OTHERS = 0o077

BUSY_TIMEOUT = 30.0
"""Seconds that a writer waits for another process's transaction before it gives up."""

_DAMAGED = "The database is damaged: {}.", "Find out with: agent-runtime doctor. Restore a backup."
_DISK = "The disk fails: {}.", "Nothing of this request was stored. Check the disk and its room."
_READ_ONLY = "The database cannot be written: {}.", "Let this user write the file and its folder."
FAULTS = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_FULL: _DISK,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
}
"""What is wrong with the file or its disk, whatever was asked, and the remedy."""


def fault_of(error: BaseException | None) -> StoreError | None:
    """What SQLite's error says about the file or its disk; None where it is about the request."""
    fault = FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return None if fault is None else StoreError(fault[0].format(error), remedy=fault[1])


class _FaultsTold:
    """Turns SQLite's errors about the file and its disk into StoreError; all others pass."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        fault = fault_of(error)
        if fault is not None:
            raise fault from error


faults_told = _FaultsTold()


class Reader(Connection):
    """A connection whose statements raise StoreError where the file is damaged: a broken page is
    found by whoever reads it first, long after the file was opened."""

    def execute(self, *given: Any) -> sqlite3.Cursor:
        return self.cursor(_ReadingCursor).execute(*given)


class _ReadingCursor(sqlite3.Cursor):
    def execute(self, *given: Any) -> Self:
        with faults_told:
            return super().execute(*given)

    def fetchone(self) -> Any:
        with faults_told:
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        with faults_told:
            return super().fetchall()

    def __next__(self) -> Any:
        with faults_told:
            return super().__next__()


def connect(
    path: Path,
    busy_timeout: float = BUSY_TIMEOUT,
    *,
    readonly: bool = False,
    factory: type[Connection] = Connection,
    cipher: Cipher = CLEAR,
) -> Connection:
    """A connection with WAL, synchronous=FULL and foreign keys; autocommit made explicit."""
    mode = "ro" if readonly else "rwc"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, factory=factory
    )
    connection.cipher = cipher
    try:
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path, busy_timeout: float = BUSY_TIMEOUT, cipher: Cipher = CLEAR) -> None:
    """Create the file (mode 0600) or migrate it; raises StoreError when it cannot be used."""
    try:
        if not path.exists():
            path.touch(mode=PRIVATE)
        connection = connect(path, busy_timeout, cipher=cipher)
        try:
            _check_ours(connection, path)
            check_keys(connection)
            if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
                # So that pruning gives space back; it can be chosen before the first page only.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _use_wal(connection, busy_timeout)
            _migrate(connection, path)
            note_key(connection)
        finally:
            connection.close()
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)  # what its owner may not do is the owner's own choice
    except (sqlite3.OperationalError, OSError) as error:
        raise StoreError(
            f"The database {path} cannot be opened: {error}.",
            remedy="Check that the folder is writable and that no other program holds the file.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"The database {path} is damaged: {error}.",
            remedy="Nothing was changed. Restore a backup, or move the file away to start anew.",
        ) from error


def _use_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Switch to WAL. SQLite does not wait for the lock that this takes: of two processes that
    make the file at the same moment, one would fail whatever its busy timeout."""
    until = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def migrations() -> list[str]:
    """The numbered scripts, in order; the n-th brings a file from version n-1 to n."""
    folder = resources.files("agent_runtime.store") / "migrations"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return [file.read_text() for file in files if file.name.endswith(".sql")]


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application not in (0, APPLICATION_ID) or (application == 0 and tables):
        raise StoreError(
            f"The database {path} belongs to another program.",
            remedy="Name another data folder with --data.",
        )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    scripts = migrations()
    if connection.execute("PRAGMA user_version").fetchone()[0] == len(scripts):
        return  # nothing to do: whoever only reads needs no lock and waits for no writer
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(scripts):
            raise StoreError(
                f"The database {path} has schema {version}; this code knows {len(scripts)}.",
                remedy="Use the newer agent-runtime that wrote it; nothing was changed.",
            )
        for number, script in enumerate(scripts[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            if number in STEPS:
                STEPS[number](connection)
        connection.execute(f"PRAGMA user_version = {len(scripts)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit the transaction that makes it atomic."""
    found, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found

"""Replacing the file by a backup: the one that is there set aside, and every old claim void."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.errors import Conflict
from agent_runtime.run import ENDS
from agent_runtime.store.belongings import TABLES, erase_some, stop_runs
from agent_runtime.store.database import PRIVATE, connect
from agent_runtime.store.draft import drafted
from agent_runtime.store.tenants import put, registered
from agent_runtime.store.upkeep import CHUNK, Progress, check, damage_named, held, sync, told

RESTORED = "restored from a backup: look in the outside system whether it has acted since"


@contextmanager
def set_aside(path: Path, aside: Path) -> Iterator[sqlite3.Connection]:
    """The file to be replaced, held, with a copy of it set aside."""
    if path.exists() and not _is_readable(path):
        # Too damaged to be copied: moved as it is, its log before it, for that belongs to it.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    fresh = not path.exists()
    if fresh:
        path.touch(mode=PRIVATE)
    with held(path) as connection:
        if not fresh:
            _refuse_claims(connection)
            _copy_aside(connection, aside)
        yield connection


def _copy_aside(connection: sqlite3.Connection, aside: Path) -> None:
    with drafted(aside) as draft:
        draft.touch(mode=PRIVATE)
        with damage_named(aside), closing(connect(draft)) as target:
            connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        draft.replace(aside)
        sync(aside)


def _is_readable(path: Path) -> bool:
    try:
        with closing(connect(path, readonly=True)) as connection:
            connection.execute("SELECT count(*) FROM runs").fetchone()
            return not check(connection)
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    except sqlite3.DatabaseError:
        return False


def _refuse_claims(connection: sqlite3.Connection) -> None:
    """Raises Conflict while a worker of another machine may be driving a run. Those of this one
    have let go of the file, or it could not be held."""
    here = (f"{socket.gethostname()}:%", f"%@{socket.gethostname()}:%")
    row = connection.execute(
        "SELECT id, owner FROM runs WHERE state = 'running' AND owner NOT LIKE ?"
        " AND owner NOT LIKE ?"
        " AND lease_until > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        here,
    ).fetchone()
    if row is not None:
        raise Conflict(f"Run {row[0]} is running, held by {row[1]}.", remedy="Stop that worker.")


def replace(held_file: sqlite3.Connection, source: Path, progress: Progress | None = None) -> None:
    """Put another database's content into a held file: all of it, or after a crash none."""
    with closing(connect(source)) as read:
        read.backup(held_file, pages=CHUNK, progress=told(progress), sleep=0.0)


def epochs(connection: sqlite3.Connection) -> dict[str, int]:
    """The claims that a file has seen, by run; none when it is new."""
    known = "SELECT count(*) FROM sqlite_master WHERE name = 'runs'"
    if not connection.execute(known).fetchone()[0]:
        return {}
    return dict(connection.execute("SELECT id, epoch FROM runs").fetchall())


def keep_tenants(connection: sqlite3.Connection, held_file: sqlite3.Connection) -> None:
    """Carry over who is registered, from the file that is replaced: a backup must neither lose a
    tenant that was made since nor bring back one that was erased."""
    for tenant in registered(held_file).values():
        if tenant.state != "active" and tenant.region is None:
            put(connection, tenant.model_copy(update={"state": "erasing"}))
            stop_runs(connection, tenant.name)
            for table in TABLES:
                while erase_some(connection, tenant.name, table):
                    pass
        put(connection, tenant)


@contextmanager
def redrafted(path: Path, cipher: Cipher = CLEAR) -> Iterator[sqlite3.Connection]:
    """One transaction on a draft, which is then one file with nothing beside it."""
    with damage_named(path), closing(connect(path, cipher=cipher)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = DELETE")


def fence(
    connection: sqlite3.Connection, seen: Mapping[str, int], unsure: Callable[[str], bool]
) -> list[tuple[str, str, str, str]]:
    """Raise the claim of every run that has not ended above all that were `seen`, so that no
    earlier worker can write. A ready run of a workflow that is `unsure` waits for a person: what
    its tools did after the backup is in no journal. Returns tenant, id, workflow and state."""
    found = []
    rows = connection.execute("SELECT tenant, id, workflow, state, epoch FROM runs").fetchall()
    for tenant, run_id, workflow, before, epoch in rows:
        if before in ENDS:
            continue
        state, reason = before, None
        if before in ("queued", "running"):
            stopped = unsure(workflow)
            state, reason = ("needs_attention", RESTORED) if stopped else ("queued", "")
        connection.execute(
            "UPDATE runs SET epoch = ?, owner = NULL, lease_until = NULL, state = ?,"
            " reason = coalesce(?, reason) WHERE tenant = ? AND id = ?",
            (max(epoch, seen.get(run_id, 0)) + 1, state, reason, tenant, run_id),
        )
        found.append((tenant, run_id, workflow, state))
    return found

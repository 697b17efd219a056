"""Checkpoints in the store: serialized graph states, each channel's value once per version.

What a value means is the saver's affair; here it is a type and bytes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from agent_runtime.cipher import Typed
from agent_runtime.errors import Conflict
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.transaction import Transaction

Version = str | int | float

BODY, VALUE, WRITE = "checkpoints", "checkpoint_values", "checkpoint_writes"


@dataclass(frozen=True)
class Place:
    """Where a checkpoint lies within its tenant."""

    thread_id: str
    ns: str
    checkpoint_id: str


@dataclass(frozen=True)
class PendingWrite:
    """What a task wrote to a channel, before the next checkpoint takes it in."""

    task_id: str
    idx: int
    task_path: str
    channel: str
    value: Typed


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint without its channel values; `versions` names them. `values` and `writes` are
    filled when it is read."""

    place: Place
    parent_id: str | None
    run_id: str | None
    versions: Mapping[str, Version]
    metadata: Mapping[str, Any]
    body: Typed
    values: Mapping[str, Typed] = field(default_factory=dict)
    writes: Sequence[PendingWrite] = ()


class Checkpoints:
    """One tenant's checkpoints, on one connection."""

    def __init__(
        self, connection: sqlite3.Connection, tenant: str, transaction: Transaction
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._cipher = cipher_of(connection)
        self._transaction = transaction

    def put(self, checkpoint: StoredCheckpoint, values: Mapping[str, Typed]) -> None:
        """Store a checkpoint and the values of the channels that have changed since its parent."""
        place = checkpoint.place
        row = (self._tenant, place.thread_id, place.ns, place.checkpoint_id)
        self._transaction.add(
            "INSERT OR REPLACE INTO checkpoints (tenant, thread_id, ns, checkpoint_id, parent_id,"
            " run_id, versions, metadata, type, body) VALUES",
            (*row, checkpoint.parent_id, checkpoint.run_id)
            + (_json(checkpoint.versions), _json(checkpoint.metadata))
            + self._seal(checkpoint.body, BODY, *row[1:]),
        )
        for name, value in values.items():
            version = checkpoint.versions[name]
            self._transaction.add(
                "INSERT OR REPLACE INTO checkpoint_values"
                " (tenant, thread_id, ns, channel, version, type, value) VALUES",
                (*row[:3], name, version, *self._seal(value, VALUE, *row[1:3], name, version)),
            )

    def put_writes(self, place: Place, writes: Sequence[PendingWrite], *, replace: bool) -> None:
        """Store what a task wrote; what is there already stays, unless `replace`."""
        row = (self._tenant, place.thread_id, place.ns, place.checkpoint_id)
        for w in writes:
            sealed = self._seal(w.value, WRITE, *row[1:], w.task_id, w.idx)
            self._transaction.add(
                f"INSERT OR {'REPLACE' if replace else 'IGNORE'} INTO checkpoint_writes (tenant,"
                " thread_id, ns, checkpoint_id, task_id, idx, task_path, channel, type, value)"
                " VALUES",
                (*row, w.task_id, w.idx, w.task_path, w.channel, *sealed),
            )

    def get(
        self, thread_id: str, ns: str, checkpoint_id: str | None = None
    ) -> StoredCheckpoint | None:
        """A checkpoint, or the newest one, with its values and writes as they are at one moment."""
        self._transaction.write()
        which = "AND checkpoint_id = ?" if checkpoint_id else "ORDER BY checkpoint_id DESC LIMIT 1"
        key = (self._tenant, thread_id, ns)
        with self._snapshot():
            row = self._connection.execute(
                "SELECT checkpoint_id, parent_id, run_id, versions, metadata, type, body FROM"  # noqa: S608 — constants
                f" checkpoints WHERE tenant = ? AND thread_id = ? AND ns = ? {which}",
                (*key, checkpoint_id) if checkpoint_id else key,
            ).fetchone()
            if row is None:
                return None
            found, parent, run_id, versions, metadata, type_, body = row
            return StoredCheckpoint(
                place=Place(thread_id, ns, found),
                parent_id=parent,
                run_id=run_id,
                versions=json.loads(versions),
                metadata=json.loads(metadata),
                body=self._open((type_, body), BODY, thread_id, ns, found),
                values=self._values(key, versions),
                writes=self._writes((*key, found)),
            )

    def find(
        self, thread_id: str | None, ns: str | None, before: str | None
    ) -> list[tuple[Place, dict[str, Any]]]:
        """Places and metadata, newest first, of what is older than the checkpoint `before`."""
        self._transaction.write()
        asked = {"thread_id =": thread_id, "ns =": ns, "checkpoint_id <": before}
        given = {test: value for test, value in asked.items() if value is not None}
        where = "".join(f" AND {test} ?" for test in given)
        rows = self._connection.execute(
            "SELECT thread_id, ns, checkpoint_id, metadata FROM checkpoints"  # noqa: S608 — constants
            f" WHERE tenant = ?{where} ORDER BY checkpoint_id DESC",
            (self._tenant, *given.values()),
        )
        return [(Place(*row[:3]), json.loads(row[3])) for row in rows.fetchall()]

    def delete_thread(self, thread_id: str) -> None:
        """Remove all that is stored of a thread."""
        self._transaction.write()
        for table in ("checkpoints", "checkpoint_values", "checkpoint_writes"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE tenant = ? AND thread_id = ?",  # noqa: S608 — constants
                (self._tenant, thread_id),
            )

    def delete_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints that these runs made, and the values that nobody else holds."""
        self._transaction.write()
        gone = self._connection.execute(
            "DELETE FROM checkpoints WHERE tenant = ? AND"
            " (run_id IN (SELECT value FROM json_each(?)) OR"
            " (run_id IS NULL AND thread_id IN (SELECT value FROM json_each(?))))"
            " RETURNING thread_id, ns, checkpoint_id",
            (self._tenant, *[json.dumps(list(run_ids))] * 2),
        ).fetchall()
        self._connection.executemany(
            "DELETE FROM checkpoint_writes WHERE tenant = ? AND thread_id = ? AND ns = ?"
            " AND checkpoint_id = ?",
            [(self._tenant, *place) for place in gone],
        )
        for thread_id in {place[0] for place in gone}:
            self._free_values(thread_id)

    def copy_thread(self, source: str, target: str) -> None:
        """Copy all of a thread to an empty one; raises Conflict when it isn't empty."""
        self._transaction.write()
        if self.find(target, None, None):
            raise Conflict(f"Thread {target} has checkpoints already; nothing was copied.")
        for table, named, rest in (
            (BODY, 2, "ns, checkpoint_id, parent_id, run_id, versions, metadata, type, body"),
            (VALUE, 3, "ns, channel, version, type, value"),
            (WRITE, 4, "ns, checkpoint_id, task_id, idx, task_path, channel, type, value"),
        ):
            rows = self._connection.execute(
                f"SELECT {rest} FROM {table} WHERE tenant = ? AND thread_id = ?",  # noqa: S608 — constants
                (self._tenant, source),
            ).fetchall()
            copied = []
            for *row, type_, value in rows:
                clear = self._open((type_, value), table, source, *row[:named])
                sealed = self._seal(clear, table, target, *row[:named])
                copied.append((self._tenant, target, *row, *sealed))
            for row in copied:
                self._transaction.add(
                    f"INSERT INTO {table} (tenant, thread_id, {rest}) VALUES", row
                )

    def keep_latest(self, thread_id: str) -> None:
        """Remove all but the newest checkpoint of each namespace, with the values behind them."""
        self._transaction.write()
        # A DeltaChannel's value is spread over its ancestors' writes until its next snapshot; a
        # namespace in that state is left whole. Writes are compared, not looked up: LangGraph may
        # store a task's writes before the checkpoint that they belong to.
        for table in ("checkpoint_writes", "checkpoints"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE tenant = ? AND thread_id = ? AND checkpoint_id <"  # noqa: S608 — constants
                " (SELECT CASE WHEN json_extract(newest.metadata,"
                " '$.counters_since_delta_snapshot') IS NULL THEN newest.checkpoint_id END"
                " FROM checkpoints AS newest"
                " WHERE newest.tenant = ? AND newest.thread_id = ?"
                f" AND newest.ns = {table}.ns ORDER BY newest.checkpoint_id DESC LIMIT 1)",
                (self._tenant, thread_id) * 2,
            )
        self._free_values(thread_id)

    def _free_values(self, thread_id: str) -> None:
        """Remove the values that no checkpoint of the thread holds any more."""
        self._connection.execute(
            "DELETE FROM checkpoint_values WHERE tenant = ? AND thread_id = ? AND"
            " (ns, channel, version) NOT IN (SELECT c.ns, held.key, held.value FROM checkpoints AS"
            " c, json_each(c.versions) AS held WHERE c.tenant = ? AND c.thread_id = ?)",
            (self._tenant, thread_id) * 2,
        )

    def _values(self, key: tuple[str, str, str], versions: str) -> dict[str, Typed]:
        rows = self._connection.execute(
            "SELECT v.channel, v.version, v.type, v.value FROM json_each(?) AS held CROSS JOIN"
            " checkpoint_values AS v WHERE v.tenant = ? AND v.thread_id = ? AND v.ns = ?"
            " AND v.channel = held.key AND v.version = held.value",
            (versions, *key),
        )
        return {
            channel: self._open((type_, value), VALUE, *key[1:], channel, version)
            for channel, version, type_, value in rows.fetchall()
        }

    def _writes(self, key: tuple[str, str, str, str]) -> list[PendingWrite]:
        # In this order LangGraph applied them, and a reader has to apply them again.
        rows = self._connection.execute(
            "SELECT task_id, idx, task_path, channel, type, value FROM checkpoint_writes"
            " WHERE tenant = ? AND thread_id = ? AND ns = ? AND checkpoint_id = ?"
            " ORDER BY task_path, task_id, idx",
            key,
        )
        return [
            PendingWrite(
                task, idx, path, channel, self._open((type_, value), WRITE, *key[1:], task, idx)
            )
            for task, idx, path, channel, type_, value in rows.fetchall()
        ]

    def _seal(self, value: Typed, *where: object) -> Typed:
        return self._cipher.seal_typed(value, self._tenant, *where)

    def _open(self, value: Typed, *where: object) -> Typed:
        return self._cipher.open_typed(value, self._tenant, *where)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        # Several selects that see one moment: another process may prune between two of them.
        # A savepoint, because it also stands inside the writer's transaction.
        self._connection.execute("SAVEPOINT snapshot")
        try:
            yield
        finally:
            self._connection.execute("RELEASE snapshot")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))

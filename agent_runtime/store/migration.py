"""What a numbered migration needs code for, run right after its script, in its transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import ormsgpack

from agent_runtime.cipher import Typed
from agent_runtime.errors import StoreError
from agent_runtime.store.checkpoints import Checkpoints, Place, StoredCheckpoint
from agent_runtime.store.transaction import Transaction

PLAIN_KEYS = ormsgpack.OPT_NON_STR_KEYS


def move_stock_checkpoints(connection: sqlite3.Connection) -> None:
    """Bring the checkpoints of LangGraph's own saver into our tables, and drop its tables.

    Its fence let nobody write for a thread that is no run, so that each has its tenant there.
    """
    rows = connection.execute(
        "SELECT r.tenant, s.thread_id, s.checkpoint_ns, s.checkpoint_id, s.parent_checkpoint_id,"
        " s.type, s.checkpoint, s.metadata FROM stock_checkpoints AS s"
        " JOIN runs AS r ON r.id = s.thread_id"
    )
    moving = Transaction(connection)
    for tenant, *row in rows:
        try:
            stored, values = _converted(*row)
        except ValueError as error:
            raise StoreError(
                f"A checkpoint of run {row[0]} cannot be read: {error}.",
                remedy="Nothing was changed. Restore a backup, or use the older agent-runtime.",
            ) from error
        Checkpoints(connection, tenant, moving).put(stored, values)
        moving.write()
    connection.execute(
        "INSERT INTO checkpoint_writes (tenant, thread_id, ns, checkpoint_id, task_id, idx,"
        " task_path, channel, type, value) SELECT r.tenant, s.thread_id, s.checkpoint_ns,"
        " s.checkpoint_id, s.task_id, s.idx, s.task_path, s.channel, s.type, s.value"
        " FROM stock_writes AS s JOIN runs AS r ON r.id = s.thread_id"
    )
    connection.execute("DROP TABLE stock_checkpoints")
    connection.execute("DROP TABLE stock_writes")


STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {2: move_stock_checkpoints}
"""By the number of the script that they belong to."""


def _converted(
    thread_id: str, ns: str, name: str, parent: str | None, type_: str, body: bytes, metadata: bytes
) -> tuple[StoredCheckpoint, dict[str, Typed]]:
    """A stock row as our saver would have stored it, and its channel values one by one."""
    if type_ != "msgpack":
        raise ValueError(f"it is stored as {type_}")
    # Extension types stay as they are, unopened: some of them say "import this and call it".
    checkpoint = ormsgpack.unpackb(body, ext_hook=ormsgpack.Ext, option=PLAIN_KEYS)
    held, versions = checkpoint.pop("channel_values"), checkpoint.pop("channel_versions")
    known = json.loads(metadata)
    known.pop("tenant", None)  # it is a column now
    packed, place = ("msgpack", _pack(checkpoint)), Place(thread_id, ns, name)
    stored = StoredCheckpoint(place, parent, known.get("run_id"), versions, known, packed)
    # A channel without a version is one that LangGraph never counted, and never reads.
    return stored, {channel: _typed(held[channel]) for channel in versions if channel in held}


def _typed(value: Any) -> Typed:
    """As the saver's serializer stores a value by itself."""
    if value is None:
        return ("null", b"")
    if isinstance(value, bytes):
        return ("bytes", value)
    return ("msgpack", _pack(value))


def _pack(value: Any) -> bytes:
    return ormsgpack.packb(value, option=PLAIN_KEYS)

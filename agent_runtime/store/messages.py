"""Messages in the store: which ones triggers took lately, so that none is taken for another."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from agent_runtime.clock import to_text
from agent_runtime.signature import WINDOW


class Messages:
    """One tenant's messages, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def take(self, trigger: str, message: str, digest: str) -> bool:
        """Note a message by its id and content; false when that id came with another content."""
        self._connection.execute(
            "DELETE FROM messages WHERE tenant = ? AND at < ?",
            (self._tenant, to_text(self._now - 2 * WINDOW)),  # a sender's clock may be ahead
        )
        row = self._connection.execute(
            "INSERT INTO messages (tenant, trigger, id, digest, at) VALUES (?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET at = at RETURNING digest",
            (self._tenant, trigger, message, digest, to_text(self._now)),
        ).fetchone()
        return bool(row[0] == digest)

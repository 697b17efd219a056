"""Triggers in the store: those that people have made, beside those that code declares."""

from __future__ import annotations

import sqlite3

from agent_runtime.errors import NotFound
from agent_runtime.trigger import StoredTrigger


class Triggers:
    """One tenant's triggers, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def put(self, trigger: StoredTrigger) -> None:
        """Store one, in place of an earlier one of that name."""
        self._connection.execute(
            "INSERT OR REPLACE INTO triggers (tenant, name, body) VALUES (?,?,?)",
            (self._tenant, trigger.name, trigger.model_dump_json()),
        )

    def get(self, name: str) -> StoredTrigger:
        """The trigger of that name; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            "SELECT body FROM triggers WHERE tenant = ? AND name = ?", (self._tenant, name)
        ).fetchone()
        if row is None:
            raise NotFound("trigger", name)
        return StoredTrigger.model_validate_json(row[0])

    def find(self) -> list[StoredTrigger]:
        """All of them, by name."""
        rows = self._connection.execute(
            "SELECT body FROM triggers WHERE tenant = ? ORDER BY name", (self._tenant,)
        )
        return [StoredTrigger.model_validate_json(body) for (body,) in rows.fetchall()]

    def remove(self, name: str) -> None:
        """Forget it."""
        self._connection.execute(
            "DELETE FROM triggers WHERE tenant = ? AND name = ?", (self._tenant, name)
        )

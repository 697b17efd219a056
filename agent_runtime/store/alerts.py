"""Alerts in the store: which of them stand."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from agent_runtime.clock import from_text, to_text


class Alerts:
    """One tenant's alerts, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def since(self, workflow: str, name: str) -> datetime | None:
        """Since when an alert stands; None: it doesn't."""
        row = self._connection.execute(
            "SELECT since FROM alerts WHERE tenant = ? AND workflow = ? AND name = ?",
            (self._tenant, workflow, name),
        ).fetchone()
        return None if row is None else from_text(row[0])

    def turn(self, workflow: str, name: str, *, raised: bool) -> bool:
        """Raise an alert, or end it; false where it was so already."""
        stands = self.since(workflow, name) is not None
        if stands == raised:
            return False
        if raised:
            self._connection.execute(
                "INSERT INTO alerts (tenant, workflow, name, since) VALUES (?,?,?,?)",
                (self._tenant, workflow, name, to_text(self._now)),
            )
        else:
            self._connection.execute(
                "DELETE FROM alerts WHERE tenant = ? AND workflow = ? AND name = ?",
                (self._tenant, workflow, name),
            )
        return True

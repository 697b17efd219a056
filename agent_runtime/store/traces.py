"""Traces in the store: which runs' root spans have not been acknowledged by any receiver."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from agent_runtime.clock import to_text

KEPT = timedelta(days=1)
"""For how long one is owed: a receiver that is gone for longer misses it."""


class Traces:
    """One tenant's, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def owe(self, run_id: str, owner: str) -> None:
        """A run has ended, and this process is to export its root."""
        self._connection.execute(
            "DELETE FROM traces_owed WHERE tenant = ? AND since < ?",
            (self._tenant, to_text(self._now - KEPT)),
        )
        self._connection.execute(
            "INSERT OR REPLACE INTO traces_owed (tenant, run_id, owner, since) VALUES (?,?,?,?)",
            (self._tenant, run_id, owner, to_text(self._now)),
        )

    def acknowledge(self, run_ids: Iterable[str]) -> None:
        """A receiver has them."""
        self._connection.executemany(
            "DELETE FROM traces_owed WHERE tenant = ? AND run_id = ?",
            [(self._tenant, run_id) for run_id in run_ids],
        )

    def owed(self) -> list[tuple[str, str]]:
        """Run and process of all that are owed."""
        rows = self._connection.execute(
            "SELECT run_id, owner FROM traces_owed WHERE tenant = ? AND since >= ?",
            (self._tenant, to_text(self._now - KEPT)),
        )
        return [(run_id, owner) for run_id, owner in rows.fetchall()]

    def take_over(self, owner: str, is_gone: Callable[[str], bool]) -> list[str]:
        """Have this process export what others that are gone have not; returns these runs."""
        taken = [run_id for run_id, before in self.owed() if is_gone(before)]
        self._connection.executemany(
            "UPDATE traces_owed SET owner = ? WHERE tenant = ? AND run_id = ?",
            [(owner, self._tenant, run_id) for run_id in taken],
        )
        return taken

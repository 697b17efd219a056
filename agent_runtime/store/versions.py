"""Versions of workflows in the store: each once, when the first run is started under it."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from agent_runtime.clock import to_text
from agent_runtime.topology import Topology
from agent_runtime.version import Version, label


class Versions:
    """One tenant's versions, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def keep(self, version: Version) -> None:
        """Store a version unless it is there."""
        if self._row("1", version.workflow, version.id) is not None:
            return
        self._connection.execute(
            "INSERT INTO workflow_versions (tenant, workflow, id, number, body, created_at)"
            " SELECT ?1, ?2, ?3, 1 + coalesce(max(number), 0), ?4, ?5 FROM workflow_versions"
            " WHERE tenant = ?1 AND workflow = ?2",
            (self._tenant, version.workflow, version.id)
            + (version.model_dump_json(), to_text(self._now)),
        )

    def get(self, workflow: str, version_id: str) -> Version | None:
        """A version; None for one that no run was started under since versions are kept."""
        found = self._row("body", workflow, version_id)
        return None if found is None else Version.model_validate_json(str(found))

    def topology(self, workflow: str, version_id: str) -> Topology | None:
        """How a version is drawn; None as `get`."""
        found = self.get(workflow, version_id)
        return None if found is None else found.topology

    def label(self, workflow: str, version_id: str) -> str:
        """How people name a version; its id where it was never kept."""
        number = self._row("number", workflow, version_id)
        return version_id if number is None else label(workflow, int(str(number)))

    def find(self, workflow: str) -> list[tuple[str, str]]:
        """Label and id of a workflow's versions, the oldest first."""
        rows = self._connection.execute(
            "SELECT number, id FROM workflow_versions WHERE tenant = ? AND workflow = ?"
            " ORDER BY number",
            (self._tenant, workflow),
        )
        return [(label(workflow, number), version_id) for number, version_id in rows.fetchall()]

    def _row(self, column: str, workflow: str, version_id: str) -> object:
        row = self._connection.execute(
            f"SELECT {column} FROM workflow_versions"  # noqa: S608 — constants
            " WHERE tenant = ? AND workflow = ? AND id = ?",
            (self._tenant, workflow, version_id),
        ).fetchone()
        return None if row is None else row[0]

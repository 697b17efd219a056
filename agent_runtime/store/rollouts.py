"""Rollouts in the store."""

from __future__ import annotations

import sqlite3
from functools import lru_cache

from agent_runtime.errors import NotFound
from agent_runtime.rollout import Rollout


class Rollouts:
    """One tenant's rollouts, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def put(self, rollout: Rollout) -> Rollout:
        """Store it as it stands now."""
        self._connection.execute(
            "INSERT INTO rollouts (id, tenant, workflow, state, subject, body)"
            " VALUES (?,?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET state = excluded.state, body = excluded.body",
            (
                rollout.id,
                self._tenant,
                rollout.workflow,
                rollout.state,
                rollout.subject,
                rollout.model_dump_json(),
            ),
        )
        return rollout

    def get(self, rollout_id: str) -> Rollout:
        """The rollout of that id; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            "SELECT body FROM rollouts WHERE tenant = ? AND id = ?", (self._tenant, rollout_id)
        ).fetchone()
        if row is None:
            raise NotFound("rollout", rollout_id)
        return _read(row[0])

    def running(self, workflow: str, subject: str = "") -> Rollout | None:
        """The one that is running for a workflow and subject, if there is one."""
        row = self._connection.execute(
            "SELECT body FROM rollouts WHERE tenant = ? AND workflow = ? AND subject = ?"
            " AND state = 'running'",
            (self._tenant, workflow, subject),
        ).fetchone()
        return None if row is None else _read(row[0])

    def find(self, workflow: str | None = None) -> list[Rollout]:
        """All, or one workflow's, in the order they were started."""
        rows = self._connection.execute(
            "SELECT body FROM rollouts WHERE tenant = ? AND (? IS NULL OR workflow = ?)"
            " ORDER BY id",
            (self._tenant, workflow, workflow),
        )
        return [_read(body) for (body,) in rows.fetchall()]


@lru_cache(maxsize=256)
def _read(body: str) -> Rollout:
    # Every segment asks for them, and few ever change.
    return Rollout.model_validate_json(body)

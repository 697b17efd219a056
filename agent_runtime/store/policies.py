"""Changes of policies in the store: at most one of a name is active."""

from __future__ import annotations

import sqlite3
from typing import Any

from agent_runtime.errors import NotFound
from agent_runtime.policy.change import ChangeState, PolicyChange


class PolicyChanges:
    """One tenant's changes, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, change: PolicyChange) -> None:
        """Store a new change."""
        self._connection.execute(
            "INSERT INTO policy_changes (id, tenant, name, state, body) VALUES (?,?,?,?,?)",
            (change.id, self._tenant, change.name, change.state, change.model_dump_json()),
        )

    def get(self, change_id: str) -> PolicyChange:
        """The change of that id; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            "SELECT body FROM policy_changes WHERE tenant = ? AND id = ?",
            (self._tenant, change_id),
        ).fetchone()
        if row is None:
            raise NotFound("policy change", change_id)
        return PolicyChange.model_validate_json(row[0])

    def find(
        self, state: ChangeState | None = None, *, name: str | None = None, limit: int = -1
    ) -> list[PolicyChange]:
        """Changes, the newest first; a negative limit means no limit."""
        rows = self._connection.execute(
            "SELECT body FROM policy_changes WHERE tenant = ?1 AND (?2 IS NULL OR state = ?2)"
            " AND (?3 IS NULL OR name = ?3) ORDER BY id DESC LIMIT ?4",
            (self._tenant, state, name, limit),
        )
        return [PolicyChange.model_validate_json(body) for (body,) in rows.fetchall()]

    def active(self) -> tuple[str, ...]:
        """The ids of what is in force, in the order of their names."""
        rows = self._connection.execute(
            "SELECT id FROM policy_changes WHERE tenant = ? AND state = 'active' ORDER BY name",
            (self._tenant,),
        )
        return tuple(change_id for (change_id,) in rows.fetchall())

    def update(self, change_id: str, **changes: Any) -> PolicyChange:
        """Change fields of one, its state among them."""
        changed = self.get(change_id).model_copy(update=changes)
        self._connection.execute(
            "UPDATE policy_changes SET state = ?, body = ? WHERE tenant = ? AND id = ?",
            (changed.state, changed.model_dump_json(), self._tenant, change_id),
        )
        return changed

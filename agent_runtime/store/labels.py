"""Labels in the store: what people said of runs that they were shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from agent_runtime.clock import from_text, to_text
from agent_runtime.run import ENDS


class Label(BaseModel):
    """One person's label of one run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    name: str
    value: str
    operator: str
    at: datetime


class Labels:
    """One tenant's labels, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def put(self, run_id: str, name: str, operator: str, value: str) -> Label:
        """Keep a person's label, in the place of the one they gave before."""
        self._connection.execute(
            "INSERT INTO labels (tenant, run_id, name, operator, value, at) VALUES (?,?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at",
            (self._tenant, run_id, name, operator, value, to_text(self._now)),
        )
        return Label(run_id=run_id, name=name, value=value, operator=operator, at=self._now)

    def find(self, run_id: str) -> list[Label]:
        """All of one run."""
        rows = self._connection.execute(
            "SELECT run_id, name, value, operator, at FROM labels"
            " WHERE tenant = ? AND run_id = ? ORDER BY name, at, operator",
            (self._tenant, run_id),
        )
        return [
            Label(run_id=run_id, name=name, value=value, operator=operator, at=from_text(at))
            for run_id, name, value, operator, at in rows.fetchall()
        ]

    def waiting(self, workflow: str, name: str, operator: str) -> str | None:
        """The run that this person should label next: one that exactly one other has labelled, so
        that agreement can be told; else the newest that has ended and nobody has labelled."""
        row = self._connection.execute(
            "SELECT l.run_id FROM labels AS l JOIN runs AS r ON r.id = l.run_id"
            " WHERE l.tenant = ? AND l.name = ? AND r.tenant = l.tenant AND r.workflow = ?"
            " GROUP BY l.run_id HAVING count(*) = 1 AND max(l.operator = ?) = 0"
            " ORDER BY l.run_id DESC LIMIT 1",
            (self._tenant, name, workflow, operator),
        ).fetchone()
        return self._unlabelled(workflow, name) if row is None else str(row[0])

    def _unlabelled(self, workflow: str, name: str) -> str | None:
        row = self._connection.execute(
            "SELECT id FROM runs AS r WHERE tenant = ? AND workflow = ?"
            " AND state IN (SELECT value FROM json_each(?)) AND NOT EXISTS"
            " (SELECT 1 FROM labels AS l WHERE l.tenant = r.tenant AND l.name = ?"
            " AND l.run_id = r.id) ORDER BY id DESC LIMIT 1",
            (self._tenant, workflow, json.dumps(sorted(ENDS)), name),
        ).fetchone()
        return None if row is None else str(row[0])

    def pairs(self, workflow: str, name: str) -> Mapping[tuple[str, str], int]:
        """How often two people gave which two labels to the same run, each pair of people once."""
        rows = self._connection.execute(
            "SELECT a.value, b.value, count(*) FROM labels AS a JOIN labels AS b"
            " ON b.tenant = a.tenant AND b.name = a.name AND b.run_id = a.run_id"
            " AND b.operator > a.operator JOIN runs AS r ON r.id = a.run_id"
            " WHERE a.tenant = ? AND a.name = ? AND r.workflow = ? GROUP BY a.value, b.value",
            (self._tenant, name, workflow),
        )
        return {(one, other): n for one, other, n in rows.fetchall()}

    def graded(
        self, workflow: str, name: str, grader: str, best: str
    ) -> dict[tuple[str, str], int]:
        """How often people and a grader said yes or no to the same run; `best` is people's yes, a
        score above a half the grader's."""
        rows = self._connection.execute(
            "SELECT CASE WHEN l.value = ? THEN 'yes' ELSE 'no' END,"
            " CASE WHEN g.score > 0.5 THEN 'yes' ELSE 'no' END, count(*) FROM labels AS l"
            " JOIN grades AS g ON g.tenant = l.tenant AND g.run_id = l.run_id AND g.grader = ?"
            " JOIN runs AS r ON r.id = l.run_id WHERE l.tenant = ? AND l.name = ?"
            " AND r.workflow = ? AND g.score IS NOT NULL GROUP BY 1, 2",
            (best, grader, self._tenant, name, workflow),
        )
        return {(people, grade): n for people, grade, n in rows.fetchall()}

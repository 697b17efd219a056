"""Grades in the store: what graders said of runs."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from agent_runtime.clock import from_text, to_text
from agent_runtime.store.connection import cipher_of

TABLE = "grades"


class Grade(BaseModel):
    """What one grader said of one run: a score from 0 to 1, or why it could not tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    grader: str
    score: float | None
    error: str
    reason: str
    at: datetime


class Grades:
    """One tenant's grades, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)

    def put(self, run_id: str, grader: str, score: float | None, error: str, reason: str) -> Grade:
        """Keep what a grader said, in the place of what it said before."""
        sealed = self._cipher.seal(reason, self._tenant, TABLE, run_id, grader)
        self._connection.execute(
            "INSERT INTO grades (tenant, run_id, grader, score, error, body, at)"
            " VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET score = excluded.score,"
            " error = excluded.error, body = excluded.body, at = excluded.at",
            (self._tenant, run_id, grader, score, error, sealed, to_text(self._now)),
        )
        return Grade(
            run_id=run_id, grader=grader, score=score, error=error, reason=reason, at=self._now
        )

    def find(self, run_id: str) -> list[Grade]:
        """All of one run, by grader."""
        rows = self._connection.execute(
            "SELECT run_id, grader, score, error, body, at FROM grades"
            " WHERE tenant = ? AND run_id = ? ORDER BY grader",
            (self._tenant, run_id),
        )
        return [
            Grade(
                run_id=run_id,
                grader=grader,
                score=score,
                error=error,
                reason=self._cipher.open(body, self._tenant, TABLE, run_id, grader),
                at=from_text(at),
            )
            for run_id, grader, score, error, body, at in rows.fetchall()
        ]

"""Outcomes in the store: what came of a run, as others said later."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from agent_runtime.clock import from_text, to_text


class Outcome(BaseModel):
    """One outcome of a run, as it is known now. Yes is 1, no is 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    name: str
    value: float
    observed_at: datetime
    recorded_at: datetime
    recorded_by: str


class Outcomes:
    """One tenant's outcomes, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def find(self, run_id: str) -> list[Outcome]:
        """All of one run, by name."""
        rows = self._connection.execute(
            "SELECT run_id, name, value, observed_at, recorded_at, recorded_by FROM outcomes"
            " WHERE tenant = ? AND run_id = ? ORDER BY name",
            (self._tenant, run_id),
        )
        return [_outcome(row) for row in rows.fetchall()]

    def get(self, run_id: str, name: str) -> Outcome | None:
        """One of them, if it was recorded."""
        return next((one for one in self.find(run_id) if one.name == name), None)

    def put(self, run_id: str, name: str, value: float, observed_at: datetime, by: str) -> Outcome:
        """Record one, in the place of what was known before."""
        self._connection.execute(
            "INSERT INTO outcomes (tenant, run_id, name, value, observed_at, recorded_at,"
            " recorded_by) VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET value = excluded.value,"
            " observed_at = excluded.observed_at, recorded_at = excluded.recorded_at,"
            " recorded_by = excluded.recorded_by",
            (self._tenant, run_id, name, value, to_text(observed_at), to_text(self._now), by),
        )
        return Outcome(
            run_id=run_id,
            name=name,
            value=value,
            observed_at=observed_at,
            recorded_at=self._now,
            recorded_by=by,
        )


def _outcome(row: tuple[str, str, float, str, str, str]) -> Outcome:
    run_id, name, value, observed, recorded, by = row
    times = {"observed_at": from_text(observed), "recorded_at": from_text(recorded)}
    return Outcome(run_id=run_id, name=name, value=value, recorded_by=by, **times)

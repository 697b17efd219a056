"""Measures in the store: sums over the history, and how far they have been kept up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from agent_runtime.clock import from_text, to_text
from agent_runtime.event import EventType
from agent_runtime.measure import MONTH, Key, Measure, Sum, by_month
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.events import BODIES, REFERENCE
from agent_runtime.store.recordings import Recordings
from agent_runtime.store.transaction import Reading

_ADD = (
    "INSERT INTO measures (tenant, day, workflow, measure, by, value, bucket, n, total, squares)"
    " VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET n = n + excluded.n,"
    " total = total + excluded.total, squares = squares + excluded.squares"
)

_SPAN = (
    "SELECT workflow, measure, by, value, bucket, n, total, squares FROM measures"
    " WHERE tenant = ? AND day BETWEEN ? AND ? AND (? IS NULL OR workflow = ?)"
    " AND (? IS NULL OR measure = ?)"
)
_FOUND = (
    "SELECT workflow, measure, by, value, bucket, sum(n), sum(total), sum(squares) FROM ({})"
    " GROUP BY workflow, measure, by, value, bucket"
)


@dataclass(frozen=True)
class Happened:
    """An event, as far as it is counted; `at` is the text that is stored."""

    number: int
    run_id: str
    type: EventType
    at: str
    body: dict[str, Any]


class Expense(NamedTuple):
    """What a run has spent on models: money in the price table's currency, and tokens."""

    money: float
    tokens: int


class Measures:
    """One tenant's sums, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)
        self._recordings = Recordings(connection, tenant, now, Reading(connection))

    def cursor(self) -> int:
        """The number of the last event that was counted."""
        row = self._connection.execute(
            "SELECT number FROM measured WHERE tenant = ?", (self._tenant,)
        ).fetchone()
        return int(row[0]) if row else 0

    def head(self) -> int:
        """The number of the newest event."""
        row = self._connection.execute(
            "SELECT max(number) FROM events WHERE tenant = ?", (self._tenant,)
        ).fetchone()
        return int(row[0] or 0)

    def happened(self, after: int, until: int, kinds: Iterable[EventType]) -> list[Happened]:
        """The runs' events of these kinds with a number above `after` and up to `until`. One whose
        body was erased tells nothing."""
        rows = self._connection.execute(
            "SELECT e.number, e.run_id, e.type, e.at, b.body FROM events AS e"
            " JOIN event_bodies AS b USING (seq) WHERE e.tenant = ? AND e.number > ?"
            " AND e.number <= ? AND e.run_id IS NOT NULL"
            " AND e.type IN (SELECT value FROM json_each(?)) ORDER BY e.number",
            (self._tenant, after, until, json.dumps(sorted(kinds))),
        )
        return [self._happened(*row) for row in rows.fetchall()]

    def courses(self, run_ids: Iterable[str]) -> dict[str, str]:
        """What is known of these runs so far, as it was put."""
        rows = self._connection.execute(
            "SELECT run_id, body FROM courses WHERE tenant = ?"
            " AND run_id IN (SELECT value FROM json_each(?))",
            (self._tenant, json.dumps(sorted(run_ids))),
        )
        return dict(rows.fetchall())

    def spent(self, run_ids: Iterable[str]) -> dict[str, Expense]:
        """What these runs have spent; those of which a price is missing are left out."""
        rows = self._connection.execute(
            "SELECT run_id, sum(cost), sum(tokens_in + tokens_out) FROM model_calls"
            " WHERE tenant = ? AND run_id IN (SELECT value FROM json_each(?))"
            " GROUP BY run_id HAVING count(cost) = count(*)",
            (self._tenant, json.dumps(sorted(run_ids))),
        )
        return {run_id: Expense(cost / 1e9, tokens) for run_id, cost, tokens in rows.fetchall()}

    def keep(
        self, before: int, after: int, sums: Mapping[Key, Sum], courses: Mapping[str, str]
    ) -> bool:
        """Add what the events up to `after` brought; false, with nothing added, where somebody
        else has counted beyond `before` meanwhile."""
        if self.cursor() != before:
            return False
        self._connection.execute(
            "INSERT INTO measured (tenant, number) VALUES (?,?)"
            " ON CONFLICT DO UPDATE SET number = excluded.number",
            (self._tenant, after),
        )
        self._connection.executemany(
            _ADD, [(self._tenant, *key, *found) for key, found in sums.items()]
        )
        self._connection.executemany(
            _ADD, [(self._tenant, *key, *found) for key, found in by_month(sums).items()]
        )
        self._connection.executemany(
            "INSERT INTO courses (tenant, run_id, body) VALUES (?,?,?)"
            " ON CONFLICT DO UPDATE SET body = excluded.body",
            [(self._tenant, run_id, body) for run_id, body in courses.items()],
        )
        return True

    def find(
        self,
        spans: Sequence[tuple[str, str]],
        workflow: str | None = None,
        measure: Measure | None = None,
    ) -> Iterator[tuple[Key, Sum]]:
        """All sums of some spans of days or of months, their ends included, each key's added up
        under the first of them; of one workflow and measure, or of all."""
        rows = self._connection.execute(
            _FOUND.format(" UNION ALL ".join([_SPAN] * len(spans))),
            [
                given
                for first, last in spans
                for given in (self._tenant, first, last, workflow, workflow, measure, measure)
            ],
        )
        for name, of, by, value, bucket, n, total, squares in rows:
            yield Key(spans[0][0], name, of, by, value, bucket), Sum(n, total, squares)

    def calibration(
        self, workflow: str, step: str, since: str, low: int, high: int
    ) -> dict[Measure, Sum]:
        """How many of a step's proposals were right and wrong whose confidence was in the buckets
        from `low` up to `high`, since that day."""
        rows = self._connection.execute(
            "SELECT measure, sum(n), sum(total), sum(squares) FROM measures"
            " INDEXED BY measures_of_calibration WHERE tenant = ? AND workflow = ? AND value = ?"
            " AND day >= ? AND day < ? AND measure IN ('right', 'wrong') AND by = 'step'"
            " AND bucket >= ? AND bucket < ? GROUP BY measure",
            (self._tenant, workflow, step, since, MONTH, low, high),
        )
        return {measure: Sum(n, total, squares) for measure, n, total, squares in rows.fetchall()}

    def oldest(self) -> tuple[str | None, str | None]:
        """Since when the run that is ready for the longest time is waiting, and the question that
        is open for the longest."""
        ready = self._connection.execute(
            "SELECT ready_at FROM runs WHERE tenant = ? AND state = 'queued' AND ready_at <= ?"
            " ORDER BY id LIMIT 1",
            (self._tenant, to_text(self._now)),
        ).fetchone()
        asked = self._connection.execute(
            "SELECT created_at FROM approvals WHERE tenant = ? AND status = 'open'"
            " ORDER BY id LIMIT 1",
            (self._tenant,),
        ).fetchone()
        return (ready[0] if ready else None), (asked[0] if asked else None)

    def ages(self) -> tuple[float, float]:
        """The same in seconds; 0 where nothing waits."""
        ready, asked = (self._age(since) for since in self.oldest())
        return ready, asked

    def _age(self, since: str | None) -> float:
        return 0.0 if since is None else max(0.0, (self._now - from_text(since)).total_seconds())

    def _happened(self, number: int, run_id: str, kind: EventType, at: str, body: str) -> Happened:
        told = json.loads(self._cipher.open(body, self._tenant, BODIES, number))
        if kind == "approval.decided":
            for name in ("proposed", "effective"):
                told[name] = self._whole(told.get(name) or {})
        return Happened(number, run_id, kind, at, told)

    def _whole(self, action: dict[str, Any]) -> dict[str, Any]:
        """An action with its arguments, where these are stored apart; none where they are gone."""
        arguments = action.get("arguments") or {}
        if list(arguments) != [REFERENCE]:
            return action
        return {**action, "arguments": self._recordings.kept(arguments[REFERENCE]) or {}}

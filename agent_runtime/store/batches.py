"""Batches in the store: what goes by a provider's batch endpoint, and what came back for it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.budget import Scope, Spent
from agent_runtime.clock import from_text, to_text
from agent_runtime.run import ENDS
from agent_runtime.store.connection import cipher_of

LineState = Literal["waiting", "sent", "answered", "lost"]
"""waiting: to be sent with others; sent: in a batch; answered: something came back for it, be it a
failure; lost: nothing did, or will."""

_COLUMNS = (
    "run_id, step, visit, model, request, state, batch, status, body, drawn, is_read, made_at,"
    " until, ended_at"
)
_BATCH = "id, model, theirs, looks, failures, made_at"


class Drawn(BaseModel):
    """What budgets were drawn on for a line: the name of each scope, and the estimate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scopes: dict[Scope, str] = {}
    estimate: Spent = Spent()


class Line(BaseModel):
    """One request of a batch: the first of one visit of a step. `model` is its name here, `request`
    the hash of the request as it is recorded; `body` is what is sent, then what came back with
    `status`. After `until` nobody waits for it; `is_read`: its run has recorded it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    step: str
    visit: int
    model: str
    request: str
    state: LineState = "waiting"
    batch: str | None = None
    status: int | None = None
    body: dict[str, Any]
    drawn: Drawn = Drawn()
    is_read: bool = False
    made_at: datetime
    until: datetime
    ended_at: datetime | None = None

    @property
    def id(self) -> str:
        """What the provider knows it by."""
        return f"{self.run_id}/{self.step}/{self.visit}"

    @property
    def millis(self) -> int:
        """How long it was on its way."""
        ended = self.ended_at or self.made_at
        return round((ended - self.made_at).total_seconds() * 1000)


class Batch(BaseModel):
    """Lines that were sent together. `theirs`: the provider's name for it; `looks` without an end,
    and `failures` in a row at sending it or looking at it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    model: str
    theirs: str | None = None
    looks: int = 0
    failures: int = 0
    made_at: datetime


class Batches:
    """One tenant's batches, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)

    def add(self, line: Line) -> None:
        """Keep a line until it is sent; raises sqlite3.IntegrityError where its visit has one."""
        row = line.model_dump(mode="json", include={"model", "request", "state"})
        self._connection.execute(
            "INSERT INTO batch_lines (tenant, run_id, step, visit, model, request, state, body,"
            " drawn, made_at, until) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (self._tenant, line.run_id, line.step, line.visit, *row.values())
            + (self._seal(line, line.body), line.drawn.model_dump_json())
            + (to_text(line.made_at), to_text(line.until)),
        )

    def line(self, run_id: str, step: str, visit: int) -> Line | None:
        """The line of a visit, if it has one."""
        found = self._lines("run_id = ? AND step = ? AND visit = ?", run_id, step, visit)
        return found[0] if found else None

    def lines(self, batch: str) -> list[Line]:
        """All lines of a batch."""
        return self._lines("batch = ?", batch)

    def gather(self, batch_id: str, model: str, most: int) -> Batch | None:
        """Make a batch of the lines that wait for a model, the oldest first; None where there are
        none."""
        rows = self._connection.execute(
            "SELECT run_id, step, visit FROM batch_lines WHERE tenant = ? AND model = ?"
            " AND state = 'waiting' ORDER BY made_at, run_id LIMIT ?",
            (self._tenant, model, most),
        ).fetchall()
        if not rows:
            return None
        batch = Batch(id=batch_id, model=model, made_at=self._now)
        self._connection.execute(
            "INSERT INTO batches (tenant, id, model, made_at) VALUES (?,?,?,?)",
            (self._tenant, batch.id, model, to_text(self._now)),
        )
        self._connection.executemany(
            "UPDATE batch_lines SET state = 'sent', batch = ?"
            " WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ?",
            [(batch.id, self._tenant, *row) for row in rows],
        )
        return batch

    def drop_ended(self, model: str) -> list[Line]:
        """Forget the lines of runs that have ended before they were sent; returns them."""
        ends = json.dumps(sorted(ENDS))
        dropped = self._lines(
            "model = ? AND state = 'waiting' AND run_id IN (SELECT id FROM runs WHERE"
            " runs.tenant = batch_lines.tenant AND state IN (SELECT value FROM json_each(?)))",
            model,
            ends,
        )
        self._connection.executemany(
            "DELETE FROM batch_lines WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ?",
            [(self._tenant, line.run_id, line.step, line.visit) for line in dropped],
        )
        return dropped

    def batch(self, batch_id: str) -> Batch | None:
        """The batch of that id, unless it is done."""
        row = self._connection.execute(
            f"SELECT {_BATCH} FROM batches WHERE tenant = ? AND id = ? AND NOT is_done",  # noqa: S608 — constant
            (self._tenant, batch_id),
        ).fetchone()
        if row is None:
            return None
        values = dict(zip(_BATCH.split(", "), row, strict=True))
        return Batch.model_validate({**values, "made_at": from_text(values["made_at"])})

    def follow(self, batch: Batch) -> None:
        """Store how far a batch is."""
        self._connection.execute(
            "UPDATE batches SET theirs = ?, looks = ?, failures = ? WHERE tenant = ? AND id = ?",
            (batch.theirs, batch.looks, batch.failures, self._tenant, batch.id),
        )

    def close(self, batch_id: str) -> None:
        """Nothing more comes of a batch."""
        self._connection.execute(
            "UPDATE batches SET is_done = 1 WHERE tenant = ? AND id = ?", (self._tenant, batch_id)
        )

    def bring(self, line: Line, status: int, answer: Mapping[str, Any]) -> bool:
        """Keep what came back for a line; false where that is known already."""
        return self._end(line, "answered", status, self._seal(line, answer))

    def lose(self, line: Line) -> bool:
        """Nothing comes back for a line; false where its end is known already."""
        return self._end(line, "lost", None, self._seal(line, {}))

    def read(self, line: Line) -> None:
        """Its run has recorded what came of it."""
        self._connection.execute(
            "UPDATE batch_lines SET is_read = 1"
            " WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ?",
            (self._tenant, line.run_id, line.step, line.visit),
        )

    def _end(self, line: Line, state: LineState, status: int | None, body: str) -> bool:
        done = self._connection.execute(
            "UPDATE batch_lines SET state = ?, status = ?, body = ?, ended_at = ? WHERE tenant = ?"
            " AND run_id = ? AND step = ? AND visit = ? AND state IN ('waiting', 'sent')",
            (state, status, body, to_text(self._now), self._tenant)
            + (line.run_id, line.step, line.visit),
        )
        return done.rowcount > 0

    def _lines(self, where: str, *values: object) -> list[Line]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM batch_lines WHERE tenant = ? AND {where}"  # noqa: S608 — constants
            " ORDER BY made_at, run_id, step, visit",
            (self._tenant, *values),
        ).fetchall()
        return [self._line(row) for row in rows]

    def _line(self, row: tuple[Any, ...]) -> Line:
        values = dict(zip(_COLUMNS.split(", "), row, strict=True))
        place = (values["run_id"], values["step"], values["visit"])
        opened = self._cipher.open(values["body"], self._tenant, "batch_lines", *place)
        times = {
            name: None if values[name] is None else from_text(values[name])
            for name in ("made_at", "until", "ended_at")
        }
        drawn = Drawn.model_validate_json(values["drawn"])
        return Line.model_validate({**values, **times, "body": json.loads(opened), "drawn": drawn})

    def _seal(self, line: Line, body: Mapping[str, Any]) -> str:
        text = json.dumps(body, ensure_ascii=False)
        return self._cipher.seal(
            text, self._tenant, "batch_lines", line.run_id, line.step, line.visit
        )

"""Events in the store: appended in the transaction of the change that they describe."""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import datetime
from typing import Any

from agent_runtime.action import canonical
from agent_runtime.clock import from_text, to_text
from agent_runtime.event import (
    GENESIS,
    Event,
    EventType,
    Head,
    Verification,
    digest_body,
    digest_text,
    link,
)

_SELECT = (
    "SELECT e.number, e.tenant, e.run_id, e.type, e.at, b.body, e.body_digest, e.previous,"
    " e.hash, b.salt FROM events e LEFT JOIN event_bodies b USING (seq) WHERE e.tenant = ?"
)


class Events:
    """One tenant's history, on one connection. `appended` collects what this session added."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self.appended: list[Event] = []
        # Nobody else writes within this session's transaction, so the end is looked up once.
        self._end: Head | None = None

    def append(self, kind: EventType, run_id: str | None = None, /, **body: Any) -> Event:
        """Add one event; the body is plain JSON."""
        head = self._end or self.head()
        number, at, salt = head.number + 1, to_text(self._now), secrets.token_hex(16)
        text = canonical(body)
        body_digest = digest_text(salt, text)
        chained = link(self._tenant, number, run_id, kind, at, body_digest, head.hash)
        cursor = self._connection.execute(
            "INSERT INTO events (tenant, number, run_id, type, at, body_digest, previous, hash)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (self._tenant, number, run_id, kind, at, body_digest, head.hash, chained),
        )
        self._connection.execute(
            "INSERT INTO event_bodies (seq, salt, body) VALUES (?,?,?)",
            (cursor.lastrowid, salt, text.decode()),
        )
        event = Event(
            number=number,
            tenant=self._tenant,
            run_id=run_id,
            type=kind,
            at=self._now,
            body=body,
            body_digest=body_digest,
            previous=head.hash,
            hash=chained,
        )
        self.appended.append(event)
        self._end = Head(tenant=self._tenant, number=number, hash=chained)
        return event

    def head(self) -> Head:
        """The end of this tenant's chain; number 0 when it has no events."""
        row = self._connection.execute(
            "SELECT number, hash FROM events WHERE tenant = ? ORDER BY number DESC LIMIT 1",
            (self._tenant,),
        ).fetchone()
        number, chained = row or (0, GENESIS)
        return Head(tenant=self._tenant, number=number, hash=chained)

    def find(self, run_id: str | None = None, *, after: int = 0, limit: int = -1) -> list[Event]:
        """Events in order, of one run or of all, with a number above `after`; a negative
        limit means no limit."""
        where = " AND e.number > ?" + (" AND e.run_id = ?" if run_id else "")
        parameters = (self._tenant, after, *([run_id] if run_id else []), limit)
        rows = self._connection.execute(f"{_SELECT}{where} ORDER BY e.number LIMIT ?", parameters)
        return [_event(row) for row in rows.fetchall()]

    def count(self, kind: EventType, run_id: str) -> int:
        """How many events of a kind one run has."""
        row = self._connection.execute(
            "SELECT count(*) FROM events WHERE tenant = ? AND run_id = ? AND type = ?",
            (self._tenant, run_id, kind),
        ).fetchone()
        return int(row[0])

    def verify(self, anchor: Head | None = None) -> Verification:
        """Recompute the whole chain, and hold it against a head kept outside the database.

        Without an anchor, an edit is found but a truncated end is not.
        """
        before, count, problem = GENESIS, 0, ""
        anchored = anchor is not None and anchor.number == 0
        for row in self._connection.execute(f"{_SELECT} ORDER BY e.number", (self._tenant,)):
            problem = _fault(row, count + 1, before)
            if problem:
                break
            count, before = count + 1, row[8]
            if anchor is not None and anchor.number == count:
                anchored = anchor.hash == before
                problem = "" if anchored else f"event {count} is not the one that was anchored"
                if problem:
                    break
        if not problem and anchor is not None and anchor.number > count:
            problem = f"the chain ends at {count}, but event {anchor.number} was anchored"
        return Verification(
            tenant=self._tenant, events=count, head=before, anchored=anchored, problem=problem
        )


def _fault(row: tuple[Any, ...], number: int, before: str) -> str:
    found, tenant, run_id, kind, at, body, body_digest, previous, chained, salt = row
    if found != number:
        return f"event {number} is missing"
    if previous != before:
        return f"event {number} does not follow the one before it"
    if body is not None and digest_body(salt, json.loads(body)) != body_digest:
        return f"the body of event {number} was changed"
    if link(tenant, number, run_id, kind, at, body_digest, before) != chained:
        return f"event {number} was changed"
    return ""


def _event(row: tuple[Any, ...]) -> Event:
    number, tenant, run_id, kind, at, body, body_digest, previous, chained, _ = row
    return Event(
        number=number,
        tenant=tenant,
        run_id=run_id,
        type=kind,
        at=from_text(at),
        body=None if body is None else json.loads(body),
        body_digest=body_digest,
        previous=previous,
        hash=chained,
    )

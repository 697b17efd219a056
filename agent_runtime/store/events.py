"""Events in the store: appended in the transaction of the change that they describe."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from agent_runtime.action import canonical
from agent_runtime.clock import from_text, to_text
from agent_runtime.errors import StoreError
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
from agent_runtime.notice import TOLD
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.notices import Notices
from agent_runtime.store.recordings import Content, Recordings
from agent_runtime.store.transaction import Transaction

BODIES = "event_bodies"

_SELECT = (
    "SELECT e.number, e.tenant, e.run_id, e.type, e.at, b.body, e.body_digest, e.previous,"
    " e.hash, b.salt FROM events e LEFT JOIN event_bodies b USING (seq) WHERE e.tenant = ?"
)


LARGE = 256
"""Characters from which on an action's arguments are stored once, and named by their hash."""

REFERENCE = "$content"
"""The one field of what stands for arguments that are stored apart."""


Days = tuple[str, str]
"""From which moment on, and before which one, as stored."""

_INSERT = (
    "INSERT INTO events (seq, tenant, number, run_id, type, at, body_digest, previous, hash) VALUES"
)
_INSERT_BODY = "INSERT INTO event_bodies (seq, salt, body) VALUES"


class Appended(NamedTuple):
    """What is to be known of an event to tell whom it concerns. `seq` counts over a whole file."""

    seq: int
    tenant: str
    type: EventType
    run_id: str | None


def appended_after(connection: sqlite3.Connection, seq: int, most: int) -> list[Appended]:
    """The newest events of all tenants after that one, at most so many, the newest first."""
    rows = connection.execute(
        "SELECT seq, tenant, type, run_id FROM events WHERE seq > ? ORDER BY seq DESC LIMIT ?",
        (seq, most),
    )
    return [Appended(*row) for row in rows]


class Events:
    """One tenant's history, on one connection. `appended` collects what this session added."""

    def __init__(
        self, connection: sqlite3.Connection, tenant: str, now: datetime, transaction: Transaction
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)
        self._transaction = transaction
        self.appended: list[Event] = []

    def append(self, kind: EventType, run_id: str | None = None, /, **body: Any) -> Event:
        """Add one event; the body is plain JSON."""
        head = self.head()
        number, at, salt = head.number + 1, to_text(self._now), self._transaction.salt()
        text = canonical(self._shared(body))
        body_digest = digest_text(salt, text)
        event = Event(
            number=number,
            tenant=self._tenant,
            run_id=run_id,
            type=kind,
            at=self._now,
            body=body,
            body_digest=body_digest,
            previous=head.hash,
            hash=link(self._tenant, number, run_id, kind, at, body_digest, head.hash),
        )
        self.appended.append(event)
        seq = self._next_seq()
        self._transaction.add(
            _INSERT,
            (seq, self._tenant, number, run_id, kind, at, body_digest, head.hash, event.hash),
        )
        sealed = self._cipher.seal(text.decode(), self._tenant, BODIES, number)
        self._transaction.add(_INSERT_BODY, (seq, salt, sealed))
        self._transaction.heads[self._tenant] = Head(
            tenant=self._tenant, number=number, hash=event.hash
        )
        if kind in TOLD:
            Notices(self._connection, self._tenant, self._now, self._transaction).tell(event)
        return event

    def _next_seq(self) -> int:
        """Kept by hand, as AUTOINCREMENT would: a number once used never comes again."""
        if self._transaction.last_seq is None:
            row = self._connection.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
            ).fetchone()
            self._transaction.last_seq = row[0] if row else 0
        self._transaction.last_seq += 1
        return self._transaction.last_seq

    def _shared(self, value: Any) -> Any:
        """The same with large `arguments` stored once for all events that repeat them."""
        if not isinstance(value, dict):
            return value
        return {
            name: self._reference(part) if name == "arguments" else self._shared(part)
            for name, part in value.items()
        }

    def _reference(self, arguments: Any) -> Any:
        content = Content.of(arguments)
        # What only looks like a reference is stored like the large: a model may have written it.
        if len(content.text) < LARGE and REFERENCE not in content.text:
            return arguments
        return {REFERENCE: self._recordings.put(content)}

    @property
    def _recordings(self) -> Recordings:
        return Recordings(self._connection, self._tenant, self._now, self._transaction)

    def head(self) -> Head:
        """The end of this tenant's chain; number 0 when it has no events."""
        known = self._transaction.heads.get(self._tenant)
        if known is not None:
            return known
        self._transaction.write()
        row = self._connection.execute(
            "SELECT number, hash FROM events WHERE tenant = ? ORDER BY number DESC LIMIT 1",
            (self._tenant,),
        ).fetchone()
        number, chained = row or (0, GENESIS)
        return Head(tenant=self._tenant, number=number, hash=chained)

    def find(self, run_id: str | None = None, *, after: int = 0, limit: int = -1) -> list[Event]:
        """Events in order, of one run or of all, with a number above `after`; a negative
        limit means no limit."""
        self._transaction.write()
        where = " AND e.number > ?" + (" AND e.run_id = ?" if run_id else "")
        parameters = (self._tenant, after, *([run_id] if run_id else []), limit)
        rows = self._connection.execute(f"{_SELECT}{where} ORDER BY e.number LIMIT ?", parameters)
        return [self._event(self._opened(row)) for row in rows.fetchall()]

    def of(self, kind: EventType, run_id: str) -> list[Event]:
        """One run's events of a kind, in order."""
        self._transaction.write()
        mine = (self._tenant, run_id, kind)
        where = " AND e.run_id = ? AND e.type = ? ORDER BY e.number"
        rows = self._connection.execute(f"{_SELECT}{where}", mine)
        return [self._event(self._opened(row)) for row in rows.fetchall()]

    def latest(self, run_id: str, *, limit: int, before: int | None = None) -> list[Event]:
        """The newest events of one run, or of those before a number, in order."""
        self._transaction.write()
        parameters = (self._tenant, run_id, before or 2**53, limit)
        where = " AND e.run_id = ? AND e.number < ? ORDER BY e.number DESC LIMIT ?"
        rows = self._connection.execute(f"{_SELECT}{where}", parameters).fetchall()
        return [self._event(self._opened(row)) for row in reversed(rows)]

    def backwards(
        self, kinds: Iterable[EventType], *, above: int, below: int, days: Days, limit: int
    ) -> list[Event]:
        """The newest events of these kinds with numbers between the two, the newest first."""
        self._transaction.write()
        parameters = (self._tenant, above, below, *days, json.dumps(sorted(kinds)), limit)
        where = (
            " AND e.number > ? AND e.number < ? AND e.at >= ? AND e.at < ?"
            " AND e.type IN (SELECT value FROM json_each(?)) ORDER BY e.number DESC LIMIT ?"
        )
        rows = self._connection.execute(f"{_SELECT}{where}", parameters).fetchall()
        return [self._event(self._opened(row)) for row in rows]

    def by_hour(self, kind: EventType, since: datetime, *, above: int) -> dict[str, int]:
        """How many of a kind there were in each hour since then (`2026-11-21T15`), among the
        events with numbers above that."""
        rows = self._connection.execute(
            "SELECT substr(at, 1, 13), count(*) FROM events"
            " WHERE tenant = ? AND number > ? AND at >= ? AND type = ? GROUP BY 1",
            (self._tenant, above, to_text(since), kind),
        )
        return dict(rows.fetchall())

    def judged(self, since: datetime | None, limit: int) -> list[Event]:
        """The newest judgements of the gate since then, the oldest of them first."""
        self._transaction.write()
        rows = self._connection.execute(
            f"{_SELECT} AND e.type = 'gate.judged' AND (?2 IS NULL OR e.at >= ?2)"
            " ORDER BY e.number DESC LIMIT ?3",
            (self._tenant, None if since is None else to_text(since), limit),
        )
        return [self._event(self._opened(row)) for row in reversed(rows.fetchall())]

    def count(self, kind: EventType, run_id: str) -> int:
        """How many events of a kind one run has."""
        self._transaction.write()
        row = self._connection.execute(
            "SELECT count(*) FROM events WHERE tenant = ? AND run_id = ? AND type = ?",
            (self._tenant, run_id, kind),
        ).fetchone()
        return int(row[0])

    def altered(self, run_id: str) -> str:
        """Which body of a run's events is not what its digest says; empty when each is."""
        self._transaction.write()
        rows = self._connection.execute(f"{_SELECT} AND e.run_id = ?", (self._tenant, run_id))
        for row in map(self._opened, rows.fetchall()):
            if row[5] is not None and digest_body(row[9], json.loads(row[5])) != row[6]:
                return f"the body of event {row[0]} was changed"
        return ""

    def verify(self, anchor: Head | None = None) -> Verification:
        """Recompute the whole chain, and hold it against a head kept outside the database.

        Without an anchor, an edit is found but a truncated end is not.
        """
        before, count, problem = GENESIS, 0, ""
        anchored = anchor is not None and anchor.number == 0
        for row in self._connection.execute(f"{_SELECT} ORDER BY e.number", (self._tenant,)):
            problem = self._fault(row, count + 1, before)
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

    def _fault(self, row: tuple[Any, ...], number: int, before: str) -> str:
        try:
            return _fault(self._opened(row), number, before)
        except StoreError as error:
            return f"the body of event {row[0]} cannot be opened: {error.message}"

    def _opened(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row with its body as it was before it was sealed."""
        if row[5] is None:
            return row
        return (*row[:5], self._cipher.open(row[5], self._tenant, BODIES, row[0]), *row[6:])

    def _event(self, row: tuple[Any, ...]) -> Event:
        number, tenant, run_id, kind, at, body, body_digest, previous, chained, _ = row
        return Event(
            number=number,
            tenant=tenant,
            run_id=run_id,
            type=kind,
            at=from_text(at),
            body=None if body is None else self._resolved(json.loads(body)),
            body_digest=body_digest,
            previous=previous,
            hash=chained,
        )

    def _resolved(self, value: Any) -> Any:
        """The inverse; a reference stays where its content is gone."""
        if not isinstance(value, dict):
            return value
        return {
            name: self._content(part) if name == "arguments" else self._resolved(part)
            for name, part in value.items()
        }

    def _content(self, arguments: Any) -> Any:
        if not isinstance(arguments, dict) or REFERENCE not in arguments:
            return arguments
        found = self._recordings.kept(arguments[REFERENCE])
        return arguments if found is None else found


def _is_digested(salt: str, body: str, body_digest: str) -> bool:
    """Whether that is the digest of a stored body. Stored is the very text that was digested; only
    where it is not, such as after a file was written by other means, is its JSON looked at."""
    if digest_text(salt, body.encode()) == body_digest:
        return True
    return digest_body(salt, json.loads(body)) == body_digest


def _fault(row: tuple[Any, ...], number: int, before: str) -> str:
    found, tenant, run_id, kind, at, body, body_digest, previous, chained, salt = row
    if found != number:
        return f"event {number} is missing"
    if previous != before:
        return f"event {number} does not follow the one before it"
    if body is not None and not _is_digested(salt, body, body_digest):
        return f"the body of event {number} was changed"
    if link(tenant, number, run_id, kind, at, body_digest, before) != chained:
        return f"event {number} was changed"
    return ""

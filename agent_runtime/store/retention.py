"""Retention in the store: what is erased of old runs, and what their history keeps."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from agent_runtime.clock import from_text, to_text
from agent_runtime.run import ENDS
from agent_runtime.store.checkpoints import BODY, VALUE, WRITE, Checkpoints
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.events import BODIES
from agent_runtime.store.transaction import Transaction

Part = Literal["runs", "recordings", "events"]
"""What is erased of a run. runs: its checkpoints and handed-in texts; recordings: its exchanges
with models and tools; events: the bodies of its events."""

PARTS: tuple[Part, ...] = get_args(Part)

IN_FLIGHT = timedelta(hours=1)
"""A passage is stored a moment before the checkpoint that names it; how much younger than this
none is, whatever a step takes."""

_HASH = re.compile(rb"sha256:[0-9a-f]{64}")

_HELD: dict[Part, str] = {
    "runs": "documents <> '[]' OR EXISTS (SELECT 1 FROM checkpoints AS c"
    " WHERE c.tenant = r.tenant AND c.thread_id = r.id)",
    "recordings": "EXISTS (SELECT 1 FROM recordings AS x"
    " WHERE x.tenant = r.tenant AND x.run_id = r.id) OR EXISTS (SELECT 1 FROM batch_lines AS l"
    " WHERE l.tenant = r.tenant AND l.run_id = r.id)",
    "events": "EXISTS (SELECT 1 FROM events AS e JOIN event_bodies USING (seq)"
    " WHERE e.tenant = r.tenant AND e.run_id = r.id AND e.type <> 'run.pruned')",
}
"""Whether there is anything of a part to be erased; what pruning itself has said stays."""

_COUNTS: dict[Part, tuple[str, str]] = {
    "runs": ("checkpoints", "SELECT count(*) FROM checkpoints WHERE tenant = ? AND thread_id = ?"),
    "recordings": (
        "recordings",
        "SELECT count(*) FROM recordings WHERE tenant = ? AND run_id = ?",
    ),
    "events": (
        "bodies",
        "SELECT count(*) FROM event_bodies JOIN events USING (seq) WHERE tenant = ?"
        " AND run_id = ? AND type <> 'run.pruned'",
    ),
}


_TYPED = {
    BODY: "SELECT type, body, thread_id, ns, checkpoint_id FROM checkpoints WHERE tenant = ?",
    VALUE: "SELECT type, value, thread_id, ns, channel, version FROM checkpoint_values"
    " WHERE tenant = ?",
    WRITE: "SELECT type, value, thread_id, ns, checkpoint_id, task_id, idx FROM checkpoint_writes"
    " WHERE tenant = ?",
}
"""Serialized values with the row that they are sealed for."""


@dataclass(frozen=True)
class Marked:
    """Contents that nothing referred to at one moment, and where history stood then."""

    names: tuple[str, ...]
    events: int
    recordings: int


class Retention:
    """One tenant's contents and their age, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)

    def due(self, part: Part, before: datetime, workflow: str | None = None) -> list[str]:
        """Runs that ended before that moment and still hold something of the part, the oldest
        first; of one workflow, or of all."""
        ends = json.dumps(sorted(ENDS))
        rows = self._connection.execute(
            "SELECT id FROM runs AS r WHERE tenant = ? AND updated_at < ?"  # noqa: S608 — constant
            " AND state IN (SELECT value FROM json_each(?)) AND (? IS NULL OR workflow = ?)"
            f" AND ({_HELD[part]}) ORDER BY updated_at, id",
            (self._tenant, to_text(before), ends, workflow, workflow),
        )
        return [run_id for (run_id,) in rows.fetchall()]

    def count(self, run_id: str, parts: Collection[Part] = PARTS) -> dict[str, int]:
        """How many rows `erase` would remove of a run."""
        mine = (self._tenant, run_id)
        return {
            name: int(self._connection.execute(query, mine).fetchone()[0]) if part in parts else 0
            for part, (name, query) in _COUNTS.items()
        }

    def erase(self, run_id: str, parts: Collection[Part] = PARTS) -> None:
        """Remove parts of a run. Events, the run's own row, approvals, decisions and the journal
        stay."""
        mine = (self._tenant, run_id)
        if "recordings" in parts:
            self._connection.execute("DELETE FROM recordings WHERE tenant = ? AND run_id = ?", mine)
            self._connection.execute(
                "DELETE FROM batch_lines WHERE tenant = ? AND run_id = ?", mine
            )
        if "events" in parts:
            self._connection.execute(
                "DELETE FROM event_bodies WHERE seq IN (SELECT seq FROM events"
                " WHERE tenant = ? AND run_id = ? AND type <> 'run.pruned')",
                mine,
            )
            # A judge's reason may quote the run; its score says nothing of it.
            self._connection.execute(
                "UPDATE grades SET body = '' WHERE tenant = ? AND run_id = ?", mine
            )
        if "runs" in parts:
            self._connection.execute(
                "UPDATE runs SET documents = '[]' WHERE tenant = ? AND id = ?", mine
            )
            held = Transaction(self._connection)
            Checkpoints(self._connection, self._tenant, held).delete_thread(run_id)

    def unreferenced(self) -> list[str]:
        """Contents that nothing of this tenant refers to, directly or through another content."""
        named: dict[str, set[str]] = {}
        for name, body in self._connection.execute(
            "SELECT hash, body FROM contents WHERE tenant = ?", (self._tenant,)
        ):
            named[name] = set(_hashes(self._open(body, "contents", name)))
        return sorted(named.keys() - _reach(self._named(), named.get))

    def mark(self) -> Marked:
        """What `sweep` may remove. Read this within one transaction that sees one moment."""
        marks = {
            table: int(self._connection.execute(query).fetchone()[0])
            for table, query in {
                "events": "SELECT coalesce(max(seq), 0) FROM events",
                "recordings": "SELECT coalesce(max(seq), 0) FROM recordings",
            }.items()
        }
        names = self.unreferenced()
        if self._works():
            names = [name for name in names if not self._is_in_flight(name)]
        return Marked(tuple(names), **marks)

    def sweep(self, marked: Marked, names: Collection[str]) -> int | None:
        """Remove some of the marked contents, but none that a run has begun to use since; how
        many. None: somebody else has pruned since, so that the marks say nothing any more."""
        rows = self._connection.execute(
            "SELECT type, number, body FROM events LEFT JOIN event_bodies USING (seq)"
            " WHERE tenant = ? AND seq > ?",
            (self._tenant, marked.events),
        ).fetchall()
        if any(kind == "run.pruned" for kind, _, _ in rows):
            return None
        bodies = (self._open(body or "", BODIES, number) for _, number, body in rows)
        new = {name for body in bodies for name in _hashes(body)}
        for exchange in self._connection.execute(
            "SELECT request, response FROM recordings WHERE tenant = ? AND seq > ?",
            (self._tenant, marked.recordings),
        ):
            new.update(exchange)
        gone = sorted(set(names) - _reach(new, self._look))
        self._connection.execute(
            "DELETE FROM contents WHERE tenant = ? AND hash IN (SELECT value FROM json_each(?))",
            (self._tenant, json.dumps(gone)),
        )
        return len(gone)

    def _works(self) -> bool:
        """Whether any run is being worked on."""
        query = "SELECT 1 FROM runs WHERE tenant = ? AND state = 'running' LIMIT 1"
        return self._connection.execute(query, (self._tenant,)).fetchone() is not None

    def _is_in_flight(self, name: str) -> bool:
        """Whether a content may be a passage whose checkpoint is still to be written."""
        content: Any = json.loads(self._body(name) or "null")
        retrieved = content.get("retrieved_at") if isinstance(content, dict) else None
        return isinstance(retrieved, str) and from_text(retrieved) > self._now - IN_FLIGHT

    def _look(self, name: str) -> set[str] | None:
        """What a content names; None when there is none of that name."""
        body = self._body(name)
        return None if body is None else set(_hashes(body))

    def _body(self, name: str) -> str | None:
        row = self._connection.execute(
            "SELECT body FROM contents WHERE tenant = ? AND hash = ?", (self._tenant, name)
        ).fetchone()
        return None if row is None else self._open(row[0], "contents", name)

    def _named(self) -> Iterator[str]:
        """Every hash in recordings, event bodies and checkpoints."""
        for exchange in self._rows("SELECT request, response FROM recordings WHERE tenant = ?"):
            yield from exchange
        bodies = "SELECT number, body FROM event_bodies JOIN events USING (seq) WHERE tenant = ?"
        for number, body in self._rows(bodies):
            yield from _hashes(self._open(body, BODIES, number))
        for table, query in _TYPED.items():
            for type_, value, *row in self._rows(query):
                yield from _hashes(
                    self._cipher.open_typed((type_, value), self._tenant, table, *row)[1]
                )

    def _rows(self, query: str) -> sqlite3.Cursor:
        return self._connection.execute(query, (self._tenant,))

    def _open(self, text: str, *where: object) -> str:
        return self._cipher.open(text, self._tenant, *where)


def stored_tenants(connection: sqlite3.Connection) -> list[str]:
    """The tenants that there are runs of."""
    rows = connection.execute("SELECT DISTINCT tenant FROM runs ORDER BY tenant")
    return [tenant for (tenant,) in rows.fetchall()]


def stored_workflows(connection: sqlite3.Connection) -> list[str]:
    """The workflows that there are runs of, whoever's."""
    rows = connection.execute("SELECT DISTINCT workflow FROM runs")
    return [workflow for (workflow,) in rows.fetchall()]


def _reach(names: Iterable[str], look: Callable[[str], set[str] | None]) -> set[str]:
    """The contents that are named, directly or by another that is; `look` says what one names."""
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found = None if name in reached else look(name)
        if found is not None:
            reached.add(name)
            waiting |= found
    return reached


def _hashes(content: str | bytes) -> Iterator[str]:
    raw = content.encode() if isinstance(content, str) else content
    return (found.decode() for found in _HASH.findall(raw))

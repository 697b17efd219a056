"""Retention in the store: what is erased of old runs, and what their history keeps."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime

from agent_runtime.clock import to_text
from agent_runtime.run import ENDS
from agent_runtime.store.checkpoints import Checkpoints

_HASH = re.compile(rb"sha256:[0-9a-f]{64}")


class Retention:
    """One tenant's contents and their age, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def due(self, before: datetime, workflow: str | None, limit: int = 1_000_000) -> list[str]:
        """Runs that ended before that moment and were not pruned yet, the oldest first."""
        ends = json.dumps(sorted(ENDS))
        rows = self._connection.execute(
            "SELECT id FROM runs AS r WHERE tenant = ? AND updated_at < ?"
            " AND state IN (SELECT value FROM json_each(?)) AND (? IS NULL OR workflow = ?)"
            " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.tenant = r.tenant"
            " AND e.run_id = r.id AND e.type = 'run.pruned') ORDER BY updated_at LIMIT ?",
            (self._tenant, to_text(before), ends, workflow, workflow, limit),
        )
        return [run_id for (run_id,) in rows.fetchall()]

    def count(self, run_id: str) -> dict[str, int]:
        """How many rows `erase` would remove of a run."""
        mine = (self._tenant, run_id)
        queries = {
            "recordings": "SELECT count(*) FROM recordings WHERE tenant = ? AND run_id = ?",
            "checkpoints": "SELECT count(*) FROM checkpoints WHERE tenant = ? AND thread_id = ?",
            "bodies": "SELECT count(*) FROM event_bodies JOIN events USING (seq)"
            " WHERE tenant = ? AND run_id = ?",
        }
        return {
            name: int(self._connection.execute(query, mine).fetchone()[0])
            for name, query in queries.items()
        }

    def erase(self, run_ids: Sequence[str]) -> None:
        """Remove recordings, checkpoints, handed-in texts and event bodies of runs. Events, the
        run's own row, approvals, decisions and the journal stay."""
        named = (self._tenant, json.dumps(list(run_ids)))
        for statement in (
            "DELETE FROM recordings WHERE tenant = ?"
            " AND run_id IN (SELECT value FROM json_each(?))",
            "UPDATE runs SET documents = '[]' WHERE tenant = ?"
            " AND id IN (SELECT value FROM json_each(?))",
            "DELETE FROM event_bodies WHERE seq IN (SELECT seq FROM events"
            " WHERE tenant = ? AND run_id IN (SELECT value FROM json_each(?)))",
        ):
            self._connection.execute(statement, named)
        checkpoints = Checkpoints(self._connection, self._tenant)
        for run_id in run_ids:
            checkpoints.delete_thread(run_id)

    def unreferenced(self) -> list[str]:
        """Contents that nothing of this tenant refers to, directly or through another content."""
        bodies: dict[str, bytes] = {
            name: body.encode()
            for name, body in self._connection.execute(
                "SELECT hash, body FROM contents WHERE tenant = ?", (self._tenant,)
            )
        }
        waiting, kept = set(self._named()) & bodies.keys(), set[str]()
        while waiting:
            name = waiting.pop()
            kept.add(name)
            waiting |= (set(_hashes(bodies[name])) & bodies.keys()) - kept
        return sorted(bodies.keys() - kept)

    def drop(self, names: Sequence[str]) -> None:
        """Remove contents."""
        self._connection.execute(
            "DELETE FROM contents WHERE tenant = ? AND hash IN (SELECT value FROM json_each(?))",
            (self._tenant, json.dumps(list(names))),
        )

    def _named(self) -> Iterator[str]:
        """Every hash in recordings, event bodies and checkpoints."""
        for query in (
            "SELECT request || ' ' || response FROM recordings WHERE tenant = ?",
            "SELECT body FROM event_bodies JOIN events USING (seq) WHERE tenant = ?",
            "SELECT value FROM checkpoint_values WHERE tenant = ?",
            "SELECT value FROM checkpoint_writes WHERE tenant = ?",
            "SELECT body FROM checkpoints WHERE tenant = ?",
        ):
            for (value,) in self._connection.execute(query, (self._tenant,)):
                yield from _hashes(value.encode() if isinstance(value, str) else value)


def _hashes(content: bytes) -> Iterator[str]:
    return (found.decode() for found in _HASH.findall(content))

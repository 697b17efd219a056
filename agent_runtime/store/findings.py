"""Findings in the store: rows that should not be there, and runs that nobody moves on."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from agent_runtime.clock import to_text
from agent_runtime.run import ENDS

QUERIES: dict[str, str] = {
    "approval_without_run": "SELECT id, run_id FROM approvals AS a WHERE tenant = :tenant AND"
    " NOT EXISTS (SELECT 1 FROM runs WHERE tenant = a.tenant AND id = a.run_id)",
    "authorization_without_run": "SELECT id, run_id FROM authorizations AS a WHERE"
    " tenant = :tenant AND NOT EXISTS (SELECT 1 FROM runs WHERE tenant = a.tenant"
    " AND id = a.run_id)",
    "journal_without_run": "SELECT key, run_id FROM journal AS j WHERE tenant = :tenant AND"
    " NOT EXISTS (SELECT 1 FROM runs WHERE tenant = j.tenant AND id = j.run_id)",
    "recording_without_run": "SELECT seq, run_id FROM recordings AS r WHERE tenant = :tenant AND"
    " NOT EXISTS (SELECT 1 FROM runs WHERE tenant = r.tenant AND id = r.run_id)",
    "checkpoint_without_run": "SELECT DISTINCT thread_id, '' FROM checkpoints AS c WHERE"
    " tenant = :tenant AND NOT EXISTS (SELECT 1 FROM runs WHERE tenant = c.tenant"
    " AND id = c.thread_id)",
    "lease_lapsed": "SELECT id, coalesce(owner, 'nobody') FROM runs WHERE tenant = :tenant"
    " AND state = 'running' AND coalesce(lease_until, '') < :now",
    # Asked once: for each run, SQLite would walk through all that is open.
    "paused_unasked": "SELECT id, workflow FROM runs WHERE tenant = :tenant AND"
    " state = 'paused' AND id NOT IN (SELECT run_id FROM approvals WHERE tenant = :tenant"
    " AND status = 'open')",
    "asked_after_end": "SELECT a.id, a.run_id FROM approvals AS a JOIN runs AS r"
    " ON r.tenant = a.tenant AND r.id = a.run_id WHERE a.tenant = :tenant"
    " AND a.status IN ('requested', 'open') AND r.state IN (SELECT value FROM json_each(:ended))",
    "intent_after_end": "SELECT j.key, j.run_id FROM journal AS j JOIN runs AS r"
    " ON r.tenant = j.tenant AND r.id = j.run_id WHERE j.tenant = :tenant"
    " AND j.state = 'intended' AND r.state IN (SELECT value FROM json_each(:ended))",
    "overdue": "SELECT id, deadline FROM approvals WHERE tenant = :tenant AND status = 'open'"
    " AND deadline < :now",
    # The last of a run's events by their index; for a maximum, SQLite would walk the whole history.
    "restored_untouched": "SELECT id, state FROM runs AS r WHERE tenant = :tenant"
    " AND state NOT IN (SELECT value FROM json_each(:ended))"
    " AND (SELECT max(number) FROM events WHERE tenant = :tenant AND type = 'data.restored')"
    " > (SELECT number FROM events INDEXED BY events_by_run WHERE run_id = r.id"
    " AND tenant = :tenant ORDER BY seq DESC LIMIT 1)",
}
"""By the name of the finding: which row, and a detail."""


@dataclass(frozen=True)
class Row:
    """One row that was found."""

    code: str
    id: str
    detail: str


def find_rows(connection: sqlite3.Connection, tenant: str, now: datetime) -> list[Row]:
    """Everything that is wrong with one tenant's rows."""
    given = {"tenant": tenant, "now": to_text(now), "ended": json.dumps(sorted(ENDS))}
    return [
        Row(code, str(row[0]), str(row[1]))
        for code, query in QUERIES.items()
        for row in connection.execute(query, given).fetchall()
    ]


def find_acknowledgements(connection: sqlite3.Connection, tenant: str) -> list[int]:
    """The numbers of the events by which people acknowledged what the anchor lacks."""
    query = "SELECT number FROM events WHERE tenant = ? AND type = 'history.acknowledged'"
    return [number for (number,) in connection.execute(query, (tenant,)).fetchall()]


def vacuum_mode(connection: sqlite3.Connection) -> bool:
    """Whether the file can give free pages back."""
    return bool(connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 2)

"""Timers in the store: everything that time alone brings about, each set once and fired once."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Literal

from agent_runtime.clock import from_text, to_text

TimerKind = Literal[
    "deadline", "hold", "reminder", "start", "schedule", "upkeep", "notice", "batch"
]
"""deadline: an open approval is escalated or expires; hold: an answer can be undone no more and
takes effect; reminder: people are told that an open approval will soon be late; start: a queued
run may be claimed; schedule: a run is started; upkeep: old content is pruned, or a tenant's files
are looked at again; notice: another system or a person is told of an event; batch: a
provider's batch is sent or looked at."""

INSTALLATION = "*"
"""Whose timers those of the whole file are: it is no tenant's name."""

# A repeated timer that was set later than now was set before the clock went back: it is looked at
# again, or it would be silent for as long as the clock had jumped.
_SET_BACK = "kind IN ('schedule', 'upkeep', 'notice', 'batch') AND set_at > :now"

# Two look-ups by an index each: with ten thousand open questions, one may be due.
_DUE = f"""
SELECT tenant, kind, subject, due_at FROM timers INDEXED BY timers_due WHERE due_at <= :now
UNION SELECT tenant, kind, subject, due_at FROM timers INDEXED BY timers_repeated WHERE {_SET_BACK}
"""  # noqa: S608 — constant


class Timers:
    """One tenant's timers, on one connection; at most one of a kind for a subject."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def set(self, kind: TimerKind, subject: str, due_at: datetime) -> None:
        """Set the subject's timer, in place of an earlier one."""
        self._connection.execute(
            "INSERT OR REPLACE INTO timers (tenant, kind, subject, due_at, set_at)"
            " VALUES (?,?,?,?,?)",
            (self._tenant, kind, subject, to_text(due_at), to_text(self._now)),
        )

    def drop(self, kind: TimerKind, subject: str) -> None:
        """Forget the subject's timer, if it has one."""
        self._connection.execute(
            "DELETE FROM timers WHERE tenant = ? AND kind = ? AND subject = ?",
            (self._tenant, kind, subject),
        )

    def get(self, kind: TimerKind, subject: str) -> datetime | None:
        """When the subject's timer is due, if it has one."""
        row = self._connection.execute(
            "SELECT due_at FROM timers WHERE tenant = ? AND kind = ? AND subject = ?",
            (self._tenant, kind, subject),
        ).fetchone()
        return None if row is None else from_text(row[0])

    def fire(self, kind: TimerKind, subject: str) -> datetime | None:
        """Take the subject's timer away if it is due: then the caller, and nobody else, brings
        its effect about in this transaction. When it was due, or None."""
        row = self._connection.execute(
            "DELETE FROM timers WHERE tenant = :tenant AND kind = :kind AND subject = :subject"  # noqa: S608 — constant
            f" AND (due_at <= :now OR {_SET_BACK}) RETURNING due_at",
            self._named(kind, subject=subject),
        ).fetchone()
        return None if row is None else from_text(row[0])

    def due(self, kind: TimerKind) -> list[str]:
        """The subjects whose timers are due, the earliest first."""
        rows = self._connection.execute(
            f"SELECT subject FROM ({_DUE}) WHERE tenant = :tenant AND kind = :kind"  # noqa: S608 — constant
            " ORDER BY due_at, subject",
            self._named(kind),
        )
        return [subject for (subject,) in rows.fetchall()]

    def _named(self, kind: TimerKind, **more: str) -> dict[str, str]:
        return {"tenant": self._tenant, "kind": kind, "now": to_text(self._now), **more}


def next_due(connection: sqlite3.Connection, now: datetime) -> datetime | None:
    """When the next timer of any tenant will be due; those that are due already don't count."""
    (at,) = connection.execute(
        "SELECT min(due_at) FROM timers WHERE due_at > ?", (to_text(now),)
    ).fetchone()
    return None if at is None else from_text(at)


def whose_due(connection: sqlite3.Connection, now: datetime) -> list[tuple[str, TimerKind]]:
    """Which kinds of timers are due, of which tenants; runs that may start are the queue's."""
    rows = connection.execute(
        f"SELECT DISTINCT tenant, kind FROM ({_DUE}) WHERE kind <> 'start' ORDER BY 1, 2",  # noqa: S608 — constant
        {"now": to_text(now)},
    )
    return rows.fetchall()

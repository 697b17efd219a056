"""Answers in the store: what was said to a request that carried an idempotency key."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agent_runtime.clock import to_text
from agent_runtime.errors import KeyAtWork, KeyReused
from agent_runtime.store.connection import cipher_of

KEPT = timedelta(hours=24)
"""How long a key stands for its first request."""


Taken = Literal["first", "again"]
"""first: nobody has begun the request; again: it was begun, and nobody knows how far it came."""


@dataclass(frozen=True)
class StoredAnswer:
    """One answer as it was sent."""

    status: int
    headers: dict[str, str]
    body: str


class Answers:
    """One tenant's answers, on one connection. Keys are each operator's own."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)

    def begin(
        self, operator: str, key: str, request: str, owner: str, is_gone: Callable[[str], bool]
    ) -> StoredAnswer | Taken:
        """Take the key for a request, named by its digest; or the answer that it got before.

        `owner` is this process. What a process left unanswered that is gone may be done again.
        Raises KeyReused for another request, KeyAtWork while the first is still at work.
        """
        self._forget()
        row = self._connection.execute(
            "SELECT request, owner, status, headers, body FROM answers"
            " WHERE tenant = ? AND operator = ? AND key = ?",
            (self._tenant, operator, key),
        ).fetchone()
        if row is None:
            self._take(operator, key, request, owner)
            return "first"
        before, by, status, headers, body = row
        if before != request:
            raise KeyReused(key)
        if status is not None:
            return StoredAnswer(status, json.loads(headers), body)
        if not is_gone(by):
            raise KeyAtWork(key)
        self._take(operator, key, request, owner)
        return "again"

    def finish(self, operator: str, key: str, answer: StoredAnswer) -> None:
        """Keep the answer for the key."""
        self._connection.execute(
            "UPDATE answers SET status = ?, headers = ?, body = ?"
            " WHERE tenant = ? AND operator = ? AND key = ?",
            (answer.status, json.dumps(answer.headers))
            + (self._cipher.seal(answer.body, self._tenant, "answers", operator, key),)
            + (self._tenant, operator, key),
        )

    def drop(self, operator: str, key: str) -> None:
        """Give the key back: the request was not carried out."""
        self._connection.execute(
            "DELETE FROM answers WHERE tenant = ? AND operator = ? AND key = ? AND status IS NULL",
            (self._tenant, operator, key),
        )

    def _take(self, operator: str, key: str, request: str, owner: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO answers (tenant, operator, key, request, owner, created_at)"
            " VALUES (?,?,?,?,?,?)",
            (self._tenant, operator, key, request, owner, to_text(self._now)),
        )

    def _forget(self) -> None:
        self._connection.execute(
            "DELETE FROM answers WHERE tenant = ? AND created_at < ?",
            (self._tenant, to_text(self._now - KEPT)),
        )

"""A transaction: what is known within it, and the rows that it still has to add.

Rows of history, recordings and checkpoints are only ever added, and seldom read in the transaction
that adds them. So they are collected over all its requests and written together at its end, or
before one of their tables is read.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from agent_runtime.errors import StoreError
from agent_runtime.event import Head
from agent_runtime.notice import Subscription

Row = tuple[Any, ...]

SIZES = (64, 16, 4, 1)
"""Rows in one statement: few sizes, so that SQLite has each of the statements prepared."""


SALTS = 16
"""Salts that are drawn at once."""


class Transaction:
    """One at a time on a writing connection; `clear` begins the next."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: dict[str, list[Row]] = {}
        self.heads: dict[str, Head] = {}
        """The end of each tenant's chain, where it is known."""
        self.last_seq: int | None = None
        """The last event's, of any tenant, where it is known."""
        self.subscriptions: dict[str, tuple[Subscription, ...]] = {}
        """Who is told of each tenant's events, where it is known."""
        self._salts = b""

    def clear(self) -> None:
        """Forget everything: another process may have written, or the changes were undone."""
        self._rows.clear()
        self.heads.clear()
        self.last_seq = None
        self.subscriptions.clear()
        self._salts = b""  # a forked process must not go on with the same

    def salt(self) -> str:
        """16 random bytes in hex that nobody else gets."""
        if not self._salts:
            self._salts = os.urandom(16 * SALTS)
        salt, self._salts = self._salts[:16], self._salts[16:]
        return salt.hex()

    def add(self, insert: str, row: Row) -> None:
        """Have a row written: `insert` is the statement up to and with VALUES."""
        self._rows.setdefault(insert, []).append(row)

    def write(self) -> None:
        """Write what was added so far, each table's rows in order."""
        while self._rows:
            waiting, self._rows = self._rows, {}
            for insert, rows in waiting.items():
                self._write(insert, rows)

    def _write(self, insert: str, rows: list[Row]) -> None:
        # Many rows a statement: the interpreter's lock is let go and fought for once, not per row.
        marks = f"({','.join('?' * len(rows[0]))})"
        start = 0
        for size in SIZES:
            while len(rows) - start >= size:
                part = rows[start : start + size]
                self._connection.execute(
                    f"{insert} {','.join([marks] * size)}", [item for row in part for item in row]
                )
                start += size


class Reading(Transaction):
    """For a connection that only reads."""

    def add(self, insert: str, row: Row) -> None:
        """Raises StoreError."""
        raise StoreError(f"This session only reads; refused: {insert} {len(row)} values")

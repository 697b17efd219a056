"""Recordings: every model and tool exchange of a run, stored once by content."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.clock import to_text
from agent_runtime.errors import StoreError
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.transaction import Transaction


class Recording(BaseModel):
    """One exchange; `request` and `response` are plain JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["model", "tool"]
    name: str
    request: Any
    response: Any
    at: datetime


@dataclass(frozen=True)
class Content:
    """Plain JSON under the hash of its text."""

    hash: str
    text: str

    @classmethod
    def of(cls, value: Any) -> Content:
        """Name a value."""
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return cls("sha256:" + hashlib.sha256(text.encode()).hexdigest(), text)


@dataclass(frozen=True)
class Stored:
    """Contents that are in the store: what was shown as evidence is not stored twice."""

    hashes: tuple[str, ...]


class Recordings:
    """One tenant's contents and recordings, on one connection."""

    def __init__(
        self, connection: sqlite3.Connection, tenant: str, now: datetime, transaction: Transaction
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)
        self._transaction = transaction

    def put(self, content: Any) -> str:
        """Store plain JSON once; returns the hash of its canonical text."""
        named = content if isinstance(content, Content) else Content.of(content)
        sealed = self._cipher.seal(named.text, self._tenant, "contents", named.hash)
        self._transaction.add(
            "INSERT OR IGNORE INTO contents (tenant, hash, body) VALUES",
            (self._tenant, named.hash, sealed),
        )
        return named.hash

    def content(self, name: str) -> Any:
        """What was stored under that hash; raises StoreError when it is gone."""
        found = self.kept(name)
        if found is None:
            raise StoreError(f"The content {name} is not in the store; it may have been pruned.")
        return found

    def kept(self, name: str) -> Any:
        """The same, and None when it is gone."""
        self._transaction.write()
        row = self._connection.execute(
            "SELECT body FROM contents WHERE tenant = ? AND hash = ?", (self._tenant, name)
        ).fetchone()
        if row is None:
            return None
        return json.loads(self._cipher.open(row[0], self._tenant, "contents", name))

    def add(
        self,
        run_id: str,
        epoch: int,
        kind: Literal["model", "tool"],
        name: str,
        request: Any,
        response: Any,
    ) -> None:
        """Record one exchange; a response may consist of what is stored already."""
        named = isinstance(response, Stored)
        stored = f"[{','.join(response.hashes)}]" if named else self.put(response)
        self._transaction.add(
            "INSERT INTO recordings (tenant, run_id, epoch, kind, name, request, response, at)"
            " VALUES",
            (self._tenant, run_id, epoch, kind, name, self.put(request), stored)
            + (to_text(self._now),),
        )

    def find(self, run_id: str) -> list[Recording]:
        """The exchanges of one run, in order."""
        self._transaction.write()
        rows = self._connection.execute(
            "SELECT kind, name, request, response, at FROM recordings"
            " WHERE tenant = ? AND run_id = ? ORDER BY seq",
            (self._tenant, run_id),
        ).fetchall()
        return [
            Recording(
                kind=kind,
                name=name,
                request=self.content(request),
                response=self._response(response),
                at=at,
            )
            for kind, name, request, response, at in rows
        ]

    def _response(self, stored: str) -> Any:
        if not stored.startswith("["):
            return self.content(stored)
        return [self.content(part) for part in stored[1:-1].split(",") if part]

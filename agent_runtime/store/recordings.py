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
    """One exchange; `request` and `response` are plain JSON, `epoch` is the claim's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["model", "tool"]
    name: str
    request: Any
    response: Any
    at: datetime
    epoch: int


@dataclass(frozen=True)
class Content:
    """Plain JSON under the hash of its text."""

    hash: str
    text: str

    @classmethod
    def of(cls, value: Any) -> Content:
        """Name a value."""
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return cls(hash_of(text), text)


def hash_of(text: str) -> str:
    """The name of a content, by its canonical text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


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

    def state(self, name: str) -> Literal["kept", "gone", "altered"]:
        """Whether a content is there, and is what its hash says."""
        self._transaction.write()
        row = self._connection.execute(
            "SELECT body FROM contents WHERE tenant = ? AND hash = ?", (self._tenant, name)
        ).fetchone()
        if row is None:
            return "gone"
        text = self._cipher.open(row[0], self._tenant, "contents", name)
        return "kept" if hash_of(text) == name else "altered"

    def names(self, run_id: str) -> list[str]:
        """The hashes of all contents of one run's exchanges, in order."""
        self._transaction.write()
        rows = self._connection.execute(
            "SELECT request, response FROM recordings WHERE tenant = ? AND run_id = ? ORDER BY seq",
            (self._tenant, run_id),
        )
        return [name for request, response in rows for name in (request, *_parts(response))]

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
            "SELECT kind, name, request, response, at, epoch FROM recordings"
            " WHERE tenant = ? AND run_id = ? ORDER BY seq",
            (self._tenant, run_id),
        ).fetchall()
        return [self._recording(row) for row in rows]

    def kept_of(self, run_id: str) -> list[Recording]:
        """The exchanges of one run, in order, without those whose content is gone."""
        self._transaction.write()
        rows = self._connection.execute(
            "SELECT kind, name, request, response, at, epoch FROM recordings"
            " WHERE tenant = ? AND run_id = ? ORDER BY seq",
            (self._tenant, run_id),
        )
        kept = [
            row
            for row in rows.fetchall()
            if all(self.kept(name) is not None for name in (row[2], *_parts(row[3])))
        ]
        return [self._recording(row) for row in kept]

    def answer_to(self, request: str) -> Recording | None:
        """The newest exchange of any run with that request, by its hash."""
        self._transaction.write()
        row = self._connection.execute(
            "SELECT kind, name, request, response, at, epoch FROM recordings"
            " WHERE tenant = ? AND kind = 'model' AND request = ? ORDER BY seq DESC LIMIT 1",
            (self._tenant, request),
        ).fetchone()
        return None if row is None else self._recording(row)

    def _recording(self, row: tuple[Any, ...]) -> Recording:
        kind, name, request, response, at, epoch = row
        return Recording(
            kind=kind,
            name=name,
            request=self.content(request),
            response=self._response(response),
            at=at,
            epoch=epoch,
        )

    def _response(self, stored: str) -> Any:
        if not stored.startswith("["):
            return self.content(stored)
        return [self.content(part) for part in _parts(stored)]


def _parts(stored: str) -> list[str]:
    """The contents that a response consists of."""
    return [part for part in stored.strip("[]").split(",") if part]

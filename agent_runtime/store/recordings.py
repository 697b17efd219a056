"""Recordings: every model and tool exchange of a run, stored once by content."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.clock import to_text
from agent_runtime.errors import StoreError


class Recording(BaseModel):
    """One exchange; `request` and `response` are plain JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["model", "tool"]
    name: str
    request: Any
    response: Any
    at: datetime


class Recordings:
    """One tenant's contents and recordings, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def put(self, content: Any) -> str:
        """Store plain JSON once; returns the hash of its canonical text."""
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        name = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        self._connection.execute(
            "INSERT OR IGNORE INTO contents (tenant, hash, body) VALUES (?,?,?)",
            (self._tenant, name, text),
        )
        return name

    def content(self, name: str) -> Any:
        """What was stored under that hash; raises StoreError when it is gone."""
        row = self._connection.execute(
            "SELECT body FROM contents WHERE tenant = ? AND hash = ?", (self._tenant, name)
        ).fetchone()
        if row is None:
            raise StoreError(f"The content {name} is not in the store; it may have been pruned.")
        return json.loads(row[0])

    def add(
        self,
        run_id: str,
        epoch: int,
        kind: Literal["model", "tool"],
        name: str,
        request: Any,
        response: Any,
    ) -> None:
        """Record one exchange."""
        self._connection.execute(
            "INSERT INTO recordings (tenant, run_id, epoch, kind, name, request, response, at)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (self._tenant, run_id, epoch, kind, name, self.put(request), self.put(response))
            + (to_text(self._now),),
        )

    def find(self, run_id: str) -> list[Recording]:
        """The exchanges of one run, in order."""
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
                response=self.content(response),
                at=at,
            )
            for kind, name, request, response, at in rows
        ]

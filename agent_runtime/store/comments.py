"""Comments and first looks in the store: who said what about a question, who saw it when."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from agent_runtime.clock import from_text, to_text
from agent_runtime.comment import MAX_COMMENTS, Comment
from agent_runtime.errors import Conflict
from agent_runtime.store.connection import cipher_of

_COLUMNS = "id, approval_id, author, text, at"


class Comments:
    """One tenant's comments and first looks, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)

    def add(self, comment: Comment) -> None:
        """Store one; raises Conflict when the question has as many as it may have."""
        (known,) = self._connection.execute(
            "SELECT count(*) FROM comments WHERE tenant = ? AND approval_id = ?",
            (self._tenant, comment.approval_id),
        ).fetchone()
        if known >= MAX_COMMENTS:
            raise Conflict(f"Approval {comment.approval_id} has {known} comments, its bound.")
        self._connection.execute(
            "INSERT INTO comments (id, tenant, approval_id, author, text, at) VALUES (?,?,?,?,?,?)",
            (comment.id, self._tenant, comment.approval_id, comment.author)
            + (self._cipher.seal(comment.text, self._tenant, "comments", comment.id),)
            + (to_text(comment.at),),
        )

    def find(self, approval_id: str) -> list[Comment]:
        """The comments on one question, the oldest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM comments WHERE tenant = ? AND approval_id = ? ORDER BY id",  # noqa: S608 — constant
            (self._tenant, approval_id),
        )
        names = _COLUMNS.split(", ")
        found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        for values in found:
            place = (self._tenant, "comments", values["id"])
            values["text"] = self._cipher.open(values["text"], *place)
        return [Comment.model_validate(values) for values in found]

    def look(self, approval_id: str, operator: str) -> None:
        """Note that this person sees the question now, unless they have seen it before."""
        self._connection.execute(
            "INSERT OR IGNORE INTO approval_looks (tenant, approval_id, operator, at)"
            " VALUES (?,?,?,?)",
            (self._tenant, approval_id, operator, to_text(self._now)),
        )

    def looked_at(self, approval_id: str, operator: str) -> datetime | None:
        """When this person first saw the question, if that was told."""
        row = self._connection.execute(
            "SELECT at FROM approval_looks WHERE tenant = ? AND approval_id = ? AND operator = ?",
            (self._tenant, approval_id, operator),
        ).fetchone()
        return None if row is None else from_text(row[0])

"""Tokens in the store: found by the hash of their secret, which is stored nowhere."""

from __future__ import annotations

import hmac
import sqlite3
from datetime import datetime

from agent_runtime.clock import from_text, to_text
from agent_runtime.errors import NotFound
from agent_runtime.token import Token

_COLUMNS = "body, revoked_at, last_used_at"


class Tokens:
    """One tenant's tokens, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def add(self, token: Token, hashed: str) -> None:
        """Store a new token under the hash of its secret."""
        self._connection.execute(
            "INSERT INTO tokens (id, tenant, hash, body, expires_at) VALUES (?,?,?,?,?)",
            (token.id, self._tenant, hashed, _body(token), to_text(token.expires_at)),
        )

    def get(self, token_id: str) -> Token:
        """The token of that id; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM tokens WHERE tenant = ? AND id = ?",  # noqa: S608 — constant
            (self._tenant, token_id),
        ).fetchone()
        if row is None:
            raise NotFound("token", token_id, remedy="List them with: agent-runtime tokens list")
        return _token(row)

    def find(self, *, after: str = "", limit: int = -1) -> list[Token]:
        """Tokens in the order they were made, with an id above `after`; a negative limit means
        no limit."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM tokens WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?",  # noqa: S608 — constant
            (self._tenant, after, limit),
        )
        return [_token(row) for row in rows.fetchall()]

    def revoke(self, token_id: str) -> Token:
        """End a token now; one that is revoked already keeps its time. Raises NotFound."""
        self._connection.execute(
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE tenant = ? AND id = ?",
            (to_text(self._now), self._tenant, token_id),
        )
        return self.get(token_id)

    def touch(self, token_id: str) -> None:
        """Remember that it was used just now."""
        self._connection.execute(
            "UPDATE tokens SET last_used_at = ? WHERE tenant = ? AND id = ?",
            (to_text(self._now), self._tenant, token_id),
        )


def token_by_hash(connection: sqlite3.Connection, hashed: str) -> Token | None:
    """The token of whatever tenant, valid or not: its secret is what names the tenant."""
    row = connection.execute(
        f"SELECT hash, {_COLUMNS} FROM tokens WHERE hash = ?",  # noqa: S608 — constant
        (hashed,),
    ).fetchone()
    if row is None or not hmac.compare_digest(row[0], hashed):
        return None
    return _token(row[1:])


def _body(token: Token) -> str:
    return token.model_dump_json(exclude={"revoked_at", "last_used_at"})


def _token(row: tuple[str, str | None, str | None]) -> Token:
    body, revoked, used = row
    changes = {
        "revoked_at": None if revoked is None else from_text(revoked),
        "last_used_at": None if used is None else from_text(used),
    }
    return Token.model_validate_json(body).model_copy(update=changes)

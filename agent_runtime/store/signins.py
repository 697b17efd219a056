"""Sign-ins in the store: found by the hash of their cookie's secret, which is stored nowhere."""

from __future__ import annotations

import hmac
import sqlite3
from datetime import datetime

from agent_runtime.clock import from_text, to_text
from agent_runtime.signin import SignIn


class SignIns:
    """One tenant's sign-ins, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def add(self, signed: SignIn, hashed: str) -> None:
        """Store a new one under the hash of its secret; those whose time is over go."""
        self._connection.execute(
            "DELETE FROM sign_ins WHERE tenant = ? AND ends_at <= ?",
            (self._tenant, to_text(self._now)),
        )
        self._connection.execute(
            "INSERT INTO sign_ins (id, tenant, hash, token, body, seen_at, ends_at)"
            " VALUES (?,?,?,?,?,?,?)",
            (signed.id, self._tenant, hashed, signed.token, _body(signed))
            + (to_text(signed.seen_at), to_text(signed.ends_at)),
        )

    def touch(self, sign_in_id: str) -> None:
        """Remember that its person was here just now."""
        self._connection.execute(
            "UPDATE sign_ins SET seen_at = ? WHERE tenant = ? AND id = ?",
            (to_text(self._now), self._tenant, sign_in_id),
        )

    def leave(self, sign_in_id: str) -> None:
        """End it now."""
        self._connection.execute(
            "UPDATE sign_ins SET left_at = coalesce(left_at, ?) WHERE tenant = ? AND id = ?",
            (to_text(self._now), self._tenant, sign_in_id),
        )


def sign_in_by_hash(connection: sqlite3.Connection, hashed: str, now: datetime) -> SignIn | None:
    """The sign-in of whatever tenant, valid or not: its secret is what names the tenant.

    One whose token was revoked, or has expired, is one that was left.
    """
    row = connection.execute(
        "SELECT s.hash, s.body, s.seen_at, s.left_at, t.revoked_at, t.expires_at"
        " FROM sign_ins s LEFT JOIN tokens t ON t.id = s.token WHERE s.hash = ?",
        (hashed,),
    ).fetchone()
    if row is None or not hmac.compare_digest(row[0], hashed):
        return None
    body, seen, left, revoked, expires = row[1:]
    ended = left or revoked or (expires if expires and expires <= to_text(now) else None)
    changes = {"seen_at": from_text(seen), "left_at": None if ended is None else from_text(ended)}
    return SignIn.model_validate_json(body).model_copy(update=changes)


def _body(signed: SignIn) -> str:
    return signed.model_dump_json(exclude={"left_at"})

"""Pseudonyms in the store: which value each stands for, and the tenant's own key to make them."""

from __future__ import annotations

import base64
import hmac
import os
import sqlite3

from agent_runtime.store.connection import cipher_of
from agent_runtime.store.transaction import Transaction

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LENGTH = 12
_KEYS = "pseudonym_keys"
_TABLE = "pseudonyms"


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """The name of a value: the same for the same value of the tenant, a guess for nobody else."""
    number = int.from_bytes(hmac.digest(key, f"{kind}\0{value}".encode(), "sha256"))
    letters = []
    for _ in range(_LENGTH):
        number, at = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[at])
    return f"[{kind}:{''.join(letters)}]"


class Pseudonyms:
    """One tenant's pseudonyms, on one connection."""

    def __init__(
        self, connection: sqlite3.Connection, tenant: str, transaction: Transaction
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._transaction = transaction
        self._cipher = cipher_of(connection)

    def key(self) -> bytes | None:
        """The tenant's key; None before there is one."""
        row = self._connection.execute(
            "SELECT body FROM pseudonym_keys WHERE tenant = ?", (self._tenant,)
        ).fetchone()
        if row is None:
            return None
        return base64.b64decode(self._cipher.open(row[0], self._tenant, _KEYS))

    def make_key(self) -> bytes:
        """The tenant's key, made when there is none."""
        known = self.key()
        if known is None:
            known = os.urandom(32)
            self.put_key(known)
        return known

    def put_key(self, key: bytes) -> None:
        """Make names by that key from now on: a replay makes the same ones."""
        sealed = self._cipher.seal(base64.b64encode(key).decode(), self._tenant, _KEYS)
        self._connection.execute(
            "INSERT OR REPLACE INTO pseudonym_keys (tenant, body) VALUES (?,?)",
            (self._tenant, sealed),
        )

    def add(self, name: str, value: str) -> None:
        """Remember what a pseudonym stands for."""
        sealed = self._cipher.seal(value, self._tenant, _TABLE, name)
        self._transaction.add(
            "INSERT OR IGNORE INTO pseudonyms (tenant, name, body) VALUES",
            (self._tenant, name, sealed),
        )

    def value(self, name: str) -> str | None:
        """What a pseudonym stands for; None for what is none of this tenant's."""
        self._transaction.write()
        row = self._connection.execute(
            "SELECT body FROM pseudonyms WHERE tenant = ? AND name = ?", (self._tenant, name)
        ).fetchone()
        return None if row is None else self._cipher.open(row[0], self._tenant, _TABLE, name)

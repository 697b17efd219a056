"""A connection to the file, with the cipher that its content is written and read by."""

from __future__ import annotations

import sqlite3

from agent_runtime.cipher import CLEAR, VARIABLE, Cipher, Sealing
from agent_runtime.errors import StoreError


class Connection(sqlite3.Connection):
    """One of ours; `cipher` is set when it is opened."""

    cipher: Cipher = CLEAR


def cipher_of(connection: sqlite3.Connection) -> Cipher:
    """The connection's cipher; another program's connection has none."""
    return connection.cipher if isinstance(connection, Connection) else CLEAR


def check_keys(connection: sqlite3.Connection) -> None:
    """Raises StoreError unless the connection's cipher opens all that the file may hold."""
    cipher, known = cipher_of(connection), _known(connection)
    if known and not isinstance(cipher, Sealing):
        raise StoreError(
            f"The database's content is sealed with the key {', '.join(known)}, and none is set.",
            remedy=f"Set {VARIABLE} to it. Nothing was changed.",
        )
    for key_id, proof in known.items():
        if isinstance(cipher, Sealing):
            cipher.check(key_id, proof)


def note_key(connection: sqlite3.Connection) -> None:
    """Let the file know the key that content is sealed with from now on."""
    cipher = cipher_of(connection)
    if isinstance(cipher, Sealing) and cipher.key_id not in _known(connection):
        connection.execute(
            "INSERT OR IGNORE INTO seals (key_id, proof) VALUES (?,?)",
            (cipher.key_id, cipher.proof()),
        )


def _known(connection: sqlite3.Connection) -> dict[str, str]:
    """The file's keys by id; none in a file from before there were any."""
    table = "SELECT count(*) FROM sqlite_master WHERE name = 'seals'"
    if not connection.execute(table).fetchone()[0]:
        return {}
    return dict(connection.execute("SELECT key_id, proof FROM seals").fetchall())

"""Fixtures: an office whose history is anchored, and somebody who tampers with its file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from agent_runtime.event import digest_body, link
from tests.office import Office

Tamper = Callable[[Office], AbstractContextManager[sqlite3.Connection]]


@pytest.fixture
def tamper() -> Tamper:
    """A connection of somebody with the file and the wish to rewrite it."""

    @contextmanager
    def open_file(office: Office) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for (name,) in connection.execute(triggers).fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            yield connection
            connection.commit()

    return open_file


def forge(connection: sqlite3.Connection, at: str, kind: str = "run.ended", **body: object) -> None:
    """Append an event whose hashes fit."""
    number, before = connection.execute(
        "SELECT number, hash FROM events ORDER BY number DESC LIMIT 1"
    ).fetchone()
    digest = digest_body("salt", body)
    chained = link("default", number + 1, None, kind, at, digest, before)
    cursor = connection.execute(
        "INSERT INTO events (tenant, number, type, at, body_digest, previous, hash)"
        " VALUES ('default', ?, ?, ?, ?, ?, ?)",
        (number + 1, kind, at, digest, before, chained),
    )
    connection.execute(
        "INSERT INTO event_bodies (seq, salt, body) VALUES (?, 'salt', ?)",
        (cursor.lastrowid, json.dumps(body)),
    )


def anchors(office: Office) -> Path:
    """The office's anchor file, complete."""
    office.runtime.anchor.flush()
    return office.runtime.anchor.file.path

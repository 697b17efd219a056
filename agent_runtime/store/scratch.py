"""Scratch copies of a data file: made to be tried on, and spoilt to see that it is noticed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from agent_runtime.store.database import PRIVATE, connect


def copy_to(source: Path, target: Path) -> None:
    """Copy a file that others may be using, as it is at one moment."""
    target.touch(mode=PRIVATE)
    with (
        closing(connect(source, readonly=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)


def spoil_event(path: Path) -> None:
    """Alter the body of the newest event that has one, past every guard, as somebody with the
    file could."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS bodies_never_change")
        connection.execute(
            "UPDATE event_bodies SET body = '{\"spoilt\":true}'"
            " WHERE seq = (SELECT max(seq) FROM event_bodies)"
        )
        connection.commit()

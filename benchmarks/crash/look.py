"""Looks at a data folder from outside, while processes work on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent_runtime.run import ENDS
from agent_runtime.runtime import DATABASE


def all_ended(folder: Path) -> bool:
    """Whether no run is left to be worked on."""
    with _opened(folder) as db:
        return {state for (state,) in db.execute("SELECT DISTINCT state FROM runs")} <= ENDS


DERIVED = frozenset({"measures", "measured", "courses"})
"""What any process counts up from the history, whoever owns a run."""


def rows(folder: Path) -> dict[str, int]:
    """How many rows each table has: equal before and after where nothing could be written."""
    with _opened(folder) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        counting = "SELECT count(*) FROM [{}]"
        owned = [name for (name,) in tables if name not in DERIVED]
        return {name: db.execute(counting.format(name)).fetchone()[0] for name in owned}


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / "data" / DATABASE
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30.0)) as db:
        yield db

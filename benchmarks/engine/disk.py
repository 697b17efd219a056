"""The physical limit: how many durable commits the disk makes in a second.

No durable step can be faster than one commit; committing together shares one among many runs.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.engine.workload import filler


def commits_per_s(seconds: float, where: Path | None, *, rows: int = 1) -> float:
    """Transactions of `rows` inserts of 2 KB under WAL and synchronous=FULL."""
    values = [(filler(f"row {number}", 2_048),) for number in range(rows)]
    with (
        tempfile.TemporaryDirectory(dir=where) as folder,
        closing(sqlite3.connect(Path(folder) / "limit.db", isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, payload TEXT)")
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO t (payload) VALUES (?)", values)
            connection.execute("COMMIT")
            done += 1
        return done / (time.perf_counter() - begun)

"""A file from before there were notices: its timers stay set when it is brought forward."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.store.database import connect, migrations, prepare

ROW = ("default", "deadline", "apr-1", "2026-03-30T12:00:00Z", "2026-03-30T11:00:00Z")


def test_timers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their table is made anew with one more kind; what stood in it stands there again."""
    path, scripts = tmp_path / "runtime.db", migrations()
    monkeypatch.setattr("agent_runtime.store.database.migrations", lambda: scripts[:8])
    prepare(path)
    with closing(connect(path)) as before:
        before.execute("INSERT INTO timers VALUES (?,?,?,?,?)", ROW)
    monkeypatch.setattr("agent_runtime.store.database.migrations", lambda: scripts)
    prepare(path)
    with closing(connect(path)) as after:
        assert after.execute("SELECT * FROM timers").fetchall() == [ROW]
        after.execute("INSERT INTO timers VALUES ('default', 'notice', 'ntc-1', '', '')")

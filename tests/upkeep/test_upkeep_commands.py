"""The commands that keep the data file, on the demo's data."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import (
    Desk,
    after_demo,
    asked_made,
    clean_environment,
    demo_made,
    desk,
    say,
    terminal,
)

__all__ = ["after_demo", "asked_made", "clean_environment", "demo_made", "desk", "say", "terminal"]


def tamper(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "runtime.db")) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        connection.commit()


def test_the_doctor_is_silent_about_a_healthy_demo(after_demo: Desk) -> None:
    """Nothing found, exit code 0, and an empty list for programs."""
    said = after_demo("doctor")
    assert (said.code, said.out.splitlines()[-1]) == (0, "Nothing is wrong.")
    assert after_demo("doctor", "--json").json == []


def test_the_doctor_fails_on_errors_only(desk: Desk) -> None:
    """A warning ends with 0, an error with 1; each has its remedy."""
    tamper(desk.data, "UPDATE approvals SET deadline = '2020' WHERE rowid = 1")
    said = desk("doctor")
    assert (said.code, "0 errors, 1 warnings" in said.out) == (0, True)
    assert "→ agent-runtime runs resume" in said.out
    tamper(desk.data, "DELETE FROM events WHERE number > 5")
    said = desk("doctor", "--json")
    assert said.code == 1
    assert {finding["severity"] for finding in said.json} == {"error", "warning"}


def test_verify_names_its_anchor(after_demo: Desk) -> None:
    """The file by default, --head when it is given."""
    found = after_demo("events", "verify", "--json").json
    assert (found["anchor"], found["anchored"]) == (str(after_demo.data / "anchors.jsonl"), True)
    head = f"{found['events']}:{found['head']}"
    found = after_demo("events", "verify", "--json", "--head", head).json
    assert (found["anchor"], found["anchored"]) == ("--head", True)


def test_verify_fails_when_the_newest_line_was_removed(after_demo: Desk) -> None:
    """With the events to look at. (The demo's clock is days ahead; so are its events.)"""
    path = after_demo.data / "anchors.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    said = after_demo("events", "verify")
    assert (said.code, "are not anchored" in said.out) == (1, True)
    assert "events tail --last" in said.out


def test_backup_and_restore(desk: Desk, tmp_path: Path) -> None:
    """There and back: what was started since is gone, what waits still waits."""
    made = desk("backup", str(tmp_path / "b.db"), "--json").json
    assert made["bytes"] > 0
    asked = desk("approvals", "list").out
    desk("approvals", "decide", desk.approval("49.00"), "reject", "--reason", "no", "--as", "lena")
    assert desk("approvals", "list").out != asked
    said = desk("restore", str(tmp_path / "b.db"))
    assert said.code == 0, said
    assert "a repeated call is harmless" in said.out
    assert desk("approvals", "list").out == asked
    assert desk("events", "verify").code == 0
    codes = {finding["code"] for finding in desk("doctor", "--json").json}
    assert codes == {"restored_untouched", "anchor_note"}


def test_a_backup_stays(desk: Desk, tmp_path: Path) -> None:
    """It is overwritten only by --force."""
    file = str(tmp_path / "b.db")
    assert desk("backup", file).code == 0
    desk("backup", file).fails(2, "is there already", "--force")
    assert desk("backup", file, "--force").code == 0


def test_a_restore_needs_a_backup(desk: Desk, tmp_path: Path) -> None:
    """A file that is none is refused, and a missing one."""
    (tmp_path / "b.db").write_text(json.dumps({}))
    desk("restore", str(tmp_path / "b.db")).fails(6, "damaged")
    desk("restore", str(tmp_path / "none.db")).fails(2, "is no file")
    assert len(desk("runs", "list").out.splitlines()) == 3


def test_prune_tells_first_and_does_then(after_demo: Desk) -> None:
    """--dry-run counts and erases nothing; names that are not known are errors."""
    after_demo("prune", "--older-than", "soon", "--as", "lena").fails(2, "is no age")
    after_demo("prune", "--older-than", "0h", "--as", "ghost").fails(2, "operator")
    words = ("prune", "--older-than", "0h", "--as", "lena", "--json")
    after_demo(*words, "--workflow", "nothing").fails(2, "nothing")
    planned = after_demo(*words, "--dry-run").json
    assert (planned["dry_run"], planned["bytes"]) == (True, 0)
    done = after_demo(*words).json
    assert (done["runs"], done["bodies"]) == (planned["runs"], planned["bodies"])
    assert done["bytes"] > 0
    assert after_demo("events", "verify").code == 0
    assert after_demo("doctor", "--json").json == []
    assert after_demo("runs", "show", done["runs"][0]).code == 0


def test_prune_follows_the_settings(after_demo: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an age, what is set; nothing set, or nonsense, is told with the remedy. The demo's
    runs are some days old."""
    words = ("prune", "--as", "lena", "--json")
    after_demo(*words).fails(6, "is not set", "AGENT_RUNTIME_RETENTION")
    monkeypatch.setenv("AGENT_RUNTIME_RETENTION", '{"refund": 1, "refnud": 2}')
    after_demo(*words).fails(6, "'refnud', which is no workflow", "refund")
    monkeypatch.setenv("AGENT_RUNTIME_RETENTION", '{"*": 30}')
    assert after_demo(*words).json["runs"] == []
    monkeypatch.setenv("AGENT_RUNTIME_RETENTION", '{"*": 1}')
    assert len(after_demo(*words).json["runs"]) == 13


def test_vacuum(after_demo: Desk) -> None:
    """It rewrites the file; what is in it stays."""
    runs = after_demo("runs", "list").out
    assert after_demo("vacuum").code == 0
    assert after_demo("runs", "list").out == runs


def test_a_person_sees_a_backup_move(desk: Desk, terminal, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """On a terminal the work is shown, and ends in its result."""
    words = ["backup", str(tmp_path / "b.db"), "--data", str(desk.data)]
    shown = terminal(*words)
    shown.expect("opened and verified")
    assert shown.end() == 0

"""The crash benchmark's command, and that its proof finds what was lost or done twice."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.crash.__main__ import main
from benchmarks.crash.bank import Bank
from benchmarks.crash.child import NOTES, Orders, whole_run_child
from benchmarks.crash.crew import Stuck, expect, spawn
from benchmarks.crash.notes import Notes
from benchmarks.crash.payout import RECOVERIES
from benchmarks.crash.proof import prove


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """A folder with one whole run, left alone."""
    expect(spawn(whole_run_child, Orders(tmp_path), 2), 0, "a whole run")
    assert prove(tmp_path).problems == ()
    return tmp_path


def tamper(folder: Path, sql: str) -> None:
    """Change the file as somebody with a tool for databases can."""
    with closing(sqlite3.connect(folder / "data" / "runtime.db")) as connection, connection:
        guards = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in guards.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(sql)


def test_the_last_line_counts_kills_runs_effects_lost_and_doubled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON, after a line for each scenario; progress goes to standard error."""
    options = ["--only", "race", "kills", "--kills", "4", "--seed", "7", "--json"]
    code = main([*options, "--dir", str(tmp_path)])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("scenario") for line in lines] == ["race", "kills", None]
    runs = lines[-1]["runs"]
    assert lines[-1] == {"kills": 4, "runs": runs, "effects": runs, "lost": 0, "doubled": 0}
    assert (code, lines[0]["won"], lines[0]["refused"]) == (0, 10, 490)


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    """Exit code 2, as in the other benchmarks."""
    assert main(["--dir", str(tmp_path / "none")]) == 2


def test_an_acknowledged_event_that_is_gone_is_lost(done: Path) -> None:
    """So is everything after it that no longer fits its history."""
    tamper(done, "UPDATE events SET hash = 'sha256:0' WHERE number = 1")
    proof = prove(done)
    assert proof.lost == 1
    assert any("chain is broken" in problem for problem in proof.problems)


@pytest.mark.parametrize("note", ["started", "decided"])
def test_an_acknowledgement_of_what_was_never_stored_is_lost(done: Path, note: str) -> None:
    """A start or a decision that somebody was told of has to be there."""
    Notes(done / NOTES).add(note, run="run-x", account="a", approval="apr-x", status="approved")
    assert prove(done).lost == 1


def test_a_completed_run_without_its_effect_is_lost(done: Path) -> None:
    """The bank's ledger is asked, not the journal."""
    (done / "bank.jsonl").unlink()
    assert (prove(done).effects, prove(done).lost) == (0, 1)


def test_a_second_payout_of_an_account_is_doubled(done: Path) -> None:
    """Also under another key, which the bank could not know for the same."""
    Bank(done).pay("idempotency_key", "account-2-asked", "another-key")
    assert (prove(done).effects, prove(done).doubled) == (2, 1)


def test_a_run_that_does_not_end_is_a_problem(done: Path) -> None:
    """It is stuck, and the proof says in which state."""
    tamper(done, "UPDATE runs SET state = 'queued'")
    assert any("is stuck as queued" in problem for problem in prove(done).problems)


def test_the_banks_own_repetitions_are_one_effect(tmp_path: Path) -> None:
    """A known key is refused, a balance set twice is the same; what else is called twice counts."""
    bank = Bank(tmp_path)
    for recovery in RECOVERIES:
        for _ in range(2):
            bank.pay(recovery, recovery, f"key of {recovery}")
    doubled = {"probe": 2, "manual": 2}
    assert bank.effects() == {"idempotency_key": 1, "safe_retry": 1, **doubled}


def test_a_child_that_fails_is_told_of(tmp_path: Path) -> None:
    """A scenario never takes a broken process for a killed one."""
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(Stuck, match="ended with 1 instead of 0"):
        expect(spawn(whole_run_child, Orders(tmp_path), 1), 0, "a run")

"""Databases and data folders that cannot be used: told apart, and left as they are."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_runtime.store.database import BUSY_TIMEOUT
from tests.cli.conftest import PROJECT, Desk, Say


def test_missing_folder(say: Say, tmp_path: Path) -> None:
    """A command that needs data says that there is none, and makes none."""
    for words in (("runs", "list"), ("approvals", "decide", "a", "approve", "--as", "lena")):
        said = say(*words, "--app", str(PROJECT), "--data", str(tmp_path / "none"))
        said.fails(6, "There is no data in", "--data", "agent-runtime demo")
    assert not (tmp_path / "none").exists()


def test_corrupt(desk: Desk) -> None:
    """A damaged file is called damaged and stays as it is."""
    file = desk.data / "runtime.db"
    file.write_bytes(b"\x07" * 8_192)
    desk("runs", "list").fails(6, "is damaged", "Restore a backup")
    assert file.read_bytes() == b"\x07" * 8_192


def test_damaged_inside(desk: Desk) -> None:
    """Damage behind an intact header is found too."""
    file = desk.data / "runtime.db"
    content = bytearray(file.read_bytes())
    content[4_096 * 2 :] = b"\xab" * (len(content) - 4_096 * 2)
    file.write_bytes(content)
    desk("events", "verify").fails(6, "is damaged")


def test_newer(desk: Desk) -> None:
    """A file of newer code is refused with both schema numbers."""
    with sqlite3.connect(desk.data / "runtime.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    desk("runs", "list").fails(6, "has schema 99", "newer agent-runtime", "nothing was changed")


def test_another_programs(desk: Desk) -> None:
    """Another program's database is recognised."""
    (desk.data / "runtime.db").unlink()
    with sqlite3.connect(desk.data / "runtime.db") as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()
    desk("runs", "list").fails(6, "belongs to another program", "--data")


def test_folder_is_a_file(say: Say, tmp_path: Path, write_input: Callable[..., str]) -> None:
    """A data folder that is a file is named."""
    place = ("--app", str(PROJECT), "--data", write_input())
    say("run", "refund", "--input", write_input(), *place).fails(6, "cannot be made")


def test_read_only_folder(desk: Desk, write_input: Callable[..., str]) -> None:
    """A folder in which no file can be made is a clear error. (A folder stands where SQLite's
    own files have to go: permissions would not stop a test that runs as root.)"""
    (desk.data / "runtime.db-wal").mkdir()
    said = desk("run", "refund", "--input", write_input())
    said.fails(6, "cannot be opened", "writable")


def test_locked_for_a_while(desk: Desk, write_input: Callable[..., str]) -> None:
    """A lock that another program holds for a while is waited for; reading waits for none."""
    lock = sqlite3.connect(desk.data / "runtime.db", isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN IMMEDIATE")
    assert len(desk("runs", "list").out.splitlines()) == 3
    timer = threading.Timer(0.5, lock.rollback)
    timer.start()
    assert desk("run", "refund", "--input", write_input()).code == 0
    timer.join()
    lock.close()


def test_locked_for_too_long(
    desk: Desk, write_input: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the busy time-out a lock is an error that says so, with nothing stored."""
    monkeypatch.setenv("AGENT_RUNTIME_BUSY_TIMEOUT", "0.2")
    lock = sqlite3.connect(desk.data / "runtime.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    said = desk("run", "refund", "--input", write_input())
    lock.rollback()
    lock.close()
    said.fails(6, "database is locked", "Nothing of this request was stored")
    assert time.monotonic() - began < BUSY_TIMEOUT
    assert len(desk("runs", "list").out.splitlines()) == 3


def test_settings_that_cannot_be_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the wrong type is named."""
    monkeypatch.setenv("AGENT_RUNTIME_BUSY_TIMEOUT", "soon")
    desk("runs", "list").fails(6, "BUSY_TIMEOUT", "Correct or unset it")


def test_closed_file_is_whole(desk: Desk, write_input: Callable[..., str]) -> None:
    """A command folds its write-ahead log into the file, so that one file is a backup."""
    desk("run", "refund", "--input", write_input(), "--key", "whole")
    assert not (desk.data / "runtime.db-wal").exists()
    for file in desk.data.glob("runtime.db-*"):
        file.unlink()
    assert "whole" in desk("runs", "list").out


def test_demo_spares_real_data(desk: Desk) -> None:
    """The demo replaces only what a demo made."""
    desk("demo").fails(6, "holds data that no demo made", "--data")
    assert len(desk("runs", "list").out.splitlines()) == 3


def test_head_tells_a_cut_off_end(after_demo: Desk) -> None:
    """A head kept elsewhere finds an end that was cut off, and so does the anchor; the chain
    alone does not."""
    head = after_demo("events", "verify").out.split("Its head: ")[1].split()[0]
    assert "head that you kept" in after_demo("events", "verify", "--head", head).out
    with sqlite3.connect(after_demo.data / "runtime.db") as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("DELETE FROM events WHERE number = (SELECT max(number) FROM events)")
    database.close()
    assert "was anchored" in after_demo("events", "verify").out
    (after_demo.data / "anchors.jsonl").unlink()
    said = after_demo("events", "verify", "--json")
    assert (said.json["problem"], said.json["anchored"]) == ("", False)
    said = after_demo("events", "verify", "--head", head)
    assert (said.code, "was anchored" in said.out) == (1, True)

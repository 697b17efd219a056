"""A file that another program holds for itself: told after the busy time-out, and left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Desk, asked_made, clean_environment, desk, say

__all__ = ["asked_made", "clean_environment", "desk", "say"]


@pytest.fixture
def held(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The desk, while another program lets nobody else read or write."""
    monkeypatch.chdir(desk.data)  # where a backup would go
    monkeypatch.setenv("AGENT_RUNTIME_BUSY_TIMEOUT", "0.2")
    monkeypatch.setattr("agent_runtime.store.upkeep.connect.__defaults__", (0.2,))
    with_lock = sqlite3.connect(desk.data / "runtime.db", isolation_level=None)
    with_lock.execute("PRAGMA locking_mode = EXCLUSIVE")
    with_lock.execute("BEGIN EXCLUSIVE")
    yield desk
    with_lock.rollback()
    with_lock.close()


@pytest.mark.parametrize(
    "words", [("runs", "list"), ("worker", "--once"), ("approvals", "list"), ("backup", "b.db")]
)
def test_every_command_says_so(held: Desk, words: tuple[str, ...]) -> None:
    """Exit code 6, and who may be in the way."""
    held(*words).fails(6, "database is locked", "other program holds")


def test_the_doctor_calls_it_no_damage(held: Desk) -> None:
    """A lock is nothing that a backup would mend."""
    (found,) = held("doctor", "--json").json
    assert (found["code"], "is locked" in found["what"]) == ("unusable", True)
    assert "another program" in found["remedy"]

"""Which open questions were asked under a policy that is in force no more, without reading all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.clock import ManualClock
from agent_runtime.store import Store
from benchmarks.engine.governed import POLICY, RITA, GovernedCase, open_governed
from tests.approvals.test_older_files import write_older
from tests.office import NOON

STRICTER = POLICY.replace("editor:1", "editor:2")


def change(case: GovernedCase, sql: str) -> None:
    with closing(sqlite3.connect(case.runtime.store.path)) as connection, connection:
        connection.execute(sql)


async def test_a_question_under_the_policy_in_force_is_not_even_read(tmp_path: Path) -> None:
    """One that cannot be read would be noticed: ten thousand cost a start nothing."""
    async with open_governed(tmp_path) as case:
        await case.start("one")
        change(case, "UPDATE approvals SET body = 'unreadable'")
        assert await case.runtime.pending.review(RITA.tenant) == []


async def test_a_question_whose_policy_is_not_told_is_looked_into(tmp_path: Path) -> None:
    """As one that was sealed when the column came: it is found in order and stays as it is."""
    async with open_governed(tmp_path) as case:
        await case.start("one")
        change(case, "UPDATE approvals SET policy_version = ''")
        session = case.runtime.store.read(RITA.tenant)
        assert len(session.approvals.asked_otherwise(["sha256:other"])) == 1
        assert await case.runtime.pending.review(RITA.tenant) == []


async def test_a_stricter_policy_finds_what_was_asked_under_the_other(tmp_path: Path) -> None:
    """Once: what it asked anew is asked under itself."""
    async with open_governed(tmp_path) as case:
        await case.start("one")
    async with open_governed(tmp_path, STRICTER) as case:
        (asked,) = await case.runtime.pending.review(RITA.tenant)
        assert (asked.status, asked.slots[0].count) == ("open", 2)
        assert await case.runtime.pending.review(RITA.tenant) == []


def test_an_older_file_tells_under_which_policy_it_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration takes it from the question's body."""
    write_older(tmp_path / "older.db", monkeypatch)
    with closing(Store(tmp_path / "older.db", ManualClock(NOON))) as store:
        approvals = store.read("default").approvals
        assert approvals.asked_otherwise(["sha256:p"]) == []
        assert [asked.id for asked in approvals.asked_otherwise([])] == ["apr-1"]

"""Every crash point of one whole run, enumerated: crashed there, resumed, and nothing is amiss."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime.tool import Recovery
from benchmarks.crash.child import NOTES, Orders, opened, start
from benchmarks.crash.notes import Notes
from benchmarks.crash.payout import RECOVERIES
from benchmarks.crash.point import KINDS
from benchmarks.crash.whole import count_points, exercise


@pytest.fixture
def original_connect() -> Iterator[None]:
    """Gives SQLite back what the trap has put into its place."""
    connect = sqlite3.connect
    yield
    sqlite3.connect = connect


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_a_run_crashed_at_any_point_ends_with_its_one_effect(
    tmp_path: Path, recovery: Recovery
) -> None:
    """Before and after each commit, model and tool call, none left out: whatever was acknowledged
    is there, the account is paid once, the file and its history are whole."""
    done = exercise([recovery], tmp_path, print)
    assert {one.point.kind for one in done} == set(KINDS)
    assert [one for one in done if one.proof.problems] == []
    assert {(one.proof.runs, one.proof.effects) for one in done} == {(1, 1)}


def test_the_points_of_a_run_come_in_pairs(tmp_path: Path) -> None:
    """What a run passes on its way in, it passes on its way out."""
    points = count_points("probe", tmp_path)
    for what in ("commit", "model", "tool"):
        before = [point.nth for point in points if point.kind == f"{what}.before"]
        after = [point.nth for point in points if point.kind == f"{what}.after"]
        assert before == after == list(range(1, len(before) + 1))


async def test_no_commit_passes_by_the_trap(tmp_path: Path, original_connect: None) -> None:
    """SQLite's own trace counts as many as the trap: there is no way to commit unseen."""
    traced: list[str] = []
    connect = sqlite3.connect

    def tracing(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)  # type: ignore[call-overload]
        connection.set_trace_callback(traced.append)
        return connection

    sqlite3.connect = tracing  # type: ignore[assignment]
    async with opened(Orders(tmp_path)) as desk:
        await desk.runtime.drive((await start(desk, 1)).id)
    commits = [sql for sql in traced if sql.upper().startswith(("COMMIT", "END"))]
    passed = [point for point in desk.trap.passed if point.kind == "commit.after"]
    assert len(passed) == len(commits) > 3
    assert Notes(tmp_path / NOTES).read("struck") == []

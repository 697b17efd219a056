"""Processes that are killed again and again, and ones that sleep: nothing lost, nothing doubled."""

from __future__ import annotations

from pathlib import Path

from benchmarks.crash.crowd import crowd
from benchmarks.crash.kills import KillLoop
from benchmarks.crash.stopped import stop_and_wake

SEED = 20_260_330


def test_thirty_kills_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    """Workers, starter and person die at named points and at any time; every acknowledged start,
    pause and decision is there at the end, and each run has paid once."""
    loop = KillLoop(tmp_path, kills=30, seed=SEED, say=print)
    proof = loop.run()
    print(proof, loop.told())
    assert proof.problems == ()
    assert (proof.lost, proof.doubled) == (0, 0)
    assert proof.effects == proof.runs > 10
    assert loop.by.total() == 30


def test_a_worker_woken_after_its_lease_writes_nothing(tmp_path: Path) -> None:
    """Stopped at a few points of a run, taken over from, and woken: all it tries is refused."""
    woken = stop_and_wake(4, SEED, tmp_path, print)
    assert [one.written for one in woken] == [{}] * 4
    assert [(one.proof.problems, one.proof.effects) for one in woken] == [((), 1)] * 4


def test_ten_workers_with_stray_messages_do_each_run_once(tmp_path: Path) -> None:
    """Nudges are dropped, doubled and late, jobs are handed out again in any order."""
    proof, repeated = crowd(tmp_path, 30, SEED)
    assert (proof.problems, proof.runs, proof.effects) == ((), 30, 30)
    assert repeated > 0

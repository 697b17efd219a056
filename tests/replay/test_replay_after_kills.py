"""Runs whose worker was killed in the middle of a step, in real processes: played as they went."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from agent_runtime.replay.replay import Replayed, replay
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ModelSettings
from benchmarks.crash.bank import Bank
from benchmarks.crash.child import NOTES, Orders, offline, whole_run_child
from benchmarks.crash.crew import ended, spawn
from benchmarks.crash.notes import Notes
from benchmarks.crash.payout import make_app, make_model
from benchmarks.crash.point import Crash, Point, Trap
from benchmarks.crash.whole import number_of


async def replayed(folder: Path) -> Replayed:
    """The one run of a folder that no process works on any more."""
    trap, bank = Trap(Notes(folder / NOTES), None), Bank(folder)
    app, data = make_app(trap, bank), Orders(folder).data
    async with Runtime.open(app, data, model=make_model(trap), settings=offline(30.0)) as runtime:
        session = runtime.store.read("default")
        ids = [run.id for run in session.runs.find()]
        (found,) = [one async for one in replay(session, app, ModelSettings(), ids)]
    return found


@pytest.mark.parametrize(
    "point",
    [Point("model.after", 1), Point("tool.after", 2), Point("tool.after", 4)],
    ids=["the model had answered", "the gate had read the facts", "it had acted"],
)
async def test_a_run_whose_worker_was_killed_is_played_as_it_went(
    tmp_path: Path, point: Point
) -> None:
    """Another process took over and went on; what was done twice counts as it was done last."""
    number = number_of("idempotency_key")
    killed = ended(spawn(whole_run_child, Orders(tmp_path, crash=Crash(point)), number))
    assert killed == -signal.SIGKILL
    assert ended(spawn(whole_run_child, Orders(tmp_path), number)) == 0
    found = await replayed(tmp_path)
    assert (found.result, found.divergence, found.problem) == ("identical", None, "")
    assert (found.verdicts, len(Bank(tmp_path).effects())) == (1, 1)

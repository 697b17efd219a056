"""The scale benchmark: a small run of it, and that each of its checks can fail."""

from __future__ import annotations

import json
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.store.runs import RunFilter
from benchmarks.engine.case import WrongRun
from benchmarks.engine.governed import RITA, open_governed
from benchmarks.engine.people import PAGE, look, seed_paused
from benchmarks.scale import usage
from benchmarks.scale.__main__ import main
from benchmarks.scale.lists import Lists, make_finished, make_paused
from benchmarks.scale.measure import Found, Size
from benchmarks.scale.program import Place
from benchmarks.scale.report import TARGETS, summarize
from benchmarks.scale.usage import Usage

TINY = Size(paused=4, finished=3, looks=2, starts=1, idle=0.2, decisions=2, patience=1.0)
FOUND = Found(
    lists=Lists([10.0], [1.0], [1.0]),
    lists_finished=Lists([12.0], [1.0], [1.0]),
    start_empty=1.0,
    start_paused=1.1,
    start_finished=1.2,
    doctor_empty=1.0,
    doctor_finished=2.0,
    idle_empty=Usage(memory_mb=90.0, cpu_percent=0.4),
    idle_paused=Usage(memory_mb=95.0, cpu_percent=0.5),
    acts=[80.0],
)
"""Figures that meet every target."""


def spin() -> None:
    """Never settles."""
    while True:
        pass


def missed(found: Found) -> list[str]:
    document = summarize(TINY, found, [{}, {}])
    return [judged["target"] for judged in document["targets"] if not judged["met"]]


def test_a_small_run_adds_its_figures_to_the_latest_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real processes on real files; the last line is the result, and nothing is overwritten."""
    out = tmp_path / "latest.json"
    out.write_text('{"inbox_p95_ms": 5.0}')
    assert main(["--json", "--out", str(out), "--dir", str(tmp_path)], size=TINY) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert json.loads(out.read_text()) == {"inbox_p95_ms": 5.0, "scale": printed}
    assert (printed["paused"], printed["finished"]) == (4, 3)
    assert {target.name for target in TARGETS} <= printed.keys()
    assert printed["start_empty_s"] > 0 < printed["decide_to_act_worker_p95_ms"]
    assert list(tmp_path.iterdir()) == [out]


async def test_a_copy_weighs_as_much_as_its_original(tmp_path: Path) -> None:
    """The same question, history, recordings and checkpoints, under ids of its own."""
    async with open_governed(tmp_path) as case:
        await seed_paused(case, 2)
        session = case.runtime.store.read(RITA.tenant)
        original, copied = session.runs.find(["paused"])
        assert original.id != copied.id
        for run in (original, copied):
            (asked,) = session.approvals.find(["open"], run_id=run.id)
            bodies = json.dumps([event.body for event in session.events.find(run.id)])
            assert asked.id in bodies
        weights = [
            (
                [event.type for event in session.events.find(run.id)],
                len(session.recordings.find(run.id)),
                len(session.checkpoints.find(run.id, None, None)),
            )
            for run in (original, copied)
        ]
        assert weights[0] == weights[1]
        assert case.runtime.verify().problem == ""


async def test_nothing_is_wrong_with_what_was_seeded(tmp_path: Path) -> None:
    """As the doctor sees it, who ends with 1 where he finds anything."""
    place = Place.make(tmp_path)
    await make_paused(tmp_path, 3)
    await make_finished(tmp_path, 2)
    assert place.seconds("doctor") > 0


async def test_a_list_that_lacks_a_question_is_no_result(tmp_path: Path) -> None:
    """Each look counts what it was shown."""
    async with open_governed(tmp_path) as case:
        await seed_paused(case, PAGE + 1)
        assert look(case.runtime.desk, PAGE + 1) > 0
        with pytest.raises(WrongRun, match="counts 101"):
            look(case.runtime.desk, PAGE + 2)


def test_a_command_that_fails_is_no_result(tmp_path: Path) -> None:
    """Its own words say why."""
    place = Place.make(tmp_path)
    with pytest.raises(WrongRun, match="There is no data"):
        place.seconds("runs", "list")


def test_a_worker_that_ends_is_no_result(tmp_path: Path) -> None:
    """An idle process that is gone uses no CPU at all."""
    place = Place.make(tmp_path)
    (tmp_path / "policies" / "publish.cedar").write_text("permit (")
    with pytest.raises(WrongRun, match="The worker ended"), place.worker() as process:
        process.wait(60)


@pytest.mark.skipif(not usage.is_told(), reason="this system does not tell")
def test_a_busy_process_is_seen_to_be_busy() -> None:
    """It never settles, which costs patience, and its CPU is counted all the same."""
    busy = get_context("fork").Process(target=spin, daemon=True)
    busy.start()
    try:
        assert busy.pid is not None
        usage.settle([busy.pid], 0.1)
        (used,) = usage.watch([busy.pid], 0.5)
        assert used.cpu_percent > 5
        assert used.memory_mb > 1
    finally:
        busy.kill()
        busy.join()


@pytest.mark.parametrize(
    ("worse", "target"),
    [
        ({"lists": Lists([21.0], [1.0], [1.0])}, "inbox p95 ms"),
        ({"lists_finished": Lists([21.0], [1.0], [1.0])}, "inbox finished ratio"),
        ({"start_paused": 1.6}, "start extra s"),
        ({"idle_paused": Usage(151.0, 0.5)}, "memory extra mb"),
        ({"idle_paused": Usage(95.0, 1.1)}, "idle cpu paused percent"),
        ({"idle_empty": Usage(90.0, 1.1)}, "idle cpu empty percent"),
        ({"acts": [301.0]}, "decide to act worker p95 ms"),
    ],
)
def test_each_target_can_be_missed(worse: dict[str, Any], target: str) -> None:
    """And is met otherwise."""
    assert missed(FOUND) == []
    (found,) = missed(replace(FOUND, **worse))
    assert found.startswith(target)


def test_what_a_system_does_not_tell_is_no_target() -> None:
    """Outside Linux, memory and CPU stay open rather than met."""
    document = summarize(TINY, replace(FOUND, idle_empty=None, idle_paused=None), [{}, {}])
    assert document["memory_extra_mb"] is None
    assert len(document["targets"]) == len(TARGETS) - 3


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    """Exit code 2, as in the other benchmarks."""
    assert main(["--dir", str(tmp_path / "none")]) == 2


async def test_runs_of_several_states_are_paged_as_one_list(tmp_path: Path) -> None:
    """Each state is found by its index; together they stay in order, none twice, none left out."""
    await make_paused(tmp_path, 4)
    await make_finished(tmp_path, 3)
    async with open_governed(tmp_path) as case:
        runs = case.runtime.store.read(RITA.tenant).runs
        chosen = RunFilter(states=("completed", "paused", "completed"))
        first = runs.page(chosen, newest_first=True, after=None, limit=5)
        rest = runs.page(chosen, newest_first=True, after=first[-1].id, limit=5)
        assert [run.state for run in first] == ["completed"] * 3 + ["paused"] * 2
        whole = runs.page(RunFilter(), newest_first=True, after=None, limit=10)
        assert [*first, *rest] == whole

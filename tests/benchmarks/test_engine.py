"""The speed benchmark: small runs of it, and that a run that goes wrong is no result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.engine import __main__ as command
from benchmarks.engine.__main__ import Size, main
from benchmarks.engine.bare import open_memory, open_own, open_stock
from benchmarks.engine.case import Case, OpenCase, WrongRun, run_cycles, traced_commits
from benchmarks.engine.governed import POLICY, RITA, open_governed, open_governed_case
from benchmarks.engine.people import PAGE, inbox
from benchmarks.engine.workload import LETTER, arguments, filler, letter, proposal

TINY = Size({1: 3, 4: 6}, 1, 5, 3, 2, 0.05)
KEYS = {"governed_vs_stock", "saver_vs_stock", "inbox_p95_ms", "decide_to_act_p95_ms"}
BARE = (open_memory, open_stock, open_own)


class Wrong:
    """A case that goes wrong in one way."""

    def __init__(self, *, pauses: bool, acts: int) -> None:
        self._pauses, self._acts = pauses, acts

    async def start(self, name: str) -> bool:  # noqa: ARG002 — a case's signature
        return self._pauses

    async def answer(self, name: str) -> int:  # noqa: ARG002
        return self._acts


def opening(case: Case) -> OpenCase:
    @asynccontextmanager
    async def opened(_folder: Path) -> AsyncIterator[Case]:
        yield case

    return opened


def test_a_small_run_writes_its_results_and_a_chart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file, the line on standard output and the chart tell of every case."""
    code = main(["--json", "--out", str(tmp_path), "--dir", str(tmp_path)], size=TINY)
    printed = json.loads(capsys.readouterr().out)
    assert (code, printed) == (0, json.loads((tmp_path / "latest.json").read_text()))
    assert printed.keys() >= KEYS
    assert printed["governed_vs_stock"].keys() == {"1", "4"}
    assert Counter(row["case"] for row in printed["rows"]) == dict.fromkeys(command.CASES, 2)
    assert all(row["commits"] for row in printed["rows"] if row["case"] != "memory")
    assert all(row["kb"] for row in printed["rows"] if row["case"] != "memory")
    ET.parse(tmp_path / "latest.svg")  # noqa: S314 — it is our own


@pytest.mark.parametrize("opened", [*BARE, open_governed_case])
async def test_every_cycle_acts_exactly_once(opened: OpenCase, tmp_path: Path) -> None:
    """In each case, several at a time: a cycle that acts otherwise raises."""
    async with opened(tmp_path) as case:
        assert len(await run_cycles(case, [f"r{n}" for n in range(6)], 3)) == 6


async def test_a_governed_cycle_leaves_everything_behind(tmp_path: Path) -> None:
    """Nothing is left out for speed: question, decision, journal, recordings, whole history."""
    async with open_governed(tmp_path) as case:
        await run_cycles(case, ["one"], 1)
        session = case.runtime.store.read(RITA.tenant)
        (asked,) = session.approvals.find()
        (entry,) = session.journal.find()
        assert (asked.status, asked.decisions[0].operator) == ("approved", "rita")
        assert (entry.state, entry.run_id) == ("executed", asked.run_id)
        assert len(session.recordings.find(asked.run_id)) == 2
        kinds = Counter(event.type for event in session.events.find(asked.run_id))
        assert kinds["envelope.emitted"] == 5
        assert case.runtime.verify().problem == ""


@pytest.mark.parametrize(("pauses", "acts"), [(False, 1), (True, 0), (True, 2), (True, -1)])
def test_a_run_that_goes_wrong_aborts_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, pauses: bool, acts: int
) -> None:
    """Not paused, never acted, acted twice, not ended: exit code 1 and no result file."""
    monkeypatch.setattr(command, "CASES", {"wrong": opening(Wrong(pauses=pauses, acts=acts))})
    assert main(["--out", str(tmp_path)], size=TINY) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_policy_that_asks_nobody_is_found(tmp_path: Path) -> None:
    """The governed case notices by itself when its run doesn't pause."""
    asking = '@approvers("editor:1") @deadline("24h")'
    unattended = POLICY.replace(asking, "").replace("request:publish", "execute:publish")
    async with open_governed(tmp_path, unattended) as case:
        with pytest.raises(WrongRun, match="did not pause"):
            await run_cycles(case, ["one"], 1)


async def test_the_inbox_holds_what_was_seeded(tmp_path: Path) -> None:
    """Copies of a run that really paused; a page of them is looked at."""
    assert len(await inbox(PAGE + 20, 2, tmp_path)) == 2


async def test_commits_are_counted_on_every_connection(tmp_path: Path) -> None:
    """The stock saver opens its connection on a thread of its own."""
    with traced_commits() as commits:
        async with open_stock(tmp_path) as case:
            before = len(commits.at)
            await run_cycles(case, ["one"], 1)
            assert len(commits.at) - before > 5


def test_every_case_handles_the_same_bytes() -> None:
    """2 KB of evidence and an envelope of about 2 KB, the same for the same name."""
    assert len(letter("one")) == LETTER
    assert 1_900 < len(json.dumps(proposal("one"))) < 2_300
    assert arguments("one") == arguments("one") != arguments("two")
    assert len(filler("x", 7)) == 7


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    """Exit code 2, as in the other benchmark."""
    assert main(["--dir", str(tmp_path / "none")]) == 2

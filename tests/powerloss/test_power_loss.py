"""Power loss: what the disk was not told to keep may be gone, and nothing that was promised."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_runtime.errors import StoreError
from tests.powerloss.disk import Disk, Loss
from tests.powerloss.failure import (
    Failure,
    each_kind,
    failures,
    memory,
    record_work,
    records_of,
)
from tests.powerloss.survival import go_on, lost
from tests.powerloss.trace import Record
from tests.powerloss.work import FULL, OFF

SEED = 7
RUNS = 9
STRIDE = 20
"""Calls between two failures of the life without syncs."""
LAST: tuple[Loss, ...] = ("last",)
RESUMED = 30
"""Failures after which every run is driven to its end; a tenth of a second each."""


@dataclass(frozen=True)
class Recorded:
    """The recorded lives, and where to lay failures out."""

    folder: Path
    after: Path

    def failures(self) -> Iterator[Failure]:
        """Of each interval between two syncs one of each kind."""
        rng = random.Random(SEED)  # noqa: S311 — to be repeated
        records = records_of(self.folder / "trace", FULL)
        return failures(records, FULL, rng, each_kind(records, rng))

    def careless_failures(self) -> Iterator[Failure]:
        """Of the life without syncs, the last writes lost, again and again."""
        rng = random.Random(SEED)  # noqa: S311 — to be repeated
        records = records_of(self.folder / "trace", OFF)
        plan = dict.fromkeys(range(0, len(records), STRIDE), LAST)
        return failures(records, OFF, rng, plan)

    def lay_out(self, failure: Failure, name: str = FULL) -> Path:
        """The data folder that the failure has left."""
        return failure.lay_out(self.after, (self.folder / name / "accounts.json").read_bytes())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Runs started, paused, decided and finished, several at once, with every write recorded."""
    if not sys.platform.startswith("linux") or shutil.which("gcc") is None:
        pytest.skip("recording writes needs Linux and gcc")
    folder = tmp_path_factory.mktemp("power")
    record_work(folder, RUNS)
    with memory() as after:
        yield Recorded(folder, after)


def test_nothing_that_was_acknowledged_is_lost(recorded: Recorded) -> None:
    """In every interval between two syncs, with writes lost, torn and out of order: starts,
    pauses, decisions and ends are there, the file is whole and its chain is the anchored one."""
    failed, told, problems = 0, 0, []
    for failure in recorded.failures():
        found = lost(failure, recorded.lay_out(failure))
        problems += [f"{failure}: {problem}" for problem in found]
        failed, told = failed + 1, told + len(failure.told)
    print(f"{failed} power failures, {told} acknowledgements looked for, {len(problems)} problems")
    assert problems == []
    assert failed > 100
    assert told > 5 * failed


async def test_the_work_goes_on_after_a_power_failure(recorded: Recorded) -> None:
    """Every run reaches its end, nobody is asked twice, and each payout was made once."""
    all_of_them, problems = list(recorded.failures()), []
    for failure in all_of_them[:: len(all_of_them) // RESUMED]:
        found = await go_on(failure, recorded.lay_out(failure))
        problems += [f"{failure}: {problem}" for problem in found]
    assert problems == []


def test_without_syncs_a_decision_is_lost(recorded: Recorded) -> None:
    """The same work at synchronous=OFF: this is how a loss looks when there is one."""

    def found(failure: Failure) -> list[str]:
        try:
            return lost(failure, recorded.lay_out(failure, OFF))
        except StoreError as error:
            return [error.message]

    problems = (problem for failure in recorded.careless_failures() for problem in found(failure))
    assert any(problem.startswith("decided: ") for problem in problems)


def test_the_disk_keeps_what_was_written_before_a_sync_began() -> None:
    """Not what came while it was under way, and no name before its folder's sync."""
    disk, rng = Disk("full"), random.Random(SEED)  # noqa: S311 — to be repeated
    file = "full/runtime.db"
    for record in (
        Record("W", file, 0, b"early"),
        Record("B", file, 1, b""),
        Record("W", file, 5, b" late"),
        Record("S", file, 1, b""),
    ):
        disk.apply(record)
    found = [disk.after("last", rng) for _ in range(50)]
    assert {content.get(file) for content in found} == {None, b"early", b"early late"}
    disk.apply(Record("B", "full", 1, b""))
    disk.apply(Record("S", "full", 1, b""))
    found = [disk.after("last", rng) for _ in range(50)]
    assert {content.get(file) for content in found} == {b"early", b"early late"}

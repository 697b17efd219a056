"""Power failures: every moment of a recorded life at which the plug may be pulled."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_args

from agent_runtime.runtime import DATABASE
from tests.powerloss.disk import Disk, Loss
from tests.powerloss.trace import Record, read_trace

SHIM = Path(__file__).with_name("shim.c")
LOSSES: tuple[Loss, ...] = get_args(Loss)
FORGOTTEN = (f"{DATABASE}-shm",)
"""An index that SQLite shares through memory and makes anew."""
Plan = Mapping[int, Sequence[Loss]]
"""After which call the power fails, and in which ways."""


@dataclass(frozen=True)
class Told:
    """What a caller had been told before the power failed."""

    what: str
    run: str


@dataclass(frozen=True)
class Failure:
    """One failure: what the database's disk holds, what outside files hold, who was told what."""

    moment: int
    loss: Loss
    files: dict[str, bytes]
    outside: dict[str, bytes]
    told: tuple[Told, ...]

    def __str__(self) -> str:
        return f"after call {self.moment}, losing {self.loss}"

    def lay_out(self, folder: Path, accounts: bytes) -> Path:
        """Put the files where the product finds them; returns the data folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in {**self.files, **self.outside, "accounts.json": accounts}.items():
            (folder / name).touch(0o600)
            (folder / name).write_bytes(content)
        return folder


def record_work(folder: Path, runs: int) -> Path:
    """Let the work be done and recorded; returns the trace. Needs gcc, and Linux."""
    shim, trace = folder / "shim.so", folder / "trace"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(SHIM), "-ldl"], check=True
    )
    env = {"LD_PRELOAD": str(shim), "POWERLOSS_TRACE": str(trace), "POWERLOSS_FOLDER": str(folder)}
    words = [sys.executable, "-m", "tests.powerloss.work", str(folder), str(trace), str(runs)]
    subprocess.run(words, check=True, env=env, cwd=SHIM.parents[2], timeout=300)
    return trace


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory, where there is one: what is laid out there needs no disk's patience."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 — no fixed name
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name) / "data"


def records_of(trace: Path, folder: str) -> list[Record]:
    """One folder's part of a trace, without what no disk sees."""
    ours = [r for r in read_trace(trace) if r.name.split("/")[0] == folder]
    return [record for record in ours if not record.name.endswith(FORGOTTEN)]


def every(records: Sequence[Record]) -> Plan:
    """Every kind of failure after every call."""
    return dict.fromkeys(range(len(records)), LOSSES)


def each_kind(records: Sequence[Record], rng: random.Random) -> Plan:
    """In each interval between two syncs every kind of failure, at random moments."""
    ends = [moment for moment, record in enumerate(records) if record.kind == "S"]
    plan: dict[int, list[Loss]] = {}
    for first, last in pairwise([0, *ends, len(records)]):
        for loss in LOSSES:
            plan.setdefault(rng.randrange(first, last), []).append(loss)
    return plan


def failures(
    records: Sequence[Record], folder: str, rng: random.Random, plan: Plan
) -> Iterator[Failure]:
    """The failures of a plan, in the order of their moments."""
    disk, outside, told = Disk(folder), dict[str, bytes](), list[Told]()
    for moment, record in enumerate(records):
        name = record.name.partition("/")[2]
        if record.kind == "N":
            told.append(Told(record.note["told"], record.note["run"]))
        elif name and not name.startswith(DATABASE):
            _keep(outside, name, record)
        else:
            disk.apply(record)
        for loss in plan.get(moment, ()):
            files = {n.partition("/")[2]: c for n, c in disk.after(loss, rng).items()}
            yield Failure(moment, loss, files, dict(outside), tuple(told))


def _keep(outside: dict[str, bytes], name: str, record: Record) -> None:
    """What is written outside the database stays: for the one who forgets, the worst case."""
    before = outside.get(name, b"")
    match record.kind:
        case "A":
            outside[name] = before + record.data
        case "W":
            outside[name] = before[: record.offset] + record.data
        case "T":
            outside[name] = before[: record.offset]
        case _:
            pass

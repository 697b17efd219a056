"""A process that dies while it attends to a provider's batch: nothing is sent twice, or lost."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent_runtime.testing import ChatServer
from benchmarks.crash.point import Crash, Point
from tests.crash.batching import TOKENS, Shift, answer, attend, start_runs
from tests.processes import CONTEXT, spawn, wait

SEED, SAMPLE = 20_260_330, 5
RUNS = 2
FIRST, THEN = (61, 77, 108), (409, 425, 456, 517, 578)
"""When the process looks up that dies, and the one after it, which finds its turn over."""

SENT = Point("model.after", 2)
"""The file is there, and so is the batch; nobody has written that down."""


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Shift:
    """Runs that wait for their batch, and the folder that they are in."""
    folder, results = tmp_path_factory.mktemp("parked"), CONTEXT.Queue()
    child = spawn(start_runs, Shift(folder, "http://127.0.0.1:9/v1"), RUNS, results)
    runs = results.get(timeout=60)
    assert wait(child) == [0]
    return Shift(folder, "", runs)


@contextmanager
def another(parked: Shift, folder: Path) -> Iterator[tuple[Shift, ChatServer]]:
    """The same runs on a file of their own, with a provider of their own."""
    shutil.copytree(parked.folder, folder)
    with ChatServer(answer) as server:
        yield replace(parked, folder=folder, url=server.base_url), server


def attended(shift: Shift) -> Any:
    """What a process reports that has attended to the batch."""
    results = CONTEXT.Queue()
    child = spawn(attend, shift, results)
    found = results.get(timeout=60)
    assert wait(child) == [0]
    return found


def check_crash(parked: Shift, folder: Path, point: Point) -> bool:
    """Die there, and let another process go on: each line was asked and paid for once. False: this
    life went by without the point, since writes of several runs may share a commit."""
    with another(parked, folder) as (shift, server):
        unheard = CONTEXT.Queue()
        dying = spawn(attend, replace(shift, looks=FIRST, crash=Crash(point)), unheard)
        if (ended := wait(dying)) == [0]:
            return False
        assert ended == [-signal.SIGKILL], point
        _, (runs, tokens) = attended(replace(shift, looks=THEN))
        assert runs == [("completed", [("answered", True)])] * RUNS, point
        assert (tokens, len(server.requests)) == (RUNS * TOKENS, RUNS), point
        assert len(server.desk.batches) == 1, point
    return True


def test_a_batch_is_sent_once_wherever_its_process_dies(parked: Shift, tmp_path: Path) -> None:
    """After sending it and before noting it, and at points of the whole way by chance: before and
    after each commit and each request to the provider."""
    with another(parked, tmp_path / "whole") as (shift, _):
        points, (runs, _) = attended(replace(shift, looks=FIRST))
    assert runs == [("completed", [("answered", True)])] * RUNS
    points.remove(SENT)
    assert check_crash(parked, tmp_path / "sent", SENT)
    Random(SEED).shuffle(points)  # noqa: S311 — points, no secrets
    died = (check_crash(parked, tmp_path / str(n), point) for n, point in enumerate(points))
    assert sum(islice(filter(None, died), SAMPLE)) == SAMPLE

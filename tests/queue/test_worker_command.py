"""`agent-runtime worker` as a program: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.app import load_app
from agent_runtime.cli.commands.worker import ECHO
from agent_runtime.runtime import Runtime
from agent_runtime.trigger import Trigger
from tests.cli.conftest import PROGRAM
from tests.cli.test_cli_interrupts import SOURCE
from tests.patience import PATIENCE
from tests.processes import spawn, wait
from tests.program import run as program

ENDED = "The worker has ended."


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one workflow, whose first look-up takes its time."""
    for folder in ("graphs", "graphs/slow"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "graphs/slow/workflow.py").write_text(SOURCE)
    return tmp_path


def queue_runs(project: Path, *customers: Path) -> None:
    """Queue a run for each; the look-up is quick where the file is there already. In a process of
    its own, because a project that was loaded here stays imported."""
    assert wait(spawn(queue_child, project, customers)) == [0]


def queue_child(project: Path, customers: Sequence[Path]) -> None:
    async def work() -> None:
        async with Runtime.open(load_app(project), project / "data") as runtime:
            for customer in customers:
                trigger = Trigger(kind="event", owner="mailroom")
                await runtime.start("slow", {"customer": str(customer)}, trigger=trigger)

    asyncio.run(work())


def states(project: Path) -> list[str]:
    done = program("runs", "list", "--json", "--app", str(project))
    return [run["state"] for run in json.loads(done.stdout)]


@pytest.fixture
def worker(project: Path, request: Any) -> Iterator[subprocess.Popen[str]]:
    """A worker in the middle of a long look-up."""
    queue_runs(project, project / "begun")
    words = [str(PROGRAM), "worker", "--app", str(project)]
    env = {**os.environ, "AGENT_RUNTIME_STOP_GRACE": str(getattr(request, "param", 2))}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        while "run.claimed" not in process.stdout.readline():
            assert process.poll() is None
        while not (project / "begun").exists():
            assert process.poll() is None
        yield process
        process.kill()


def test_once_drives_what_is_ready(project: Path) -> None:
    """Each run that it takes up is a line, as is where it led; then it ends with 0."""
    seen = project / "seen"
    seen.touch()
    queue_runs(project, seen, seen, seen)
    done = program("worker", "--once", "--json", "--app", str(project))
    events = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(events) == ["run.claimed"] * 3 + ["run.ended"] * 3
    assert states(project) == ["completed"] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_hands_back_and_ends_with_0(
    project: Path, worker: subprocess.Popen[str], number: int
) -> None:
    """What it held is queued, for the next worker."""
    worker.send_signal(number)
    out, _ = worker.communicate(timeout=PATIENCE)
    assert (worker.returncode, out.splitlines()[-1]) == (0, ENDED)
    assert states(project) == ["queued"]


@pytest.mark.parametrize("worker", [2 * PATIENCE], indirect=True, ids=["long grace"])
def test_a_second_signal_ends_at_once(project: Path, worker: subprocess.Popen[str]) -> None:
    """Within the grace period already; the run is left behind, to be taken over."""
    worker.send_signal(signal.SIGTERM)
    # Again: a worker that has slept since the first one takes the second for its echo.
    while worker.poll() is None:
        time.sleep(ECHO + 0.3)
        worker.send_signal(signal.SIGINT)
    assert worker.returncode == 130
    assert states(project) == ["running"]
    assert program("worker", "--once", "--app", str(project)).returncode == 0
    assert states(project) == ["completed"]


def test_a_signals_echo_is_no_second_one(project: Path, worker: subprocess.Popen[str]) -> None:
    """Some signal a process and then its whole group."""
    os.kill(worker.pid, signal.SIGSTOP)  # both signals are there before it can act on the first
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGINT)
    os.kill(worker.pid, signal.SIGCONT)
    worker.communicate(timeout=PATIENCE)
    assert (worker.returncode, states(project)) == (0, ["queued"])

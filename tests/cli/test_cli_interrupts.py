"""Ctrl-C and a kill in the middle of a run, in a small project whose look-up takes its time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_runtime.cli.interrupts import run_through
from tests.cli.conftest import PROGRAM, Said, Say
from tests.patience import PATIENCE

SOURCE = """
import asyncio
from pathlib import Path
from pydantic import BaseModel
from agent_runtime import Brief, Context, Envelope, Reasoning, Step, ToolCall, Workflow, tool

class Errand(BaseModel):
    customer: str

@tool(effect="read")
async def look(args: Errand, call: ToolCall) -> str:
    "Look for a long time, once."
    if not Path(args.customer).exists():
        Path(args.customer).touch()
        await asyncio.sleep(120)
    return "It is there."

def conclude(brief: Brief) -> Envelope:
    return Envelope(step=brief.step, status="insufficient", confidence=1, reason="All was seen.")

step = Step("see", context=Context(tools=[look.with_inputs(customer="customer")]),
            reasoning=Reasoning(rule=conclude))
workflow = Workflow("slow", input=Errand, steps=[step], subject="customer")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one workflow, with a request in `request.json`."""
    for folder in ("graphs", "graphs/slow"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "graphs/slow/workflow.py").write_text(SOURCE)
    (tmp_path / "request.json").write_text(f'{{"customer": "{tmp_path}/begun"}}')
    return tmp_path


@pytest.fixture
def stopped(project: Path) -> Callable[[int], Said]:
    """Starts the run and sends a signal once its look-up has begun."""

    def stop(number: int) -> Said:
        words = ["run", "slow", "--input", str(project / "request.json"), "--app", str(project)]
        with subprocess.Popen(
            [PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            seen = ""
            while "run.claimed" not in seen:
                seen += process.stdout.readline()
            while not (project / "begun").exists():
                assert process.poll() is None
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
        return Said(process.returncode, seen + out, err)

    return stop


def test_ctrl_c_hands_the_run_back(
    stopped: Callable[[int], Said], project: Path, spawn: Say
) -> None:
    """Ctrl-C leaves the run queued, ends with 130 although a thread is at work, and says how to go
    on; that works."""
    said = stopped(signal.SIGINT)
    said.fails(130, "Interrupted.", "runs resume")
    assert "state=queued" in said.out
    resumed = spawn("runs", "resume", "--app", str(project), "--json")
    assert [run["state"] for run in resumed.json] == ["completed"]


def test_killed_run_is_taken_over(
    stopped: Callable[[int], Said], project: Path, spawn: Say
) -> None:
    """A run whose process was killed is driven on by the next one, without waiting."""
    assert stopped(signal.SIGKILL).code == -signal.SIGKILL
    resumed = spawn("runs", "resume", "--app", str(project), "--json")
    assert [run["state"] for run in resumed.json] == ["completed"]


def test_a_signal_that_ends_no_wait_is_heard() -> None:
    """One that another thread receives, or that comes just before the wait: the loop wakes."""

    def hit() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    slept = []

    async def work() -> None:
        threading.Timer(0.3, hit).start()
        await asyncio.sleep(PATIENCE)
        slept.append("to the end")

    with pytest.raises(KeyboardInterrupt):
        run_through(work())
    assert slept == []

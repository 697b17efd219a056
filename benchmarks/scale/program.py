"""The program under measurement: `agent-runtime` on a small project, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_runtime.workflow import Workflow
from benchmarks.engine.case import WrongRun
from benchmarks.engine.governed import POLICY, Press, make_app

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("agent-runtime")
PATIENCE = 120.0
"""Seconds that one process may take before the measurement is given up."""

_BEGAN = "began.jsonl"
_WORKFLOW = f"""\
from pathlib import Path

from benchmarks.scale.program import stamped

workflow = stamped(Path(__file__).parents[2] / "{_BEGAN}")
"""
_PRIVATE = ("AGENT_RUNTIME_", "OPENAI_", "OTEL_")
"""Settings of the caller's own, which would change what is measured."""


class Stamp(Press):
    """Notes in a file when each call began, for the process that measures."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def begin(self, run_id: str) -> None:
        super().begin(run_id)
        with self._path.open("a") as file:
            file.write(json.dumps([run_id, self.began]) + "\n")


def stamped(path: Path) -> Workflow:
    """The speed benchmark's workflow, for the project of another process."""
    return make_app(Stamp(path)).workflows["notices"]


@dataclass(frozen=True)
class Place:
    """One installation: the project's files, and beside them its data."""

    folder: Path

    @property
    def data(self) -> Path:
        """Where `open_governed(folder)` keeps it, too."""
        return self.folder / "governed"

    @classmethod
    def make(cls, folder: Path) -> Place:
        """Write the project."""
        notices = folder / "graphs" / "notices"
        notices.mkdir(parents=True)
        (notices.parent / "__init__.py").touch()  # or this repository's own `graphs` is found
        (notices / "workflow.py").write_text(_WORKFLOW)
        (folder / "policies").mkdir()
        (folder / "policies" / "publish.cedar").write_text(POLICY)
        return cls(folder)

    def began(self) -> dict[str, float]:
        """When each run's write tool began (`time.perf_counter`, one clock for all processes)."""
        path = self.folder / _BEGAN
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return dict(json.loads(line) for line in lines if line.endswith("\n"))

    def words(self, *command: str) -> list[str]:
        """A command line of the program on this installation."""
        return [str(PROGRAM), *command, "--app", str(self.folder), "--data", str(self.data)]

    def seconds(self, *command: str) -> float:
        """How long one command takes, from its process's start to its end. Raises WrongRun."""
        begun = time.perf_counter()
        done = subprocess.run(
            self.words(*command),
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE * 10,
            check=False,
        )
        spent = time.perf_counter() - begun
        if done.returncode:
            raise WrongRun(
                f"agent-runtime {command[0]} ended with {done.returncode}: {done.stderr}"
            )
        return spent

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker at work beside us. Raises WrongRun when it ended by itself."""
        words = self.words("worker")
        with subprocess.Popen(words, env=_environment(), stdout=subprocess.DEVNULL) as process:
            try:
                yield process
                if process.poll() is not None:
                    raise WrongRun(f"The worker ended with {process.returncode}.")
            finally:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    return {**kept, "PYTHONPATH": str(ROOT)}

"""The program, forked from a process that has imported it: to start it takes seconds of a busy
machine, and tests start it again and again. How it starts is tried where it is installed, in
`tests/cli`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import agent_runtime.cli.commands.serve  # noqa: F401 — for the children: it imports all of a server
from agent_runtime.cli import main
from tests.patience import PATIENCE
from tests.processes import CONTEXT, spawn, wait

ROOT = Path(__file__).parents[1]
INSTALLED = [place for place in sys.path if place and Path(place).resolve() != ROOT]
"""Where a program looks for modules, before any test has loaded a project."""


class Program:
    """A running program, to be read from line by line."""

    def __init__(self, *words: str, env: Mapping[str, str]) -> None:
        read, write = CONTEXT.Pipe(duplex=False)
        with read, write:
            self._child = spawn(_become, words, dict(env), write, None, Path.cwd())
            self.stdout = os.fdopen(os.dup(read.fileno()), encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._child.pid or 0

    @property
    def returncode(self) -> int | None:
        """None while it runs; the negative signal that has killed it."""
        return self._child.exitcode

    def send_signal(self, number: int) -> None:
        """To one that has ended already, it does nothing."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def wait(self) -> int:
        """How it ended. Raises TimeoutError."""
        self._child.join(PATIENCE)
        if self.returncode is None:
            raise TimeoutError("it goes on")
        return self.returncode


def run(
    *words: str, env: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The program to its end, with what it printed; `folder` is where it is called."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        given = [Connection(os.dup(file.fileno())) for file in (out, err)]
        known = dict(os.environ if env is None else env)
        child = spawn(_become, words, known, *given, folder or Path.cwd())
        for one in given:
            one.close()
        (code,) = wait(child)
        assert code is not None
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


def _become(
    words: tuple[str, ...], env: dict[str, str], out: Connection, err: Connection | None, here: Path
) -> Any:
    os.chdir(here)
    os.environ.clear()
    os.environ.update(env)
    for given, number in ((out, 1), (err, 2)):
        if given is not None:
            os.dup2(given.fileno(), number)
            given.close()
    # The streams know the files that they were made on.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["agent-runtime", *words]
    sys.path[:] = [*filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *INSTALLED]
    main()

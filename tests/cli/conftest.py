"""Fixtures: the command line called in this process, as a process, and on a terminal."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agent_runtime.app import load_app
from agent_runtime.cli import main
from agent_runtime.cli.demo import TRIGGER, load_systems
from agent_runtime.operators import FILE, provide_operators
from agent_runtime.runtime import Runtime
from agent_runtime.trigger import Trigger
from tests.patience import PATIENCE

PROJECT = Path(__file__).parents[2]
SAMPLES = PROJECT / "graphs" / "refund" / "samples"
PROGRAM = Path(sys.executable).with_name("agent-runtime")
ASKED = ("shop-inbox-002", "shop-inbox-003", "shop-inbox-012")
"""Requests that pause: 49.00 and 489.00 ask a support_lead, 1250.00 asks two of finance."""
_SECRETS = re.compile(r"^(AGENT_RUNTIME_|OPENAI_|OTEL_|NO_COLOR|FORCE_COLOR|COLUMNS)")


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on the last line."""
        return json.loads(self.out.splitlines()[-1])

    def fails(self, code: int, *words: str) -> None:
        """It ended with this code, one error, what to do, these words and no traceback."""
        assert self.code == code, self
        assert self.err.startswith("error: "), self
        assert "Traceback" not in self.out + self.err
        for word in words:
            assert word in self.err, self


Say = Callable[..., Said]


@dataclass(frozen=True)
class Desk:
    """A data folder of its own, and the project's commands on it."""

    data: Path
    _say: Say

    def __call__(self, *words: str, **extra: Any) -> Said:
        return self._say(*words, "--app", str(PROJECT), "--data", str(self.data), **extra)

    def approval(self, amount: str) -> str:
        """The id of the open approval over this amount."""
        rows = [line.split("\t") for line in self("approvals", "list").out.splitlines()]
        return next(row[0] for row in rows if row[3] == amount)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if _SECRETS.match(name):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def programs_hear_ctrl_c() -> None:
    """A shell's background job ignores Ctrl-C, and so would every program started in it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Calls the command line in this process: quick, for what needs no process."""

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["agent-runtime", *words])
        monkeypatch.setattr(sys, "path", [*sys.path])  # loading a project adds its folder
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Said(int(ended.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def own_packages() -> Iterator[None]:
    """The packages of the project that was loaded last make place for those of another one."""

    def loaded() -> dict[str, ModuleType]:
        found = list(sys.modules.items())
        return {name: m for name, m in found if name.split(".")[0] in ("graphs", "tools")}

    before = loaded()
    for name in before:
        del sys.modules[name]
    yield
    for name in loaded():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def spawn() -> Say:
    """Runs the installed program as a process of its own."""

    def call(*words: str, **extra: Any) -> Said:
        done = subprocess.run(
            [PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False, **extra
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def demo_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """The data folder of one whole demo, and what it printed; made once, whoever imports this."""
    return _demo(tmp_path_factory.getbasetemp() / "demo")


@functools.cache
def _demo(folder: Path) -> tuple[Path, Said]:
    data = folder / "data"
    words = ["demo", "--json", "--app", str(PROJECT), "--data", str(data)]
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=True)
    return data, Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def asked_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which three runs wait for people; made once, whoever imports this."""
    return _asked(tmp_path_factory.getbasetemp() / "asked")


@functools.cache
def _asked(folder: Path) -> Path:
    data = folder / "data"

    async def make() -> None:
        app = load_app(PROJECT)
        data.mkdir(parents=True)
        await load_systems(app, data, SAMPLES)
        async with Runtime.open(app, data) as runtime:
            for request in json.loads((SAMPLES / "requests.json").read_text()):
                if request["key"] in ASKED:
                    trigger = Trigger(kind="event", owner=TRIGGER, key=request["key"])
                    run = await runtime.start("refund", request["input"], trigger=trigger)
                    await runtime.drive(run.id)

    asyncio.run(make())
    provide_operators(data, PROJECT / FILE)
    return data


@pytest.fixture
def after_demo(demo_made: tuple[Path, Said], tmp_path: Path, say: Say) -> Desk:
    """A copy of the demo's data folder."""
    return Desk(shutil.copytree(demo_made[0], tmp_path / "data"), say)


@pytest.fixture
def desk(asked_made: Path, tmp_path: Path, say: Say) -> Desk:
    """A data folder in which three approvals are open."""
    return Desk(shutil.copytree(asked_made, tmp_path / "data"), say)


@pytest.fixture
def write_input(tmp_path: Path) -> Callable[..., str]:
    """Writes a refund request to a file; keywords replace fields of a good one."""

    def write(**changed: Any) -> str:
        good = {"customer": "mia_hart", "order_id": "order-8821", "message": "Refund, please."}
        path = tmp_path / "input.json"
        path.write_text(json.dumps({**good, "received_on": "2026-04-02", **changed}))
        return str(path)

    return write


@pytest.fixture
def copy_project(tmp_path: Path) -> Callable[..., Path]:
    """Copies the project; `old` is replaced by `new` in one of its files."""

    def copy(file: str = "", old: str = "", new: str = "") -> Path:
        folder = tmp_path / "project"
        for name in ("graphs", "tools", "policies"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__*__"))
        for package in ("graphs", "tools", "graphs/refund", "graphs/after_sales", "tools/shop"):
            shutil.copy(PROJECT / package / "__init__.py", folder / package)
        if file:
            text = (folder / file).read_text()
            assert old in text
            (folder / file).write_text(text.replace(old, new))
        return folder

    return copy


class Terminal:
    """A program on a terminal of 120 columns: what it prints, and what a person types."""

    def __init__(self, words: Sequence[str], env: dict[str, str]) -> None:
        self.seen = ""
        self._fd, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [PROGRAM, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **env},
            start_new_session=True,
        )
        os.close(theirs)

    def expect(self, text: str, *, seconds: float = PATIENCE) -> None:
        """Read until the text was printed after what was expected before."""
        until, start = time.monotonic() + seconds, len(self.seen)
        while text not in self.seen[start:]:
            assert self._read(until), f"{text!r} did not come; this did: {self.seen[-2000:]}"

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._fd, text.encode())

    def interrupt(self) -> None:
        """What Ctrl-C sends."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the end; the exit code."""
        until = time.monotonic() + PATIENCE
        while self._read(until):
            pass
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """Leave nothing behind, however the test ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._fd)

    def _read(self, until: float) -> bool:
        if not select.select([self._fd], [], [], max(0, until - time.monotonic()))[0]:
            return False
        try:
            chunk = os.read(self._fd, 65_536)
        except OSError:  # EIO: the program has gone
            return False
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts the installed program on a terminal."""
    opened: list[Terminal] = []

    def start(*words: str, **env: str) -> Terminal:
        opened.append(Terminal(words, env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()

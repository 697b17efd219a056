"""Fixtures: the tiny benchmark on disk, and the command on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.retail.__main__ import main
from tests.benchmarks.small_shop import (
    POLICY,
    adversaries,
    cancelling,
    control,
    database,
    stumbling,
)


@dataclass(frozen=True)
class Ended:
    """How the command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def numbers(self) -> dict[str, Any]:
        """The last line of standard output, without the seconds."""
        summary: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        assert summary.pop("seconds") > 0
        return summary


Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The benchmark's folder."""
    files = {
        "db.json": database(),
        "tasks.json": [cancelling(), stumbling(), control()],
        "bad.json": {"proposals": adversaries()},
    }
    for name, document in files.items():
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "policy.md").write_text(POLICY)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command with these options; `tasks` and `proposals` replace the files' own."""

    def command(
        *options: str,
        tasks: Sequence[Any] | None = None,
        proposals: Sequence[Any] | None = None,
    ) -> Ended:
        if tasks is not None:
            (folder / "tasks.json").write_text(json.dumps(tasks))
        named = ["--data", str(folder), "--tasks", str(folder / "tasks.json")]
        if proposals is not None:
            (folder / "bad.json").write_text(json.dumps({"proposals": proposals}))
            named += ["--adversarial", str(folder / "bad.json")]
        capsys.readouterr()
        code = main([*named, *options])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return command

"""The command line: the samples are taken in and found, and a refusal is an exit code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PROGRAM

ROOT = Path(__file__).parents[2]


@pytest.fixture
def knowledge(tmp_path: Path) -> Any:
    """Runs `agent-runtime knowledge …` on data of its own; gives exit code and output."""

    def run(*words: str) -> tuple[int, str]:
        command = [
            str(PROGRAM),
            "knowledge",
            *words,
            "--app",
            str(ROOT),
            "--data",
            str(tmp_path / "d"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_samples_are_taken_in_and_found(knowledge: Any) -> None:
    """The handbook alone: the requests and the books that lie beside it are not."""
    code, said = knowledge("add", str(ROOT / "graphs/refund/samples"))
    assert (code, said.splitlines()[-1]) == (0, "7 added; 9 new passages")
    code, said = knowledge("search", "refund window", "--json")
    found = json.loads(said)["found"]
    assert found[0]["name"] == "samples/handbook/refund_window.md"
    assert {one["version"] for one in found} == {"3"}
    code, said = knowledge("remove", "samples/handbook/credits.md")
    assert (code, knowledge("list", "--json")[1].count('"id"')) == (0, 6)


def test_a_refusal_is_told_and_is_an_exit_code(knowledge: Any, tmp_path: Path) -> None:
    """What is sound beside it comes in."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Sound.")
    (tmp_path / "docs" / "b.txt").write_bytes(b"PK\x03\x04")
    code, said = knowledge("add", str(tmp_path / "docs"))
    assert code == 2
    assert "refused: docs/b.txt: is an archive, a program or a picture, not text." in said
    assert said.splitlines()[-1] == "1 added, 1 refused; 1 new passages"


def test_options_that_mean_nothing_are_refused(knowledge: Any, tmp_path: Path) -> None:
    """Before anything is opened."""
    (tmp_path / "a.md").write_text("Sound.")
    for option, value in (("--refresh", "often"), ("--label", "Not one"), ("--valid-to", "soon")):
        code, said = knowledge("add", str(tmp_path / "a.md"), option, value)
        assert code == 2, said
        assert "error:" in said
    assert knowledge("search", "x", "--on", "soon")[0] != 0

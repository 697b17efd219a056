"""The command line: the samples are taken in and found, and a refusal is an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Desk, Say, clean_environment, say

ROOT = Path(__file__).parents[2]

__all__ = ["clean_environment", "say"]


@pytest.fixture
def knowledge(say: Say, tmp_path: Path) -> Desk:
    """`agent-runtime …` on data of its own."""
    return Desk(tmp_path / "data", say)


def test_the_samples_are_taken_in_and_found(knowledge: Desk) -> None:
    """The handbook alone: the requests and the books that lie beside it are not."""
    added = knowledge("knowledge", "add", str(ROOT / "graphs/refund/samples"))
    assert (added.code, added.out.splitlines()[-1]) == (0, "7 added; 9 new passages")
    found = knowledge("knowledge", "search", "refund window", "--json").json["found"]
    assert found[0]["name"] == "samples/handbook/refund_window.md"
    assert {one["version"] for one in found} == {"3"}
    assert knowledge("knowledge", "remove", "samples/handbook/credits.md").code == 0
    assert len(knowledge("knowledge", "list", "--json").json) == 6


def test_a_refusal_is_told_and_is_an_exit_code(knowledge: Desk, tmp_path: Path) -> None:
    """What is sound beside it comes in."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Sound.")
    (tmp_path / "docs" / "b.txt").write_bytes(b"PK\x03\x04")
    said = knowledge("knowledge", "add", str(tmp_path / "docs"))
    assert said.code == 2
    assert "refused: docs/b.txt: is an archive, a program or a picture, not text." in said.out
    assert said.out.splitlines()[-1] == "1 added, 1 refused; 1 new passages"


def test_options_that_mean_nothing_are_refused(knowledge: Desk, tmp_path: Path) -> None:
    """Before anything is opened."""
    (tmp_path / "a.md").write_text("Sound.")
    for option, value in (("--refresh", "often"), ("--label", "Not one"), ("--valid-to", "soon")):
        said = knowledge("knowledge", "add", str(tmp_path / "a.md"), option, value)
        said.fails(2, value)
    knowledge("knowledge", "search", "x", "--on", "soon").fails(2, "soon", "2026-03-30")


def test_a_quote_is_followed_to_its_document(knowledge: Desk, tmp_path: Path) -> None:
    """What a run was shown, and of one passage its words, its document and why it was found."""
    knowledge("demo")
    runs = knowledge("runs", "list", "--json").json
    run = next(run["id"] for run in runs if "launch voucher" in run["input"]["message"])
    shown = knowledge("runs", "evidence", run).out.splitlines()
    number = next(line.split("\t")[0] for line in shown if "launch_offer.md" in line)
    told = knowledge("runs", "evidence", run, number).out
    for words in (
        "samples/handbook/launch_offer.md, version 1 by now: unchanged",
        "found     as 2. of all: 2. by its words",
        "gets the whole price",
        "which outranked it",
        "left out  samples/handbook/refund_window.md",
    ):
        assert words in told
    knowledge("knowledge", "remove", "samples/handbook/launch_offer.md")
    assert "removed" in knowledge("runs", "evidence", run, number).out

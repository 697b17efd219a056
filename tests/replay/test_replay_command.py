"""Looking back from the command line: what it prints, how it ends, what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import PROJECT, Desk, after_demo, clean_environment, demo_made, say

__all__ = ["after_demo", "clean_environment", "demo_made", "say"]

STRICTER = (("1000.00", "150.00"), ('"100.00"', '"20.00"'))


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    """A folder with a stricter refund policy."""
    text = (PROJECT / "policies" / "refund.cedar").read_text(encoding="utf-8")
    for old, new in STRICTER:
        text = text.replace(old, new)
    folder = tmp_path / "stricter"
    folder.mkdir()
    (folder / "refund.cedar").write_text(text, encoding="utf-8")
    return folder


def test_every_run_of_the_demo_is_replayed_identically(after_demo: Desk) -> None:
    """Without an effect; the last line says so."""
    said = after_demo("runs", "replay", "--all", "--json")
    total = json.loads(said.out.splitlines()[-1])
    assert total["replayed"] == total["identical"] >= 13
    assert (total["effects"], said.code) == (0, 0)


def test_a_stricter_policy_says_which_decisions_change(after_demo: Desk, stricter: Path) -> None:
    """And ends with 1 where a limit is broken."""
    words = ("rehearse", "--policy", str(stricter), "--json")
    said = after_demo(*words)
    found = json.loads(said.out)
    assert (said.code, found["alarms"], found["totals"]["now asked"]) == (0, 0, 1)
    assert found["changes"][0]["old"]["rules"] != found["changes"][0]["new"]["rules"]
    assert after_demo(*words, "--max-changes", "0").code == 1


def test_bad_input_is_said_and_changes_nothing(after_demo: Desk, tmp_path: Path) -> None:
    """Unknown runs and steps, a file that cannot be written, no policy, too much asked for."""
    before = after_demo("events", "verify", "--json").json["events"]
    nowhere = str(tmp_path / "none" / "report.html")
    run = json.loads(after_demo("runs", "list", "--json").out)[0]["id"]
    for words, told in (
        (("runs", "explain", "run-none"), "run-none"),
        (("runs", "replay", "run-none"), "run-none"),
        (("runs", "replay"), "--all"),
        (("runs", "explain", run, "--out", nowhere), "--out"),
        (("runs", "fork", run, "--at", "none", "--as", "lena"), "There is no step"),
        (("runs", "fork", run, "--at", "x", "--set", "bad", "--as", "lena"), "--set"),
        (("runs", "compare", run, "run-none"), "run-none"),
        (("rehearse",), "--policy"),
        (("rehearse", "--policy", nowhere), "--policy"),
        (("redteam", "none"), "none"),
    ):
        after_demo(*words).fails(2, told)
    assert after_demo("events", "verify", "--json").json["events"] == before

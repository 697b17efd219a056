"""Looking back from the command line: what it prints, how it ends, what it leaves alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.app import load_app
from agent_runtime.policy.engine import load_policy
from agent_runtime.policy.table import judge_table, read_table
from agent_runtime.tool import Tool
from tests.cli.conftest import PROJECT, Desk, after_demo, clean_environment, demo_made, say

__all__ = ["after_demo", "clean_environment", "demo_made", "say"]

STEP = "draft_refund_decision"
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


def test_a_run_that_cannot_be_replayed_ends_with_1(after_demo: Desk) -> None:
    """What was recorded of all of them is gone; each says so."""
    with closing(sqlite3.connect(after_demo.data / "runtime.db")) as connection:
        connection.execute("DELETE FROM contents")
        connection.commit()
    said = after_demo("runs", "replay", "--all", "--json")
    total = json.loads(said.out.splitlines()[-1])
    assert (said.code, total["identical"]) == (1, 0)
    assert total["pruned"] == total["replayed"]


def test_a_run_that_was_pruned_says_so(after_demo: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what was done, not by the first thing that is missing."""
    monkeypatch.setenv("AGENT_RUNTIME_RETENTION", '{"*": 1}')
    run = after_demo("prune", "--as", "lena", "--json").json["runs"][0]
    said = after_demo("runs", "replay", run, "--json")
    assert (said.code, said.json["pruned"]) == (1, 1)
    assert "its recordings were pruned" in said.out


def test_a_stricter_policy_says_which_decisions_change(after_demo: Desk, stricter: Path) -> None:
    """And ends with 1 where a limit is broken."""
    words = ("rehearse", "--policy", str(stricter), "--json")
    said = after_demo(*words)
    found = json.loads(said.out)
    assert (said.code, found["alarms"], found["totals"]["now asked"]) == (0, 0, 1)
    assert found["changes"][0]["old"]["rules"] != found["changes"][0]["new"]["rules"]
    assert after_demo(*words, "--max-changes", "0").code == 1


def test_changes_are_saved_as_cases_that_the_new_policy_keeps(
    after_demo: Desk, stricter: Path, tmp_path: Path
) -> None:
    """Rows of a decision table, which the old policy would break; and a page of its own."""
    page, cases = tmp_path / "page.html", tmp_path / "cases.yaml"
    words = ("--page", str(page), "--save-cases", str(cases), "--json")
    found = json.loads(after_demo("rehearse", "--policy", str(stricter), *words).out)
    rows, tools = read_table(cases.read_text(encoding="utf-8")), refund_tools()
    assert len(rows) == len(found["changes"]) > 1
    new, old = (load_policy(folder, "refund", tools) for folder in (stricter, PROJECT / "policies"))
    assert judge_table(new, tools, rows).failures == ()
    broken = judge_table(old, tools, rows).failures
    assert all(any(line.startswith(f"{row.name}: ") for line in broken) for row in rows)
    assert found["digest"] in page.read_text(encoding="utf-8")


def refund_tools() -> list[Tool]:
    steps = load_app(PROJECT).workflow("refund").steps
    return [tool for step in steps for tool in step.reasoning.proposes]


def test_bad_input_is_said_and_changes_nothing(
    after_demo: Desk, stricter: Path, tmp_path: Path
) -> None:
    """Unknown runs and steps, files that cannot be written, no policy, nothing to rehearse, too
    much asked for."""
    rehearse = ("rehearse", "--policy", str(stricter))
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
        ((*rehearse, "--page", nowhere), "--page"),
        ((*rehearse, "--save-cases", nowhere), "--save-cases"),
        ((*rehearse, "--since", "2999-01-01T00:00:00Z"), "to rehearse (got '2999-01-01T"),
        ((*rehearse, "--tenant", "elsewhere"), "no decision to rehearse"),
        (("runs", "explain", run, "--tenant", "elsewhere"), run),
        (
            ("runs", "fork", run, "--at", STEP, "--set", "envelope.confidence=2", "--as", "lena"),
            "conf",
        ),
        (("rehearse", "--policy", nowhere), "--policy"),
        (("redteam", "none"), "none"),
    ):
        after_demo(*words).fails(2, told)
    assert after_demo("events", "verify", "--json").json["events"] == before

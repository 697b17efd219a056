"""The commands for prompts, and what a demo says about a model that costs something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_runtime.app import load_app
from agent_runtime.testing import ChatServer
from agent_runtime.testing.rules import by_rules
from tests.cli.conftest import PROJECT, Desk, Say

CopyProject = Callable[..., Path]
DECIDE = "graphs/refund/prompts/decide.md"


def test_check_lists_what_can_be_used(say: Say) -> None:
    """Id, version, hash, tier and owner of each."""
    said = say("prompts", "check", "--app", str(PROJECT))
    assert said.code == 0
    assert "refund/decide: refund.decide@1 sha256:" in said.out
    assert "owner refunds" in said.out


@pytest.mark.usefixtures("own_packages")
def test_check_names_what_is_wrong(say: Say, copy_project: CopyProject) -> None:
    """By workflow, prompt and field, all of it at once; nothing else of the project starts."""
    project = copy_project(DECIDE, "owner: refunds\n---\n", "inputs: [age]\n---\n{{ message }}")
    said = say("prompts", "check", "--app", str(project), "--json")
    problems = said.json["problems"]["refund"]
    assert said.code == 5
    assert any("no field 'age'" in problem for problem in problems)
    assert any("'message' is not among its inputs" in problem for problem in problems)
    say("runs", "list", "--app", str(project)).fails(5, "The prompts of 'refund'")


def test_render_shows_what_is_sent(say: Say, tmp_path: Path) -> None:
    """Rails and task for the system, the input as data for the user."""
    file = tmp_path / "input.json"
    file.write_text(json.dumps({"message": "Pay me.", "order_id": "o-1"}))
    words = ("prompts", "render", "refund", "decide", "--input", str(file))
    system, user = say(*words, "--app", str(PROJECT), "--json").json
    assert "You never act" in system["content"]
    assert "refund request" in system["content"]
    assert json.loads(user["content"])["input"]["message"] == "Pay me."


@pytest.mark.usefixtures("own_packages")
def test_diff_tells_what_changed_since_a_run(say: Say, copy_project: CopyProject) -> None:
    """A corrected word, as it was and as it is."""
    project = copy_project()
    place = ("--app", str(project), "--data", str(project / "data"))
    assert say("demo", *place).code == 0
    run_id = say("runs", "list", *place, "--json").json[0]["id"]
    prompt = project / DECIDE
    prompt.write_text(prompt.read_text().replace("one customer's", "somebody's"))
    said = say("prompts", "diff", "refund", "decide", "--run", run_id, *place)
    assert "+You check somebody's refund request" in said.out
    assert "-You check one customer's refund request" in said.out
    say("prompts", "diff", "refund", "decide", *place).fails(2, "--run")
    say("prompts", "diff", "refund", "decide", "no", *place).fails(2, "no prompt 'no'")


def test_a_demo_with_a_model_says_what_it_costs(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model, tokens and cost by step; the same stands in the run's own page."""
    desk = Desk(tmp_path / "data", say)
    with ChatServer(by_rules(load_app(PROJECT)), models=["rules"]) as server:
        prices = json.dumps({"rules": {"input": "0.15", "output": "0.60"}})
        model = {"OPENAI_BASE_URL": server.base_url, "AGENT_RUNTIME_MODEL": "rules"}
        for name, value in {**model, "AGENT_RUNTIME_PRICES": prices}.items():
            monkeypatch.setenv(name, value)
        said = desk("demo")
    assert said.code == 0, said.err
    assert "draft_refund_decision  rules  1 call, " in said.out
    assert "cost 0.000" in said.out
    run_id = desk("runs", "list", "--json").json[0]["id"]
    shown = desk("runs", "show", run_id, "--json").json
    assert {call["model"] for call in shown["calls"]} == {"rules"}
    assert "tokens in" in desk("runs", "show", run_id).out

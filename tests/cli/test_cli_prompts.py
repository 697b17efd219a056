"""The commands for prompts, and what a demo says about a model that costs something."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_runtime.app import load_app
from agent_runtime.testing import ChatServer
from agent_runtime.testing.rules import by_rules
from tests.cli.conftest import PROGRAM, PROJECT, Desk, Say

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


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What a demo prints whose model is a server, with another one for heavy work; and its data."""
    data = tmp_path_factory.mktemp("model") / "data"
    with ChatServer(by_rules(load_app(PROJECT)), models=["rules", "big"]) as server:
        asking = {
            "PRICES": {"rules": {"input": "0.15", "output": "0.60"}, "big": {"input": "1.5"}},
            "MODELS": {"big": {"model": "big"}},
            "TIERS": {"heavy": "big"},
        }
        declared = {f"AGENT_RUNTIME_{name}": json.dumps(value) for name, value in asking.items()}
        model = {"OPENAI_BASE_URL": server.base_url, "AGENT_RUNTIME_MODEL": "rules"}
        words = [str(one) for one in (PROGRAM, "demo", "--app", PROJECT, "--data", data)]
        own = {k: v for k, v in os.environ.items() if not k.startswith(("AGENT_", "OPENAI_"))}
        environment = own | model | declared
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout, data


def of(story: str, key: str) -> list[str]:
    """What the demo tells of one request when it comes in."""
    scene = next(part for part in story.split("\n\n") if part.startswith(f"{key}  “"))
    return scene.splitlines()[1:]


def test_a_demo_with_a_model_says_what_it_costs(story: tuple[str, Path]) -> None:
    """Model, tokens and cost, by step and altogether."""
    told, _ = story
    cost = r"1 call, \d+ tokens in, \d+ out, cost 0\.000\d+"
    assert "Reasoning is done by rules.\n" in told
    assert re.fullmatch(rf"  draft_refund_decision  rules  {cost}", of(told, "shop-inbox-001")[-1])
    (total,) = re.findall(r"\n  big and rules: (\d+) calls, .* cost 0\.0\d+\n", told)
    assert int(total) > told.count("  → paused\n  draft_refund_decision") > 5


def test_a_demo_says_why_another_model_was_asked(story: tuple[str, Path]) -> None:
    """Before its answer; of the step's own model nothing is said."""
    why = [line for line in of(story[0], "shop-inbox-006") if line.startswith("  model")]
    answer = next(line for line in of(story[0], "shop-inbox-006") if "reasoning" in line)
    assert why == ["  model     heavy          escalated from standard: low confidence (0.62)"]
    assert "[big 0.62]" in answer
    assert not any(line.startswith("  model") for line in of(story[0], "shop-inbox-001"))


@pytest.mark.parametrize(
    "line",
    [
        r"shop-inbox-\d+ came again: it is run \S+ and completed already\.",
        r"  meanwhile somebody changes the order in the shop …",
        r"  fatima says approve; still asks finance",
        r"  lena says edit to \{.*",
        r"shop-inbox-012: nobody of support_lead answers; the demo's clock moves on …",
        r"  the question is escalated to finance",
        r"  the question is expired",
        r"  shop-inbox-004  policy: refund-flagged-for-fraud",
        r"  shop-inbox-013  fact changed: amount was 210\.00, is 150\.00; version .*",
        r"  shop-inbox-012  nobody: Nobody answered before the deadline\.",
        r"  event chain: verified, it holds; all in [\d.]+ s",
    ],
)
def test_a_demo_tells_what_happened(story: tuple[str, Path], line: str) -> None:
    """Each of these stands in a line of its own."""
    assert any(re.fullmatch(line, told) for told in story[0].splitlines())


def test_a_run_shows_its_calls(story: tuple[str, Path], say: Say) -> None:
    """The same figures as in the demo."""
    desk = Desk(story[1], say)
    run_id = desk("runs", "list", "--json").json[0]["id"]
    shown = desk("runs", "show", run_id, "--json").json
    assert "rules" in {call["model"] for call in shown["calls"]}
    assert "tokens in" in desk("runs", "show", run_id).out

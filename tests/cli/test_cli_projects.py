"""Projects as authors write them: folders, modules and policies with faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PROJECT, Say

CopyProject = Callable[..., Path]
WORKFLOW = "graphs/refund/workflow.py"
POLICY = "policies/refund.cedar"


def test_outside_a_project(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a project folder every command says that --app is missing."""
    monkeypatch.chdir(tmp_path)
    for words in (("runs", "list"), ("workflows", "list"), ("policies", "check"), ("demo",)):
        say(*words).fails(6, "--app is missing", "--app DIR")


def test_folder_without_graphs(say: Say, tmp_path: Path) -> None:
    """A folder that is no project is named."""
    say("workflows", "list", "--app", str(tmp_path)).fails(6, str(tmp_path), "no graphs/")


@pytest.mark.usefixtures("own_packages")
def test_no_workflows(say: Say, tmp_path: Path) -> None:
    """An empty project has no workflows, and is told how to get one."""
    (tmp_path / "graphs").mkdir()
    said = say("workflows", "list", "--app", str(tmp_path))
    assert (said.code, said.out) == (0, "")
    assert "graphs/NAME/workflow.py" in said.err


@pytest.mark.usefixtures("own_packages")
@pytest.mark.parametrize(
    ("new", "line", "words"),
    [
        ("def (", 5, "SyntaxError: invalid syntax"),
        ("import no_such_module", 5, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("from datetime import dat", 5, "ImportError"),
        ("date = 1 / 0", 5, "ZeroDivisionError"),
    ],
)
def test_module_with_a_fault(
    say: Say, copy_project: CopyProject, new: str, line: int, words: str
) -> None:
    """A workflow that cannot be imported is an author's error with file and line."""
    project = copy_project(WORKFLOW, "from datetime import date", new)
    said = say("workflows", "list", "--app", str(project))
    said.fails(5, f"{project / WORKFLOW}:{line}: {words}", "→ ")


@pytest.mark.usefixtures("own_packages")
def test_module_without_a_workflow(say: Say, copy_project: CopyProject) -> None:
    """A module that declares no workflow is named."""
    project = copy_project(WORKFLOW, "workflow = Workflow(", "flow = Workflow(")
    said = say("workflows", "list", "--app", str(project))
    said.fails(5, "graphs/refund/workflow.py defines no")


@pytest.mark.usefixtures("own_packages")
def test_workflow_of_another_name(say: Say, copy_project: CopyProject) -> None:
    """A workflow is called like its folder: its prompts are looked for there."""
    project = copy_project(WORKFLOW, 'Workflow(\n    "refund"', 'Workflow(\n    "claims"')
    said = say("workflows", "list", "--app", str(project))
    said.fails(5, "graphs/refund/workflow.py calls its workflow 'claims'", "called like its folder")


@pytest.mark.usefixtures("own_packages")
def test_missing_prompt(say: Say, copy_project: CopyProject) -> None:
    """A prompt that is not there is named with the file to write."""
    project = copy_project(WORKFLOW, 'prompt="decide"', 'prompt="decyde"')
    said = say("workflows", "list", "--app", str(project))
    said.fails(5, "no prompt 'decyde'", "graphs/refund/prompts/decyde.md")


def test_policies_of_the_project(say: Say) -> None:
    """The project's own policies have no problem."""
    said = say("policies", "check", "--app", str(PROJECT), "--json")
    assert (said.code, said.json["problems"]) == (0, [])


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (POLICY, "signals.clean", "signals.claen",
         'refund.cedar: rule "refund-small-unattended": attribute `signals.claen`'),
        (POLICY, '@id("refund-ask-finance")', '@id("refund-ask-lead")',
         '@id("refund-ask-lead") is also in refund.cedar'),
        (POLICY, '@id("refund-ask-finance")', "", "rule 3 has no @id"),
        (POLICY, "permit (", "permt (", "refund.cedar"),
        ("policies/after_sales.cedar", "_user_address", "_pending_order_address",
         "no rule permits modify_user_address"),
        (POLICY, '"1000.00"', '"900.00"', "exactly the lead's limit: expected slots"),
        ("policies/refund.tests.yaml", "expect: allow", "expect: alow", "expect"),
    ],
)  # fmt: skip
def test_policy_with_a_fault(
    say: Say, copy_project: CopyProject, file: str, old: str, new: str, words: str
) -> None:
    """A policy with a fault fails the check with one precise line."""
    project = copy_project(file, old, new)
    said = say("policies", "check", "--app", str(project))
    assert (said.code, said.err) == (5, "")
    assert words in said.out
    assert "problem" in said.out.splitlines()[-1]


def test_typo_stops_everything(say: Say, copy_project: CopyProject, tmp_path: Path) -> None:
    """With a policy that does not load nothing is started."""
    project = copy_project(POLICY, "signals.clean", "signals.claen")
    (tmp_path / "request.json").write_text("{}")
    words = ("run", "refund", "--input", str(tmp_path / "request.json"), "--json")
    said = say(*words, "--app", str(project))
    assert (said.code, said.json["error"]["code"]) == (5, "policy_error")
    assert not (project / "data").exists()


@pytest.mark.parametrize("name", ["refund", "after_sales"])
def test_drawings(say: Say, name: str) -> None:
    """A drawing shows every step with its four nodes, and where each outcome leads."""
    said = say("workflows", "draw", name, "--app", str(PROJECT))
    for words in ("● start", "■ step", "│   context", "│   reasoning", "│   gate", "│   action",
                  "→ end, completed"):  # fmt: skip
        assert words in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_loop_is_drawn(say: Say) -> None:
    """A loop is drawn with its bound, in text and in mermaid."""
    text = say("workflows", "draw", "after_sales", "--app", str(PROJECT)).out
    assert "at most 30 times → step handle_request" in text
    drawn = say("workflows", "draw", "after_sales", "--mermaid", "--app", str(PROJECT)).out
    assert drawn.startswith("flowchart TD\n  start((start)) --> handle_request__context")
    assert "handle_request__outcome -->|" in drawn


def test_a_drawing_is_a_file_of_its_own(say: Say) -> None:
    """As SVG it can be put into a document as it is."""
    drawn = say("workflows", "draw", "after_sales", "--format", "svg", "--app", str(PROJECT)).out
    assert drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert drawn.rstrip().endswith("</svg>")
    assert "most 30 times" in drawn


def test_workflow_commands_in_json(say: Say) -> None:
    """List, show and draw report to programs too."""
    here = ("--app", str(PROJECT), "--json")
    assert [w["name"] for w in say("workflows", "list", *here).json] == ["after_sales", "refund"]
    shown = say("workflows", "show", "refund", *here).json
    assert shown["steps"][0]["scopes"]["action"] == ["approve_refund"]
    assert "refund-ask-lead" in shown["rules"]["refund"]
    assert "flowchart" in say("workflows", "draw", "refund", *here).json["mermaid"]
    say("workflows", "show", "nope", *here).fails(2, "no workflow 'nope'")


def test_schemas(say: Say) -> None:
    """Schemas are JSON, indented for people, on one line for programs."""
    assert "confidence" in json.loads(say("schema", "envelope").out)["properties"]
    assert say("schema", "input", "refund", "--app", str(PROJECT), "--json").json["properties"]

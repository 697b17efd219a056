"""`policies check`: types, ids, coverage and tables of a whole folder, in one report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import create_model

from agent_runtime.policy import Report, check_policies
from agent_runtime.tool import Tool
from tests.policy.declared import (
    AFTER_SALES,
    REQUEST,
    TOOLS,
    UNATTENDED,
    ApproveRefund,
    approve_refund,
    write_tool,
)

POLICIES = Path(__file__).parents[2] / "policies"


def check(
    folder: Path, text: str, table: str | None = None, tools: Sequence[Tool] = (approve_refund,)
) -> Report:
    """The report on a folder with one policy, under which `approve_refund` is proposed."""
    (folder / "trial.cedar").write_text(text)
    if table is not None:
        (folder / "trial.tests.yaml").write_text(table)
    return check_policies(folder, tools, {"trial": {"approve_refund"}})


def test_shipped_policies() -> None:
    """The shipped policies have no problem, and every rule decides some case."""
    used = {"refund": {"approve_refund"}, "after_sales": {tool.name for tool in AFTER_SALES}}
    report = check_policies(POLICIES, TOOLS, used)
    assert (report.problems, report.notes) == ((), ())
    assert report.files[0] == "after_sales.cedar"
    assert (len(report.files), report.rules > 10, report.cases > 30) == (4, True, True)


def test_table_is_run(tmp_path: Path) -> None:
    """A table's failures are problems, and a rule that decides no case is noted."""
    table = """
    - name: small
      tool: approve_refund
      input: {order_id: "#W1"}
      facts: {owner: m, amount: "5", status: s, flagged: false, version: 1}
      expect: deny
    """
    report = check(tmp_path, UNATTENDED + REQUEST, table)
    assert report.problems == ("trial.tests.yaml: small: expected deny, got allow (unattended)",)
    assert report.notes == (
        "trial.tests.yaml: rule ask-lead decides no case",
        "trial.tests.yaml: rule lead-may decides no case",
    )
    assert (report.rules, report.cases) == (3, 1)


def test_unreadable_table_is_a_problem(tmp_path: Path) -> None:
    """A table that cannot be read is a problem with the place."""
    report = check(tmp_path, UNATTENDED, "- {name: small}")
    assert "trial.tests.yaml: The decision table cannot be used" in report.problems[0]


def test_missing_table_is_noted(tmp_path: Path) -> None:
    """A policy without a decision table is usable, and said to be untested."""
    report = check(tmp_path, UNATTENDED)
    assert report.problems == ()
    assert report.notes[0].startswith("trial.tests.yaml is missing")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (REQUEST.split('@id("lead-may")')[0], "no rule lets anybody approve it"),
        (REQUEST.replace('"support_lead:1"', '"finance:1"'), "is put before finance, and no rule"),
        (
            REQUEST.replace(':1")', ':1") @escalate("boss:1")'),
            "is put before boss, and no rule lets boss approve it",
        ),
        (UNATTENDED.replace("permit", "forbid"), "no rule permits approve_refund"),
        (UNATTENDED.replace("facts", "fact").replace(";", "when { context.x };"), "`x`"),
    ],
)
def test_coverage(tmp_path: Path, text: str, problem: str) -> None:
    """A tool that can only be denied, or a question that nobody can answer, is a problem."""
    assert problem in "\n".join(check(tmp_path, text).problems)


def test_groups_cover(tmp_path: Path) -> None:
    """A rule over a group of actions covers every tool in it."""
    text = (UNATTENDED + REQUEST).replace("==", "in").replace(":approve_refund", "")
    assert check(tmp_path, text).problems == ()


@pytest.mark.parametrize(
    "text",
    [
        '@id("all") @approvers("lead:1") permit (principal, action, resource);',
        REQUEST.replace('principal in Role::"support_lead"', "principal"),
    ],
)
def test_open_scopes_cover(tmp_path: Path, text: str) -> None:
    """A rule for every action covers each tool, and one for every principal each role."""
    assert check(tmp_path, text).problems == ()


def test_write_tool_without_rules(tmp_path: Path) -> None:
    """A write tool that is proposed under no policy is a problem."""
    report = check(tmp_path, UNATTENDED, tools=[approve_refund, write_tool("pay_out")])
    assert report.problems[0].startswith("write tool pay_out has no rules")


def test_names_that_are_not_there(tmp_path: Path) -> None:
    """A missing policy, an unknown tool and a table without a policy are problems."""
    (tmp_path / "trial.cedar").write_text(UNATTENDED)
    (tmp_path / "old.tests.yaml").write_text("")
    used = {"trial": ["approve_refund", "pay"], "missing": ["approve_refund"]}
    report = check_policies(tmp_path, [approve_refund], used)
    assert len(report.problems) == 3
    assert "There is no policy 'missing'" in report.problems[0]
    assert report.problems[1:] == (
        "policy trial: there is no write tool pay",
        "old.tests.yaml: there is no old.cedar",
    )


def test_unused_policy_is_noted(tmp_path: Path) -> None:
    """A policy that no step names is noted."""
    (tmp_path / "old.cedar").write_text(UNATTENDED)
    assert "policy old is used by no step" in check(tmp_path, UNATTENDED).notes


def test_what_policy_does_not_see_is_noted(tmp_path: Path) -> None:
    """A field without a Cedar type, and facts without an owner, are noted."""
    model = create_model("Weighed", order_id=(str, ...), weight=(float, 0.0))
    notes = check(
        tmp_path, UNATTENDED, tools=[approve_refund, write_tool("weigh", model, ApproveRefund)]
    ).notes
    assert "policy does not see weigh.input.weight: float has no Cedar type" in notes
    assert "the facts of weigh name no owner, so whose record it is goes unchecked" in notes


def test_unmappable_tools_are_a_problem(tmp_path: Path) -> None:
    """Tools that no schema can be made of end the check with that problem."""
    facts = create_model("Facts", owner=(int, ...))
    report = check(tmp_path, UNATTENDED, tools=[write_tool("pay", facts=facts)])
    assert "owner has to be a str" in report.problems[0]

"""A project folder for a server: the tests' ledger, as a user would have written it."""

from __future__ import annotations

from pathlib import Path

from tests.ledger import POLICY

WORKFLOW = """
from dataclasses import replace

from agent_runtime import EventTrigger, Grader, LabelKind, OutcomeKind, Quality
from tests.ledger import make_pay, pay_workflow

mail = EventTrigger("ledger", owner="mailroom")
quality = Quality(
    outcomes=[OutcomeKind("reversed", good=False), OutcomeKind("satisfied", low=1, high=5)],
    graders=[Grader("broken", rule=lambda seen: 1 / 0), Grader("paid", rule=lambda seen: 1)],
    labels=[LabelKind("correct", ["yes", "no"], "Would you have paid?")],
)
workflow = replace(pay_workflow(make_pay()), triggers=[mail], quality=quality)
"""

STUBBORN = """
from agent_runtime import Edge, Workflow
from graphs.ledger.workflow import workflow as ledger
from tests.ledger import PayRequest, pay_as, pay_step

(pay,) = ledger.steps[0].reasoning.proposes
again = Edge("pay_out", "pay_out", on=frozenset({"rejected"}), at_most=2)
workflow = Workflow("stubborn", PayRequest, [pay_step(pay, pay_as())], [again], "customer")
"""
"""Proposes the same again after a no."""

TOOLS = """
from tests.ledger import open_bank
"""

CAREFULLY = """
@id("ask-carefully") @approvers("lead:1") @risk("high")
permit (principal, action == Action::"request:pay", resource)
when { context.facts.amount == decimal("999.00") };
"""

LOW_RISK = POLICY.replace('@approvers("lead:1")', '@approvers("lead:1") @risk("low")') + CAREFULLY


def write_project(folder: Path) -> Path:
    """Write it; returns its folder."""
    files = {
        "graphs/__init__.py": "",
        "graphs/ledger/__init__.py": "",
        "graphs/ledger/workflow.py": WORKFLOW,
        "graphs/stubborn/__init__.py": "",
        "graphs/stubborn/workflow.py": STUBBORN,
        "tools/__init__.py": "",
        "tools/bank.py": TOOLS,
        "policies/ledger.cedar": LOW_RISK,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder

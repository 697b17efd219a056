"""The tests' ledger as the console's people see it: rules of every risk, and texts that lie."""

from __future__ import annotations

from pathlib import Path

from tests.api.project import write_project as write_ledger
from tests.ledger import POLICY

RULES = """
@id("ask-two-leads") @approvers("lead:2") @deadline("1h") @risk("medium")
permit (principal, action == Action::"request:pay", resource)
when { context.facts.amount.greaterThan(decimal("600.00")) &&
  context.facts.amount.lessThanOrEqual(decimal("1000.00")) };

@id("ask-finance-for-much") @approvers("finance:1") @deadline("30m") @risk("high")
permit (principal, action == Action::"request:pay", resource)
when { context.facts.amount.greaterThan(decimal("1000.00")) };
"""

WORKFLOW = """
from dataclasses import replace

from agent_runtime import Alert, EventTrigger, LabelKind, Quality
from tests.ledger import make_pay, pay_workflow

quality = Quality(
    labels=[LabelKind("correct", ["yes", "no"], "Would you have paid <b>as much</b>?")],
    alerts=[Alert("many_rejects", watches="reject", above=0.5)],
)
mail = EventTrigger("ledger", owner="mailroom")
workflow = replace(pay_workflow(make_pay()), triggers=[mail], quality=quality)
"""


def write_project(folder: Path) -> Path:
    """Up to 100 unattended; a lead's yes up to 600 (low risk), two leads' up to 1000, and above
    that finance, at high risk."""
    write_ledger(folder)
    policy = POLICY.replace('@approvers("lead:1")', '@approvers("lead:1") @risk("low")')
    policy = policy.replace(
        '@deadline("1h")\npermit (principal, action == Action::"request:pay", resource)\n'
        'when { context.facts.amount.lessThanOrEqual(decimal("1000.00")) };',
        '@deadline("1h")\npermit (principal, action == Action::"request:pay", resource)\n'
        'when { context.facts.amount.lessThanOrEqual(decimal("600.00")) };',
    )
    start, end = policy.index('@id("ask-finance")'), policy.index('@id("lead-may-approve")')
    text = policy[:start] + RULES.lstrip() + "\n" + policy[end:]
    (folder / "policies/ledger.cedar").write_text(text)
    (folder / "graphs/ledger/workflow.py").write_text(WORKFLOW)
    return folder

"""A project folder for a server: the tests' ledger, as a user would have written it."""

from __future__ import annotations

from pathlib import Path

from tests.ledger import POLICY

WORKFLOW = """
from dataclasses import replace

from agent_runtime import EventTrigger
from tests.ledger import make_pay, pay_workflow

mail = EventTrigger("ledger", owner="mailroom")
workflow = replace(pay_workflow(make_pay()), triggers=[mail])
"""

TOOLS = """
from tests.ledger import open_bank
"""

LOW_RISK = POLICY.replace('@approvers("lead:1")', '@approvers("lead:1") @risk("low")')


def write_project(folder: Path) -> Path:
    """Write it; returns its folder."""
    files = {
        "graphs/__init__.py": "",
        "graphs/ledger/__init__.py": "",
        "graphs/ledger/workflow.py": WORKFLOW,
        "tools/__init__.py": "",
        "tools/bank.py": TOOLS,
        "policies/ledger.cedar": LOW_RISK,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder

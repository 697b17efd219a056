"""A draft on its way: its findings keep it from leaving unattended, and reviewers see them."""

from __future__ import annotations

from typing import Any

from agent_runtime.guard import Guards
from tests.models.conftest import Ask, answer

GUARDS = Guards(drafts=("note",), hosts=("bank.example",))


def noting(note: str) -> Any:
    arguments = {"amount": "50.00", "note": note}
    return lambda request: answer(request, arguments=arguments)


async def test_a_draft_in_order_leaves_unattended(ask: Ask) -> None:
    """Nothing is found in it."""
    desk = await ask(noting("Closing amount: 50.00"), guards=GUARDS)
    record = await desk.flow()
    assert record.run.state == "completed", record.run.reason


async def test_a_finding_asks_a_person_and_is_shown(ask: Ask) -> None:
    """The question says which guard and what it found."""
    desk = await ask(noting("See http://evil.org/ for 99.00."), guards=GUARDS)
    record = await desk.flow()
    (asked,) = record.approvals
    assert record.run.state == "paused"
    assert asked.signals.guards == ("links", "ungrounded")
    assert asked.signals.findings[0] == "links: leads to evil.org"
    assert any("base-guard-found-something" in reason for reason in asked.reasons)


async def test_the_customers_language_is_kept_and_asked_for(ask: Ask) -> None:
    """In the envelope, in what the model is told, and for the draft."""
    desk = await ask(noting("Here is your money and thank you for the patience."), guards=GUARDS)
    record = await desk.flow(message="Bitte zahlen Sie mir das Geld aus, ich habe nicht viel.")
    (envelope,) = [e for e in record.envelopes if e["node"] == "reasoning"]
    assert envelope["language"] == "de"
    assert "read in German" in desk.server.requests[0].messages[0]["content"]
    assert record.approvals[0].signals.findings == ("language: is in English, not in German",)

"""Before more runs unattended, what is known about just that is said; or that nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_runtime.activation import Activation
from agent_runtime.evaluation.shadow import Did
from agent_runtime.policy.change import Widening
from tests.conftest import OpenOffice
from tests.ledger import POLICY, make_pay, pay_once, pay_workflow
from tests.office import Office

WIDER = POLICY.replace('decimal("100.00")', 'decimal("600.00")')
UNHELD = POLICY.replace('[Action::"execute:pay", Action::"request:pay", ', "[")


async def proposed(office: Office, text: str) -> Widening | None:
    change = await Activation(office.runtime).propose("ledger", "petra", "Because.", text)
    return change.widening


async def test_what_people_answered_to_just_those_decisions_is_told(asking: Office) -> None:
    for answer in ("lena approve", "lena approve", "lena reject"):
        await asking.flow(answer)
    asking.bank.put("a1", amount="800.00")
    await asking.flow("lena reject")  # that would be asked as before
    found = await proposed(asking, WIDER)
    assert found == Widening(
        rules=("small-unattended",), rehearsed=4, unattended=3, approved=2, rejected=1
    )
    assert "People had approved 2, edited 0, rejected 1. No shadow" in found.words


async def test_what_asks_more_people_widens_nothing(asking: Office) -> None:
    """A change of decisions is not yet a change that lets more run unattended."""
    asking.bank.put("a1", amount="50.00")
    await asking.flow()
    never = '@id("never") forbid (principal, action == Action::"execute:pay", resource);'
    assert await proposed(asking, POLICY + never) is None


async def test_how_often_people_did_what_a_shadow_proposed_is_told(
    open_office: OpenOffice,
) -> None:
    watching = replace(pay_workflow(make_pay(), pay_once), shadow=True)
    office = await open_office(workflow=watching)
    office.bank.put("a1", amount="500.00")
    same = Did(tool="pay", arguments={"account": "a1", "amount": "50.00"})
    for did in (same, same, Did()):
        run = (await office.flow()).run
        await office.runtime.shadows.compare(office.person("lena"), run.id, did)
    await office.flow()  # nobody told what people did there
    found = await proposed(office, WIDER)
    assert found is not None
    assert (found.unattended, found.shadows, found.alike) == (4, 3, 2)
    assert "In 2 of 3 proposals of a shadow, people did the same." in found.words


@pytest.mark.parametrize("text", [WIDER, UNHELD])
async def test_where_there_is_no_evidence_that_is_said(office: Office, text: str) -> None:
    """A permit of execution that is other, or a forbid of it that is gone; no history at all."""
    found = await proposed(office, text)
    assert found is not None
    assert found.words.startswith("There is no evidence: of 0 decisions")


async def test_who_takes_a_rule_away_widens_nothing(office: Office) -> None:
    """A permit that is gone lets nothing more run; one that is other is said to, if only by what
    it is about."""
    start = POLICY.index('@id("small-unattended")')
    gone = POLICY[:start] + POLICY[POLICY.index('@id("ask-lead")') :]
    assert await proposed(office, gone) is None

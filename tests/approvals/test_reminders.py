"""What a rule declares about a question: its risk, its reminder, what its deadline leads to."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from agent_runtime.app import write_tools
from agent_runtime.errors import PolicyError
from agent_runtime.policy import PolicySet
from agent_runtime.service import Service
from tests.conftest import OpenOffice
from tests.ledger import ESCALATING, POLICY, make_pay, pay_workflow
from tests.office import Office
from tests.patience import PATIENCE, until

REMINDING = POLICY.replace(
    '@approvers("lead:1") @deadline("1h")',
    '@approvers("lead:1") @deadline("1h") @remind("15m") @risk("high")',
)


@pytest.fixture
async def reminding(open_office: OpenOffice) -> Office:
    office = await open_office(policy=REMINDING)
    office.bank.put("a1", amount="500.00")
    return office


async def test_those_still_asked_are_reminded_once(reminding: Office) -> None:
    """A declared time before the deadline, one event that names who is waited for."""
    asked = await reminding.parked()
    reminding.clock.move(timedelta(minutes=44))
    await reminding.runtime.expire()
    assert reminding.record(asked.run_id).bodies("approval.reminded") == []
    reminding.clock.move(timedelta(minutes=1))
    for _ in range(2):
        await reminding.runtime.expire()
    (told,) = reminding.record(asked.run_id).bodies("approval.reminded")
    assert (told["approval"], told["waits_for"]) == (asked.id, ["lead"])


async def test_an_answered_question_reminds_nobody(reminding: Office) -> None:
    """Its alarm goes with it."""
    asked = await reminding.parked()
    await reminding.answer(asked, "lena", confirm="500.00")
    reminding.clock.move(timedelta(minutes=50))
    await reminding.runtime.expire()
    assert reminding.record(asked.run_id).bodies("approval.reminded") == []
    assert reminding.runtime.store.read("default").timers.get("reminder", asked.id) is None


async def test_a_question_says_what_its_deadline_leads_to(open_office: OpenOffice) -> None:
    """In data and in words: escalated or expired, and never approved."""
    office = await open_office(policy=ESCALATING)
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    assert asked.consequence == "then 1 of finance will be asked"
    office.clock.move(timedelta(hours=1))
    (again,) = await office.runtime.expire()
    assert (again.replaces, again.consequence) == (
        asked.id, "then it expires, and nothing is executed",
    )  # fmt: skip


async def test_the_riskiest_rule_says_how_risky_it_is(reminding: Office) -> None:
    """And a rule that says nothing is of medium risk."""
    assert (await reminding.parked()).risk == "high"
    reminding.bank.put("a1", amount="5000.00")
    assert (await reminding.parked()).risk == "medium"


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        ('@risk("none")', "low, medium, high"),
        ('@remind("soon")', "right is a number with m, h or d"),
        ('@remind("2h")', "@remind: it is as long before the deadline"),
    ],
)
def test_a_rule_that_declares_nonsense_does_not_load(annotation: str, problem: str) -> None:
    """`policies check` finds it, as whoever starts the runtime does."""
    text = POLICY.replace('@approvers("lead:1")', f'@approvers("lead:1") {annotation}')
    with pytest.raises(PolicyError, match="ask-lead") as found:
        PolicySet.load("ledger", {"p": text}, write_tools([pay_workflow(make_pay())]))
    assert problem in str(found.value)


async def test_the_service_brings_holds_and_reminders_about(reminding: Office) -> None:
    """Without anybody's asking: their alarms wake it, and a held yes is then executed."""
    held, waiting = await reminding.parked(), await reminding.parked()
    await reminding.answer(held, "lena", hold_seconds=60, confirm="500.00")
    stop = asyncio.Event()
    service = asyncio.create_task(Service(reminding.runtime, grace=0.1).run(stop))
    reminding.clock.move(timedelta(seconds=61))
    await until(lambda: reminding.read(held.run_id).state == "completed")
    reminding.clock.move(timedelta(minutes=45))
    await until(lambda: bool(reminding.record(waiting.run_id).bodies("approval.reminded")))
    stop.set()
    await asyncio.wait_for(service, PATIENCE)
    assert len(reminding.bank.payouts) == 1

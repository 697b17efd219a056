"""What a run did once by itself it does not do again by itself."""

from __future__ import annotations

from agent_runtime import Brief, Envelope, Workflow
from tests.conftest import OpenOffice
from tests.ledger import PayRequest, done, make_pay, pay_as, pay_step, proposal

PAY = make_pay()
TWICE = Workflow("ledger", PayRequest, [pay_step(PAY), pay_step(PAY, pay_as(), name="again")])


async def test_the_same_action_again_asks_a_person(open_office: OpenOffice) -> None:
    """A slip, or a hidden sentence that says so, would pay twice what was asked for once."""
    office = await open_office(workflow=TWICE)
    record = await office.flow()
    (asked,) = record.approvals
    assert (record.run.state, asked.step) == ("paused", "again")
    assert "base-repeated-action" in " ".join(asked.reasons)
    assert asked.signals.repeated
    assert not asked.signals.clean
    assert len(office.bank.payouts) == 1


async def test_another_action_is_no_repetition(open_office: OpenOffice) -> None:
    """It is the whole action that counts: here another amount to the same account."""
    other = pay_step(PAY, pay_as(amount="20.00"), name="again")
    workflow = Workflow("ledger", PayRequest, [pay_step(PAY, pay_as(amount="10.00")), other])
    office = await open_office(workflow=workflow)
    record = await office.flow()
    assert (record.run.state, record.approvals) == ("completed", [])


def first(brief: Brief) -> Envelope:
    return done(brief) if brief.input["message"] == "again" else proposal(brief)


def then(brief: Brief) -> Envelope:
    return proposal(brief) if brief.input["message"] == "again" else done(brief)


async def test_what_another_run_did_is_no_repetition(open_office: OpenOffice) -> None:
    """Each run is asked for by itself."""
    steps = [pay_step(PAY, first), pay_step(PAY, then, name="again")]
    office = await open_office(workflow=Workflow("ledger", PayRequest, steps))
    assert (await office.flow()).run.state == "completed"
    assert (await office.flow(message="again")).run.state == "completed"
    assert len(office.bank.payouts) == 2

"""Repetition is bounded everywhere, and a person who resumes grants the same number again."""

from __future__ import annotations

from typing import Any

import pytest

from agent_runtime import SETTLED, Edge, Reasoning, Workflow
from agent_runtime.brief import Brief, LookUp
from agent_runtime.envelope import Envelope
from agent_runtime.errors import Conflict
from tests.conftest import OpenOffice
from tests.ledger import (
    PayRequest,
    cite_feedback,
    get_account,
    make_pay,
    pay_as,
    pay_once,
    pay_step,
    proposal,
    scripted,
)
from tests.office import Office

impossible = pay_as(amount="9500")


async def test_an_impossible_proposal_goes_back_and_nobody_is_asked(
    open_office: OpenOffice,
) -> None:
    """Reasoning hears what the tool said, and proposes something else."""
    office = await open_office(scripted(impossible, pay_once))
    record = await office.flow()
    assert (record.run.state, record.approvals) == ("completed", [])
    failed = [e["reason"] for e in record.envelopes if e["status"] == "failed"]
    assert failed == ["tool_error: More than 9000 cannot be paid out at once."]


async def test_impossible_proposals_are_bounded(open_office: OpenOffice) -> None:
    """One more than the bound ends in needs_attention."""
    office = await open_office(impossible)
    record = await office.flow()
    assert record.run.state == "needs_attention"
    assert "more than 5 impossible proposals" in record.run.reason
    assert len(record.bodies("tool.refused")) == 6


async def test_a_person_who_resumes_grants_the_same_number_again(open_office: OpenOffice) -> None:
    """The count starts anew with each resume, and ends again."""
    office = await open_office(impossible)
    run = (await office.flow()).run
    before = len(office.record(run).bodies("tool.refused"))
    await office.runtime.resume(run.id, office.person("lena"))
    run = await office.drive(run)
    assert run.state == "needs_attention"
    assert len(office.record(run).bodies("tool.refused")) - before == 6


async def test_look_ups_of_one_visit_are_bounded(open_office: OpenOffice) -> None:
    """A proposer that only ever asks is stopped."""

    def curious(brief: Brief) -> Envelope | LookUp:
        return LookUp(tool="get_account", arguments={"account": "a1"})

    reasoning = Reasoning(
        prompt="pay", proposes=[make_pay()], tools=[get_account], offline=curious, max_calls=4
    )
    office = await open_office(step={"reasoning": reasoning})
    record = await office.flow()
    assert record.run.state == "needs_attention"
    assert "more than 4 tool calls" in record.run.reason


async def test_an_answer_in_words_goes_back_to_reasoning_as_evidence(
    open_office: OpenOffice,
) -> None:
    """What a person responded is a source of its own, and can be quoted."""
    office = await open_office(cite_feedback)
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    await office.answer(asked, "lena", "respond", reason="Pay only 20 today.")
    run = await office.drive(office.read(asked.run_id))
    again = office.question(run)
    (proposed,) = [
        e for e in office.record(run).envelopes if e["node"] == "reasoning" and e["visit"] == 2
    ]
    assert proposed["evidence"] == [
        {"source": f"operator:{asked.id}", "quote": "Pay only 20 today."}
    ]
    assert (again.visit, again.signals.unverified_quotes) == (2, 0)


async def test_a_response_voids_a_partial_quorum(asking: Office) -> None:
    """The next question starts without the yes that was given to the last."""
    asking.bank.put("a1", amount="5000.00")
    asked = await asking.parked()
    await asking.answer(asked, "fay")
    await asking.answer(asked, "finn", "respond")
    run = await asking.drive(asking.read(asked.run_id))
    assert asking.question(run).decisions == ()


async def test_there_are_three_rounds_of_talk_at_most(open_office: OpenOffice) -> None:
    """The fourth response is refused; the question stays open for a yes or a no."""
    office = await open_office(pay_as())
    office.bank.put("a1", amount="500.00")
    run = await office.drive(await office.start())
    for _ in range(3):
        await office.answer(run, "lena", "respond")
        run = await office.drive(run)
    with pytest.raises(Conflict, match="answered 3 times, its bound"):
        await office.answer(run, "lena", "respond")
    assert office.question(run).decisions == ()
    assert (await office.answer(run, "lena", "reject")).status == "rejected"


def looping(rule: Any, at_most: int) -> Workflow:
    again = Edge("pay_out", "pay_out", on=SETTLED, at_most=at_most)
    return Workflow("ledger", PayRequest, [pay_step(make_pay(), rule)], [again], "customer")


def always_new(brief: Brief) -> Envelope:
    return proposal(brief, amount=f"{brief.visit}.00")


async def test_a_loop_is_left_at_its_bound(open_office: OpenOffice) -> None:
    """An edge taken so often is not taken again; a person decides what to do."""
    office = await open_office(workflow=looping(always_new, 3))
    record = await office.flow()
    assert record.run.state == "needs_attention"
    assert "pay_out>pay_out has been taken 3 times" in record.run.reason
    assert [amount for _, amount in record.payouts] == ["1.00", "2.00", "3.00", "4.00"]


async def test_a_resumed_loop_repeats_no_effect(open_office: OpenOffice) -> None:
    """The action at which it stopped is not executed again, nor told twice."""
    office = await open_office(workflow=looping(always_new, 1))
    record = await office.flow()
    await office.runtime.resume(record.run.id, office.person("lena"))
    record = office.record(await office.drive(record.run))
    amounts = [amount for _, amount in record.payouts]
    told = [e["visit"] for e in record.envelopes if e["node"] == "action"]
    assert amounts == ["1.00", "2.00", "3.00"]
    assert told == [1, 2]


async def test_a_loop_ends_when_there_is_nothing_more_to_propose(open_office: OpenOffice) -> None:
    """`finished` leaves the loop and completes the run."""
    office = await open_office(workflow=looping(pay_once, 3))
    record = await office.flow()
    assert (record.run.state, len(record.payouts)) == ("completed", 1)

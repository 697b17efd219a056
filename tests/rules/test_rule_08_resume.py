"""Rule 8: resume by name, under the contract and the policy of the parked question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langgraph.types import Command

from agent_runtime import Edge, Reasoning, Workflow
from agent_runtime.errors import (
    AlreadyDecided,
    Conflict,
    LostOwnership,
    NeedsAttention,
    StaleQuestion,
)
from agent_runtime.worker import config_of
from tests.conftest import OpenOffice
from tests.ledger import (
    POLICY,
    Pay,
    PayRequest,
    Rule,
    make_pay,
    pay_as,
    pay_once,
    pay_step,
    pay_workflow,
    proposal,
)
from tests.office import Office

STRICTER = POLICY.replace('@approvers("lead:1")', '@approvers("lead:2")')
LOOSER = POLICY.replace('@approvers("finance:2")', '@approvers("finance:1")')
FORBIDDING = POLICY + '@id("closed") forbid (principal, action, resource);'


PAY = make_pay()


class PayMore(Pay):
    """What a newer `pay` is told."""

    currency: str = "EUR"


async def asked_of(open_office: OpenOffice, amount: str = "500.00", **fields: Any) -> Any:
    """An office with a pending question, and the question."""
    office = await open_office(**fields)
    office.bank.put("a1", amount=amount)
    return office, await office.parked(key="k-1")


async def test_the_same_key_gives_the_same_run(asking: Office) -> None:
    """A repeated trigger finds the run, also while it is paused: the question stays."""
    asked = await asking.parked(key="k-1")
    again = await asking.start(key="k-1")
    assert (again.id, again.state) == (asked.run_id, "paused")
    assert asking.question(again).id == asked.id


async def test_the_same_key_with_another_input_is_refused(asking: Office) -> None:
    """Fresh input for a run that is there already does not go unnoticed."""
    asked = await asking.parked(key="k-1")
    with pytest.raises(Conflict, match="another input"):
        await asking.start(key="k-1", message="Something else.")
    assert asking.question(asked.run_id).id == asked.id


async def test_without_a_key_each_start_is_a_run(office: Office) -> None:
    """Two requests without a key are two."""
    first, second = await office.start(), await office.start()
    assert first.id != second.id


async def test_a_paused_run_cannot_be_resumed_past_its_question(asking: Office) -> None:
    """Resuming is for runs that need attention; a question wants an answer."""
    asked = await asking.parked()
    with pytest.raises(Conflict, match="is paused"):
        await asking.runtime.resume(asked.run_id, asking.person("lena"))
    assert asking.read(asked.run_id).state == "paused"


async def wake(office: Office, run_id: str, value: Any) -> None:
    """Claim a paused run by force and hand LangGraph an answer of our own."""
    await office.runtime.store.write("default", lambda s: s.runs.move(run_id, "queued"))
    segment = await office.claim(office.read(run_id))
    graph = office.runtime._worker._graphs["ledger"]
    await graph.ainvoke(Command(resume=value), config_of(segment.run), context=segment)


@pytest.mark.parametrize("status", ["approved", "rejected"])
async def test_a_resume_value_is_no_answer(asking: Office, status: str) -> None:
    """LangGraph would take any value for the answer; the gate takes the stored one only."""
    asked = await asking.parked()
    with pytest.raises(NeedsAttention):
        await wake(asking, asked.run_id, {"approval": asked.id, "status": status})
    assert asking.bank.payouts == []


async def test_a_resume_value_that_contradicts_the_stored_answer_wakes_nothing(
    asking: Office,
) -> None:
    """After a no, LangGraph is told "approved": the run stops for a person to look."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", "reject")
    with pytest.raises(NeedsAttention, match="another question"):
        await wake(asking, asked.run_id, {"approval": asked.id, "status": "approved"})
    assert asking.bank.payouts == []


async def test_a_yes_for_an_older_question_is_no_answer_to_this_one(asking: Office) -> None:
    """The approval that was voided does not wake the gate that asks about fresh facts."""
    first = await asking.parked()
    await asking.answer(first, "lena")
    asking.bank.put("a1", version=2)
    await asking.drive(asking.read(first.run_id))
    with pytest.raises(NeedsAttention):
        await wake(asking, first.run_id, {"approval": first.id, "status": "approved"})
    assert asking.bank.payouts == []


async def test_an_old_checkpoint_cannot_be_resumed(asking: Office) -> None:
    """Replaying the answered pause of an ended run is refused by the fence."""
    record = await asking.flow("lena approve")
    graph = asking.runtime._worker._graphs["ledger"]
    config = config_of(record.run)
    history = [snapshot async for snapshot in graph.aget_state_history(config)]
    old = next(snapshot for snapshot in history if snapshot.interrupts)
    merged = {**old.config["configurable"], **config["configurable"]}
    with pytest.raises(LostOwnership):
        await graph.ainvoke(
            Command(resume={"approval": old.interrupts[0].value["approval"], "status": "approved"}),
            {"configurable": merged},
            context=asking.runtime._in.segment(record.run),
        )
    assert len(asking.bank.payouts) == 1


async def resumed_under(open_office: OpenOffice, workflow: Workflow) -> tuple[Office, Any]:
    """A run paused under the ordinary workflow, approved, and driven by newer code."""
    older, asked = await asked_of(open_office)
    newer = await open_office(workflow=workflow)
    await older.answer(asked, "lena")
    return newer, await newer.drive(newer.read(asked.run_id))


@pytest.mark.parametrize(
    "newer",
    [
        pay_workflow(make_pay(recovery="manual")),
        Workflow(
            "ledger",
            PayRequest,
            [pay_step(PAY), pay_step(PAY, name="again")],
            [Edge("pay_out", "again")],
            "customer",
        ),
    ],
    ids=["recovery", "edges"],
)
async def test_newer_code_with_another_contract_cannot_resume(
    open_office: OpenOffice, newer: Workflow
) -> None:
    """Another recovery or other edges of the parked step: version_mismatch, nothing executed."""
    office, run = await resumed_under(open_office, newer)
    assert run.state == "version_mismatch"
    assert "step 'pay_out' have changed" in run.reason
    assert office.bank.payouts == []


async def test_a_changed_schema_of_the_tool_cannot_resume(open_office: OpenOffice) -> None:
    """A new argument is another contract; the answer is kept for the version that asked."""
    older, asked = await asked_of(open_office)
    newer = await open_office(workflow=pay_workflow(make_pay(arguments=PayMore)))
    await older.answer(asked, "lena")
    run = await newer.drive(newer.read(asked.run_id))
    assert (run.state, newer.bank.payouts) == ("version_mismatch", [])


async def test_a_step_that_is_gone_cannot_be_resumed(open_office: OpenOffice) -> None:
    """LangGraph would resume a renamed step silently and do nothing."""
    older, asked = await asked_of(open_office)
    await older.answer(asked, "lena")
    newer = await open_office(workflow=pay_workflow(make_pay(), name="disburse"))
    run = await newer.drive(newer.read(asked.run_id))
    assert (run.state, "doesn't have" in run.reason) == ("version_mismatch", True)


async def test_the_version_that_started_it_can_still_resume(open_office: OpenOffice) -> None:
    """After a mismatch, the old code finishes the run with the answer that was given."""
    older, asked = await asked_of(open_office)
    newer = await open_office(workflow=pay_workflow(make_pay("manual")))
    await older.answer(asked, "lena")
    await newer.drive(newer.read(asked.run_id))
    await older.runtime.resume(asked.run_id, older.person("lena"))
    assert (await older.drive(older.read(asked.run_id))).state == "completed"
    assert len(older.bank.payouts) == 1


def reworded(brief: Any) -> Any:
    return proposal(brief, reason="In other words.")


@pytest.mark.parametrize(
    "reasoning",
    [
        Reasoning(rule=reworded, proposes=[make_pay()]),
        Reasoning(prompt="pay", offline=pay_once, proposes=[make_pay()]),
        Reasoning(rule=pay_once, proposes=[make_pay()], attempts=9),
    ],
    ids=["rule", "prompt", "bounds"],
)
async def test_another_prompt_or_rule_strands_nobody(
    open_office: OpenOffice, reasoning: Reasoning
) -> None:
    """Prompts and rules are recorded, not gating."""
    newer = pay_workflow(make_pay(), reasoning=reasoning)
    office, run = await resumed_under(open_office, newer)
    assert (run.state, len(office.bank.payouts)) == ("completed", 1)


async def test_a_change_to_another_step_strands_nobody(open_office: OpenOffice) -> None:
    """Only the parked step's contract decides."""

    def two(rule: Rule, second: str) -> Workflow:
        last = pay_step(make_pay(), rule, name="check", max_rounds=1)
        last = replace(last, reasoning=replace(last.reasoning, rule=pay_once, proposes=[]))
        other = replace(last, name=second)
        return Workflow("ledger", PayRequest, [pay_step(make_pay(), rule), last, other])

    older = await open_office(workflow=two(pay_as(), "old"))
    older.bank.put("a1", amount="500.00")
    asked = await older.parked()
    await older.answer(asked, "lena")
    newer = await open_office(workflow=two(pay_as(), "new"))
    run = await newer.drive(newer.read(asked.run_id))
    assert (run.state == "version_mismatch", len(newer.bank.payouts)) == (False, 1)


async def test_a_stricter_policy_asks_again(open_office: OpenOffice) -> None:
    """The open question is replaced by one that demands more; the old answers are void."""
    _, asked = await asked_of(open_office)
    newer = await open_office(policy=STRICTER)
    with pytest.raises(AlreadyDecided, match="by policy"):
        await newer.answer(asked, "lena")
    again = newer.question(asked.run_id)
    assert [(slot.role, slot.count) for slot in again.slots] == [("lead", 2)]
    await newer.answer(again, "lena")
    await newer.answer(again, "luis")
    assert (await newer.drive(newer.read(asked.run_id))).state == "completed"


async def test_a_policy_that_forbids_withdraws_the_question(open_office: OpenOffice) -> None:
    """Nobody can approve it any more, and the run ends unexecuted."""
    _, asked = await asked_of(open_office)
    newer = await open_office(policy=FORBIDDING)
    (run,) = await newer.runtime.drive_ready()
    record = newer.record(run)
    assert (run.state, record.approvals[0].status) == ("rejected", "withdrawn")
    with pytest.raises(AlreadyDecided):
        await newer.answer(asked, "lena")
    assert record.payouts == []


async def test_a_policy_that_asks_no_more_keeps_the_votes(open_office: OpenOffice) -> None:
    """A looser policy does not void what was collected, and does not lower the bar either."""
    older, asked = await asked_of(open_office, "5000.00")
    await older.answer(asked, "fay")
    newer = await open_office(policy=LOOSER)
    assert (await newer.answer(newer.question(asked.run_id), "finn")).status == "approved"
    assert (await newer.drive(newer.read(asked.run_id))).state == "completed"


@pytest.mark.parametrize(("policy", "state"), [(STRICTER, "paused"), (FORBIDDING, "rejected")])
async def test_policy_is_asked_once_more_before_the_act(
    open_office: OpenOffice, policy: str, state: str
) -> None:
    """An approval given under the old policy is not executed under a stricter one."""
    older, asked = await asked_of(open_office)
    await older.answer(asked, "lena")
    newer = await open_office(policy=policy)
    run = await newer.drive(newer.read(asked.run_id))
    record = newer.record(run)
    assert (run.state, record.payouts) == (state, [])
    assert record.approvals[0].status == "voided"


async def test_a_question_that_cannot_be_put_any_more_hinders_no_other(
    open_office: OpenOffice,
) -> None:
    """One question of a contract that is gone, under a changed policy: the others go on."""
    _, stuck = await asked_of(open_office)
    newer = await open_office(
        workflow=pay_workflow(make_pay(arguments=PayMore), pay_as()), policy=STRICTER
    )
    other = await newer.parked(account="a1")
    await newer.runtime.drive_ready()
    assert (await newer.answer(other, "lena")).status == "open"
    with pytest.raises(StaleQuestion, match="another version of step 'pay_out'"):
        await newer.answer(stuck, "lena")
    assert newer.question(stuck.run_id).decisions == ()

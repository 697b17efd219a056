"""Rule 3: an approval names exactly what it approves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agent_runtime import Edge, Envelope, Workflow
from agent_runtime.brief import Brief
from agent_runtime.errors import InvalidInput, NotPermitted
from agent_runtime.nodes.judge import Judgement, Subject, bind_digest, judge
from tests.conftest import OpenOffice
from tests.ledger import (
    PayRequest,
    make_pay,
    pay_as,
    pay_once,
    pay_step,
    proposal,
    scripted,
)
from tests.office import Office, Record

LEAD = "lena approve"


async def digests(office: Office, run_id: str, **changes: Any) -> tuple[str, str]:
    """The action digest and the approval digest of a proposal in a run, judged now."""
    segment = office.runtime._in.segment(office.read(run_id))
    step, visit = segment.workflow.step("pay_out"), changes.pop("visit", 1)
    envelope = proposal(Brief(step="pay_out", visit=1, input=segment.run.input), **changes)
    assert envelope.proposed_action is not None
    judged = await judge(segment, step, Subject(envelope, [], 0), envelope.proposed_action)
    assert isinstance(judged, Judgement)
    return judged.action_digest, bind_digest(segment, step, visit, judged)


async def test_reason_and_confidence_are_outside_the_digests(asking: Office) -> None:
    """Advisory text changes neither what is done nor what was asked."""
    asked = await asking.parked()
    plain = await digests(asking, asked.run_id)
    told = await digests(asking, asked.run_id, reason="Quite another.", confidence=0.1)
    assert plain == told == (asked.action_digest, asked.digest)


@pytest.mark.parametrize(
    "changes",
    [{"amount": "50.01"}, {"arguments": {"note": "x"}}, {"arguments": {"priority": None}}],
)
async def test_every_argument_is_inside_both_digests(
    asking: Office, changes: dict[str, Any]
) -> None:
    """Another amount, a note, or null instead of the default is another action."""
    asked = await asking.parked()
    action, question = await digests(asking, asked.run_id, **changes)
    assert action != asked.action_digest
    assert question != asked.digest


async def test_run_visit_and_facts_are_inside_the_approval_digest_only(asking: Office) -> None:
    """The same action in another run, visit or on other facts is another question."""
    asked = await asking.parked()
    other = await asking.parked()
    assert (other.action_digest, other.digest == asked.digest) == (asked.action_digest, False)
    later = await digests(asking, asked.run_id, visit=2)
    asking.bank.put("a1", version=2)
    moved = await digests(asking, asked.run_id)
    assert later[0] == moved[0] == asked.action_digest
    assert len({asked.digest, later[1], moved[1]}) == 3


async def test_the_tools_schema_is_inside_the_approval_digest(open_office: OpenOffice) -> None:
    """The step's contract is part of the question: another recovery asks something else."""
    first = await open_office()
    first.bank.put("a1", amount="500.00")
    asked = await first.parked()
    second = await open_office(recovery="manual")
    assert (await digests(second, asked.run_id))[1] != asked.digest


async def test_an_edit_leaves_three_records(asking: Office) -> None:
    """Proposed, decided and effective action are all in the history; the effective one is run."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", "edit", arguments={"amount": "40.00"})
    await asking.drive(asking.read(asked.run_id))
    record = asking.record(asked.run_id)
    (body,) = record.bodies("approval.decided")
    assert body["proposed"]["arguments"]["amount"] == "50.00"
    assert body["arguments"] == {"amount": "40.00"}
    assert body["effective"]["arguments"]["amount"] == "40.00"
    assert [amount for _, amount in record.payouts] == ["40.00"]


async def test_an_edit_opens_a_question_of_its_own(asking: Office) -> None:
    """An edit closes the old question, with its votes, and asks about another digest."""
    asked = await asking.parked(owner="both")
    again = await asking.answer(asked, "both", "edit", arguments={"amount": "40.00"})
    old = asking.runtime.store.read("default").approvals.get(asked.id)
    assert (old.status, old.replaced_by) == ("edited", again.id)
    assert (again.status, again.edited_by, again.digest == old.digest) == ("open", "both", False)


async def test_an_edit_into_what_policy_forbids_is_refused(asking: Office) -> None:
    """Nobody edits an action into one that the gate would deny."""
    asking.bank.put("held", status="held")
    asked = await asking.parked()
    with pytest.raises(NotPermitted, match="held-account"):
        await asking.answer(asked, "lena", "edit", arguments={"account": "held"})
    assert asking.question(asked.run_id).id == asked.id


@pytest.mark.parametrize(
    "arguments", [{"amount": "9500"}, {"amount": "much"}, {"account": ""}, {"priority": 2**60}]
)
async def test_an_edit_into_the_impossible_is_refused(
    asking: Office, arguments: dict[str, Any]
) -> None:
    """Arguments that the tool cannot take are the editor's to correct; the question stays."""
    asked = await asking.parked()
    with pytest.raises(InvalidInput):
        await asking.answer(asked, "lena", "edit", arguments=arguments)
    assert asking.question(asked.run_id).decisions == ()


def outage(kind: str) -> Callable[[Office], None]:
    return lambda office: office.bank.put("a1", outage=kind)


CHANGES: dict[str, tuple[Callable[[Office], None], str]] = {
    "changed": (
        lambda o: o.bank.put("a1", amount="600.00"),
        "fact changed: amount was 500.00, is 600.00",
    ),
    "missing": (lambda o: o.bank.drop("a1"), "fact missing: There is no account a1."),
    "unavailable": (outage("silent"), "fact unavailable: The ledger does not answer."),
}


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_fact_that_is_not_what_it_was_voids_the_approval(asking: Office, kind: str) -> None:
    """Changed, missing and unavailable facts each void it, with the reason, and nothing runs."""
    change, words = CHANGES[kind]
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    change(asking)
    await asking.drive(asking.read(asked.run_id))
    record = asking.record(asked.run_id)
    (voided,) = record.bodies("action.voided")
    assert (voided["kind"], voided["text"]) == (kind, words)
    assert record.approvals[0].status == "voided"
    assert record.payouts == []


async def test_a_changed_fact_is_named_with_old_and_new_value(asking: Office) -> None:
    """The record of the re-check lists each field that changed, and only those."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    asking.bank.put("a1", amount="600.00", version=2)
    await asking.drive(asking.read(asked.run_id))
    (voided,) = asking.record(asked.run_id).bodies("action.voided")
    assert voided["fields"] == [["amount", "500.00", "600.00"], ["version", 1, 2]]


async def spoil(office: Office, times: int) -> Record:
    """Approve and change a fact right after it, again and again."""
    asked = await office.parked()
    for version in range(2, 2 + times):
        await office.answer(office.question(asked.run_id), "lena")
        office.bank.put("a1", version=version)
        await office.drive(office.read(asked.run_id))
    return office.record(asked.run_id)


async def test_after_a_changed_fact_people_are_asked_anew(asking: Office) -> None:
    """The run goes back to context and asks about the fresh facts; the new yes counts."""
    record = await spoil(asking, 1)
    assert (record.run.state, record.payouts) == ("paused", [])
    assert asking.question(record.run).facts["version"] == 2
    await asking.answer(record.run, "luis")
    assert (await asking.drive(record.run)).state == "completed"


async def test_facts_may_change_twice_and_then_a_person_looks(asking: Office) -> None:
    """The third change in a row ends in needs_attention, with nothing executed."""
    assert (await spoil(asking, 2)).run.state == "paused"
    record = await spoil(asking, 3)
    assert (record.run.state, record.payouts) == ("needs_attention", [])
    assert "sent back more than 2 times" in record.run.reason


async def test_a_run_stopped_by_changing_facts_can_be_resumed(asking: Office) -> None:
    """Resumed by a person, it asks about the facts as they are; the voided yes stays void."""
    record = await spoil(asking, 3)
    await asking.runtime.resume(record.run.id, asking.person("lena"))
    asking.bank.put("a1", version=3)
    run = await asking.drive(record.run)
    assert (run.state, run.reason) == ("paused", "")
    assert asking.question(run).facts["version"] == 3
    assert asking.bank.payouts == []


async def test_the_window_after_the_recheck_remains(asking: Office) -> None:
    """A fact that changes between re-check and call goes unseen: only the outside system's own
    version could close that window."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    asking.bank.put("a1", outage="moves on")
    run = await asking.drive(asking.read(asked.run_id))
    assert (run.state, asking.bank.accounts["a1"]["version"]) == ("completed", 2)


async def test_the_approved_bytes_are_executed_and_never_a_fresh_proposal(
    open_office: OpenOffice,
) -> None:
    """A proposer that says something else each time cannot change what was approved."""
    said = iter(["10.00", "20.00", "30.00", "40.00"])

    def fickle(brief: Any) -> Envelope:
        return proposal(brief, amount=next(said))

    office = await open_office(fickle)
    office.bank.put("a1", amount="500.00")
    record = await office.flow(LEAD)
    assert record.approvals[0].action.arguments["amount"] == "10.00"
    assert [amount for _, amount in record.payouts] == ["10.00"]


def looping(rule: Any) -> Workflow:
    """The ledger workflow, which looks again after a rejection."""
    again = Edge("pay_out", "pay_out", on=frozenset({"rejected"}), at_most=2)
    return Workflow("ledger", PayRequest, [pay_step(make_pay(), rule)], [again], "customer")


async def test_a_rejected_action_cannot_be_proposed_again(open_office: OpenOffice) -> None:
    """The same action is denied by the runtime, however the evidence was refreshed."""
    office = await open_office(workflow=looping(pay_as()))
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    await office.answer(asked, "lena", "reject")
    office.bank.put("a1", version=7)
    run = await office.drive(office.read(asked.run_id))
    record = office.record(run)
    assert record.verdicts[-1]["rules"] == ["runtime:rejected-before"]
    assert (run.state, len(record.approvals), record.payouts) == ("rejected", 1, [])


async def test_another_action_may_follow_a_rejection(open_office: OpenOffice) -> None:
    """A rejection is of one action: a smaller payout is asked about."""
    rule = scripted(pay_as(amount="50.00"), pay_as(amount="45.00"), pay_once)
    office = await open_office(workflow=looping(rule))
    office.bank.put("a1", amount="500.00")
    record = await office.flow("lena reject", LEAD)
    assert [a.status for a in record.approvals] == ["rejected", "approved"]
    assert [amount for _, amount in record.payouts] == ["45.00"]


async def test_nobody_edits_an_action_into_the_rejected_one(open_office: OpenOffice) -> None:
    """The way around the rejection by an edit is closed too."""
    rule = scripted(pay_as(amount="50.00"), pay_as(amount="45.00"), pay_once)
    office = await open_office(workflow=looping(rule))
    office.bank.put("a1", amount="500.00")
    record = await office.flow("lena reject")
    with pytest.raises(NotPermitted, match="rejected-before"):
        await office.answer(record.run, "luis", "edit", arguments={"amount": "50.00"})


async def test_a_rejection_in_one_run_says_nothing_about_another(asking: Office) -> None:
    """The refusal holds for that run only."""
    first = await asking.flow("lena reject")
    second = await asking.flow(LEAD)
    assert (first.run.state, second.run.state) == ("rejected", "completed")

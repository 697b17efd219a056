"""Rule 4: one answer a person, one end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from agent_runtime.errors import (
    AlreadyDecided,
    Conflict,
    InvalidInput,
    NotPermitted,
    StaleQuestion,
)
from agent_runtime.nodes.gate import question
from agent_runtime.nodes.judge import Judgement
from agent_runtime.verdict import Verdict
from tests.conftest import OpenOffice
from tests.office import Office
from tests.patience import PATIENCE
from tests.processes import CONTEXT, decide_child, spawn, wait


async def test_the_same_question_is_asked_once(asking: Office) -> None:
    """Asking exactly the same again finds the pending question and writes no second one."""
    asked = await asking.parked()
    segment = asking.runtime._in.segment(asking.read(asked.run_id))
    verdict = Verdict(kind="needs_approval", rules=asked.rules, slots=asked.slots, deadline=3600)
    judged = Judgement(asked.action, asked.action_digest, asked.facts, asked.signals, verdict)
    again = question(segment, segment.workflow.step("pay_out"), asked.visit, judged)
    found = await asking.runtime.store.write("default", lambda s: s.approvals.request(again))
    assert (again.id != asked.id, found.id) == (True, asked.id)
    assert len(asking.record(asked.run_id).approvals) == 1


async def test_a_second_answer_is_refused_and_names_the_first(asking: Office) -> None:
    """Once there is an end, every later answer is told who gave it."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", "reject")
    with pytest.raises(AlreadyDecided, match="is rejected already, by lena") as found:
        await asking.answer(asked, "luis")
    assert (found.value.by, found.value.status) == ("lena", "rejected")


async def test_an_answer_after_the_run_has_ended_is_refused(asking: Office) -> None:
    """A late yes changes nothing about a run that is over."""
    record = await asking.flow("lena approve")
    with pytest.raises(AlreadyDecided, match="by lena"):
        await asking.answer(record.approvals[0], "luis", "reject")
    assert asking.record(record.run).run.state == "completed"


async def test_an_answer_to_another_digest_is_stale(asking: Office) -> None:
    """An answer counts only for the question that the person has seen."""
    asked = await asking.parked()
    with pytest.raises(StaleQuestion):
        await asking.answer(asked, "lena", digest="sha256:other")
    assert asking.question(asked.run_id).decisions == ()


async def test_an_answer_meant_for_the_voided_question_does_not_reach_the_new_one(
    asking: Office,
) -> None:
    """After facts changed, the old question is over; its answer is refused, not redirected."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    asking.bank.put("a1", version=2)
    await asking.drive(asking.read(asked.run_id))
    with pytest.raises(AlreadyDecided, match="voided"):
        await asking.answer(asked, "luis")
    assert asking.question(asked.run_id).decisions == ()


@pytest.mark.parametrize("kind", ["reject", "respond"])
async def test_a_no_needs_a_reason(asking: Office, kind: str) -> None:
    """Whoever proposes again has to know what was wrong."""
    asked = await asking.parked()
    with pytest.raises(InvalidInput, match="reason"):
        await asking.answer(asked, "lena", kind, reason="  ")  # type: ignore[arg-type]


async def test_two_answers_at_once_from_two_runtimes_have_one_winner(
    open_office: OpenOffice,
) -> None:
    """Yes and no at the same moment: one is stored, the other is told whose was first."""
    first, second = await open_office(), await open_office()
    first.bank.put("a1", amount="500.00")
    for _ in range(5):
        asked = await first.parked()
        results = await asyncio.gather(
            first.answer(asked, "lena"),
            second.answer(asked, "luis", "reject"),
            return_exceptions=True,
        )
        (lost,) = [found for found in results if isinstance(found, BaseException)]
        stored = first.record(asked.run_id)
        (body,) = stored.bodies("approval.closed")
        assert isinstance(lost, AlreadyDecided)
        assert lost.by == body["by"] == stored.approvals[0].closed_by
        assert len(stored.approvals[0].decisions) == 1


async def test_answers_at_once_from_several_processes_have_one_winner(asking: Office) -> None:
    """Four processes answer one question: one terminal transition, three refusals naming it."""
    asked = await asking.parked()
    barrier, results = CONTEXT.Barrier(4), CONTEXT.Queue()
    answers = [("lena", "approve"), ("luis", "reject"), ("both", "approve"), ("fay", "approve")]
    answers[3] = ("luis", "respond")
    children = [
        spawn(decide_child, asking.data, asked.id, name, kind, barrier, results)
        for name, kind in answers
    ]
    assert wait(*children) == [0, 0, 0, 0]
    found = [results.get(timeout=PATIENCE) for _ in children]
    refused = [by for _, status, by in found if status == "refused"]
    (winner,) = [(name, status) for name, status, _ in found if status != "refused"]
    assert refused == [winner[0]] * 3
    assert [b["status"] for b in asking.record(asked.run_id).bodies("approval.closed")] == [
        winner[1]
    ]


async def test_one_person_cannot_answer_twice(asking: Office) -> None:
    """A quorum of two is not filled by one person, whatever they answer the second time."""
    asking.bank.put("a1", amount="5000.00")
    asked = await asking.parked()
    assert (await asking.answer(asked, "fay")).status == "open"
    with pytest.raises(AlreadyDecided, match="by fay"):
        await asking.answer(asked, "fay")
    with pytest.raises(AlreadyDecided, match="by fay"):
        await asking.answer(asked, "fay", "reject")
    assert len(asking.question(asked.run_id).decisions) == 1


async def test_one_person_at_once_from_two_runtimes_counts_once(open_office: OpenOffice) -> None:
    """The same person's two clicks, at the same moment, fill one place."""
    first, second = await open_office(), await open_office()
    first.bank.put("a1", amount="5000.00")
    asked = await first.parked()
    results = await asyncio.gather(
        first.answer(asked, "fay"), second.answer(asked, "fay"), return_exceptions=True
    )
    assert sum(isinstance(found, AlreadyDecided) for found in results) == 1
    assert first.question(asked.run_id).status == "open"


async def test_two_people_fill_a_quorum_of_two(asking: Office) -> None:
    """The second finance person's yes is the one that lets the run go on."""
    asking.bank.put("a1", amount="5000.00")
    record = await asking.flow("fay approve", "finn approve")
    assert (record.run.state, len(record.payouts)) == ("completed", 1)
    assert record.approvals[0].closed_by == "finn"


async def test_one_no_ends_a_partial_quorum(asking: Office) -> None:
    """The first terminal answer wins, even with a yes collected before."""
    asking.bank.put("a1", amount="5000.00")
    record = await asking.flow("fay approve", "finn reject")
    assert (record.run.state, record.payouts) == ("rejected", [])


async def test_two_people_at_once_complete_a_quorum_once(open_office: OpenOffice) -> None:
    """Both yes votes are counted, and the question is closed exactly once."""
    first, second = await open_office(), await open_office()
    first.bank.put("a1", amount="5000.00")
    asked = await first.parked()
    after = await asyncio.gather(first.answer(asked, "fay"), second.answer(asked, "finn"))
    assert sorted(found.status for found in after) == ["approved", "open"]
    assert len(first.record(asked.run_id).bodies("approval.closed")) == 1


async def test_whoever_started_the_run_cannot_approve_in_it(asking: Office) -> None:
    """The starter's own yes is refused with the rule that says so."""
    asked = await asking.parked(owner="lena")
    with pytest.raises(NotPermitted, match="base-approver-started-it") as found:
        await asking.answer(asked, "lena")
    assert found.value.rules == ("base-approver-started-it",)
    assert (await asking.answer(asked, "luis")).status == "approved"


async def test_a_starters_edit_does_not_count_as_their_yes(asking: Office) -> None:
    """The way around by an edit leads to a question that somebody else has to answer."""
    asked = await asking.parked(owner="lena")
    again = await asking.answer(asked, "lena", "edit", arguments={"amount": "1.00"})
    assert (again.status, again.decisions) == ("open", ())
    with pytest.raises(NotPermitted):
        await asking.answer(again, "lena")


@pytest.mark.parametrize("kind", ["approve", "reject", "respond", "edit"])
async def test_people_without_an_asked_role_cannot_answer_at_all(asking: Office, kind: str) -> None:
    """A clerk's yes, no, question or edit is refused and nothing is stored."""
    asked = await asking.parked()
    arguments = {"amount": "1.00"} if kind == "edit" else None
    with pytest.raises(NotPermitted):
        await asking.answer(asked, "carl", kind, arguments=arguments)  # type: ignore[arg-type]
    assert asking.question(asked.run_id).decisions == ()


async def test_a_yes_that_fills_no_open_place_is_refused(asking: Office) -> None:
    """Finance may approve by policy, but here a lead is asked."""
    asked = await asking.parked()
    with pytest.raises(NotPermitted, match="roles still asked: lead"):
        await asking.answer(asked, "fay")


async def test_a_question_is_closed_to_answers_until_the_run_has_parked(asking: Office) -> None:
    """Between the gate's row and the pause, an answer is told to come again."""
    asked = await asking.parked()
    await asking.runtime.store.write(
        "default", lambda s: s.approvals.update(asked.id, status="requested")
    )
    with pytest.raises(Conflict, match="not open yet"):
        await asking.answer(asked, "lena")


async def test_an_answer_after_the_deadline_is_refused(asking: Office) -> None:
    """Even before anybody has noted the expiry."""
    asked = await asking.parked()
    asking.clock.move(timedelta(hours=1))
    with pytest.raises(AlreadyDecided, match="its deadline"):
        await asking.answer(asked, "lena")


async def test_a_held_answer_is_the_only_one_until_it_is_undone(asking: Office) -> None:
    """Its author alone can take it back; everybody else is told whose it is."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", hold_seconds=60)
    with pytest.raises(AlreadyDecided, match="held already, by lena"):
        await asking.answer(asked, "luis", "reject")
    await asking.runtime.desk.undo(asked.id, asking.person("lena"))
    assert (await asking.answer(asked, "luis", "reject")).closed_by == "luis"


async def test_an_answer_to_an_older_version_is_told_what_changed(asking: Office) -> None:
    """A colleague's yes since the look is a reason to look again."""
    asking.bank.put("a1", amount="5000.00")
    asked = await asking.parked()
    await asking.answer(asked, "fay", version=1)
    with pytest.raises(StaleQuestion) as found:
        await asking.answer(asked, "finn", version=1)
    assert [(c.field, c.new) for c in found.value.changes] == [("decisions", "fay: approve")]


async def test_a_delegate_fills_no_second_place(asking: Office) -> None:
    """One person with the parts of two still is one person."""
    asking.bank.put("a1", amount="5000.00")
    asked = await asking.parked()
    await asking.runtime.desk.delegate(asked.id, asking.person("fay"), "both")
    after = await asking.answer(asked, "both")
    assert (after.status, after.decisions[0].lent) == ("open", ("finance",))
    with pytest.raises(AlreadyDecided, match="by both"):
        await asking.answer(asked, "both")

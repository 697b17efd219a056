"""Held answers: they can be undone for a while, and nothing happens before that is over."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent_runtime.approval import Answer
from agent_runtime.errors import AlreadyDecided, Conflict, NotPermitted, Ungated
from tests.conftest import OpenOffice
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import PEOPLE, Office, opened
from tests.processes import spawn, wait

MINUTE = timedelta(minutes=1)


async def test_a_held_yes_moves_nothing_until_it_takes_effect(asking: Office) -> None:
    """The run sleeps on, and is ready the moment the time to undo is over."""
    asked = await asking.parked()
    held = await asking.answer(asked, "lena", hold_seconds=60)
    assert (held.status, held.held_by, held.effective_at) == (
        "held", "lena", asking.clock.now() + MINUTE,
    )  # fmt: skip
    asking.clock.move(timedelta(seconds=59))
    await asking.runtime.drive_ready()
    assert (asking.read(asked.run_id).state, asking.bank.payouts) == ("paused", [])
    asking.clock.move(timedelta(seconds=1))
    await asking.runtime.drive_ready()
    assert asking.read(asked.run_id).state == "completed"
    assert len(asking.bank.payouts) == 1


async def test_its_author_undoes_it_and_may_answer_again(asking: Office) -> None:
    """Undone, the question is as open as it was, and the history tells both."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", hold_seconds=60)
    again = await asking.runtime.desk.undo(asked.id, asking.person("lena"))
    assert (again.status, again.decisions, again.effective_at) == ("open", (), None)
    assert (await asking.answer(again, "lena", "reject")).status == "rejected"
    kinds = [event.type for event in asking.record(asked.run_id).events]
    assert kinds.index("approval.held") < kinds.index("approval.undone")


async def test_a_held_question_is_closed_to_everybody_else(asking: Office) -> None:
    """Neither an answer nor an undo of another person gets through; both are told whose it is."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", hold_seconds=60)
    with pytest.raises(AlreadyDecided, match="held already, by lena"):
        await asking.answer(asked, "luis", "reject")
    with pytest.raises(NotPermitted, match="Only lena"):
        await asking.runtime.desk.undo(asked.id, asking.person("luis"))


async def test_a_held_question_does_not_expire(asking: Office) -> None:
    """A yes given in time counts, though the deadline passes while it could be undone."""
    asked = await asking.parked()
    asking.clock.move(asked.deadline - asking.clock.now() - timedelta(seconds=1))
    await asking.answer(asked, "lena", hold_seconds=60)
    asking.clock.move(timedelta(seconds=30))
    assert await asking.runtime.expire() == []
    asking.clock.move(timedelta(seconds=30))
    (after,) = await asking.runtime.expire()
    assert (after.status, after.closed_by) == ("approved", "lena")


async def test_what_was_undone_after_the_deadline_expires(asking: Office) -> None:
    """The question is open again, and its time is over: silence never approves."""
    asked = await asking.parked()
    asking.clock.move(asked.deadline - asking.clock.now() - timedelta(seconds=1))
    await asking.answer(asked, "lena", hold_seconds=60)
    asking.clock.move(timedelta(seconds=30))
    await asking.runtime.desk.undo(asked.id, asking.person("lena"))
    (after,) = await asking.runtime.expire()
    assert (after.status, after.decisions) == ("expired", ())


async def test_what_has_taken_effect_cannot_be_undone(asking: Office) -> None:
    """Also where nobody has noted yet that the time to undo is over."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", hold_seconds=60)
    asking.clock.move(MINUTE)
    with pytest.raises(AlreadyDecided, match="in effect already, by lena"):
        await asking.runtime.desk.undo(asked.id, asking.person("lena"))
    await asking.runtime.expire()
    with pytest.raises(AlreadyDecided, match="approved already, by lena"):
        await asking.runtime.desk.undo(asked.id, asking.person("lena"))


async def test_there_is_nothing_to_undo_about_an_open_question(asking: Office) -> None:
    """An answer that was never held cannot be taken back."""
    asked = await asking.parked()
    with pytest.raises(Conflict, match="no answer to undo"):
        await asking.runtime.desk.undo(asked.id, asking.person("lena"))


async def test_undoing_and_taking_effect_race_for_one_outcome(open_office: OpenOffice) -> None:
    """At the very moment, from two runtimes: undone or in effect, never both."""
    first, second = await open_office(), await open_office()
    first.bank.put("a1", amount="500.00")
    for lag in (-1, 0, 1) * 3:
        asked = await first.parked()
        await first.answer(asked, "lena", hold_seconds=60)
        first.clock.move(MINUTE)
        second.clock.move(first.clock.now() - second.clock.now() + timedelta(milliseconds=lag))
        undone, _ = await asyncio.gather(
            second.runtime.desk.undo(asked.id, second.person("lena")),
            first.runtime.expire(),
            return_exceptions=True,
        )
        after = first.record(asked.run_id).approvals[0].status
        assert after == ("approved" if isinstance(undone, AlreadyDecided) else "open")


async def test_a_held_part_of_a_quorum_counts_once_it_takes_effect(asking: Office) -> None:
    """One of two: held it keeps the second person waiting, then the question is open again."""
    asking.bank.put("a1", amount="5000.00")
    asked = await asking.parked()
    await asking.answer(asked, "fay", hold_seconds=60)
    with pytest.raises(AlreadyDecided, match="by fay"):
        await asking.answer(asked, "finn")
    asking.clock.move(MINUTE)
    (after,) = await asking.runtime.expire()
    assert (after.status, len(after.decisions)) == ("open", 1)
    assert (await asking.answer(asked, "finn")).status == "approved"


async def test_an_undone_edit_asks_what_was_asked_before(asking: Office) -> None:
    """The edited action is off the table, and the proposed one is asked about anew."""
    asked = await asking.parked()
    arguments = {"amount": "450.00"}
    held = await asking.answer(asked, "lena", "edit", arguments=arguments, hold_seconds=60)
    assert (held.status, held.action.arguments["amount"]) == ("held", "450.00")
    again = await asking.runtime.desk.undo(held.id, asking.person("lena"))
    assert (again.status, again.action, again.digest) == ("open", asked.action, asked.digest)
    record = await asking.flow("luis approve", account="a1")
    assert record.run.state == "completed"
    await asking.answer(again, "luis")
    await asking.drive(asking.read(asked.run_id))
    assert asking.read(asked.run_id).state == "completed"


async def test_a_cancelled_run_withdraws_what_is_held(asking: Office) -> None:
    """Nothing takes effect in a run that has ended."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", hold_seconds=60)
    await asking.runtime.cancel(asked.run_id, asking.person("luis"), "Moot.")
    asking.clock.move(MINUTE)
    assert await asking.runtime.expire() == []
    assert asking.record(asked.run_id).approvals[0].status == "withdrawn"


async def test_no_intent_is_written_before_the_effect(asking: Office) -> None:
    """Even a worker that holds the right to act is refused while the answer could be undone."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    segment = await asking.claim(asking.read(asked.run_id))
    await asking.drive_gate(segment)
    later = asking.clock.now() + MINUTE
    await segment.write(lambda s: s.approvals.update(asked.id, effective_at=later))
    right = segment.read().journal.authorization(asked.run_id, asked.step, asked.visit)
    with pytest.raises(Ungated):
        await segment.write(lambda s: s.journal.intend(right, "k", right.action_digest))
    asking.clock.move(MINUTE)
    await segment.write(lambda s: s.journal.intend(right, "k", right.action_digest))


@pytest.mark.parametrize("seconds", [-1.0, 3601.0, float("nan")])
def test_a_hold_lasts_an_hour_at_most(seconds: float) -> None:
    """Longer, or for no time at all, is refused before anything is looked up."""
    with pytest.raises(ValidationError, match="hold_seconds"):
        Answer(kind="approve", digest="sha256:0", hold_seconds=seconds)


def hold_and_die(folder: Path, approval_id: str) -> None:
    """Give a held yes, and be killed."""

    async def work() -> None:
        async with opened(make_app(pay_workflow(make_pay())), folder) as office:
            asked = office.runtime.store.read("default").approvals.get(approval_id)
            await office.answer(asked, "lena", hold_seconds=60)
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(work())


async def test_a_hold_survives_the_death_of_its_process(asking: Office) -> None:
    """Killed right after the answer, another process lets it take effect, once and in time."""
    asked = await asking.parked()
    assert wait(spawn(hold_and_die, asking.data, asked.id)) == [-signal.SIGKILL]
    await asking.runtime.drive_ready()
    assert asking.bank.payouts == []
    asking.clock.move(MINUTE)
    await asking.runtime.drive_ready()
    assert len(asking.bank.payouts) == 1
    assert PEOPLE["lena"].name == asking.record(asked.run_id).approvals[0].closed_by

"""What every implementation of the store holds to about approvals and the journal: one question,
one answer a person, one use of a right, one outcome of a call."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent_runtime.errors import NotFound, Ungated
from agent_runtime.store import Session
from tests.store.conftest import ACTION, DIGEST, HOUR, Books

OTHER = "sha256:" + "e" * 64


async def test_a_question_comes_back_as_it_was_asked(started: Books) -> None:
    """Action, facts, signals, slots and moments."""
    asked = await started.ask("run-1")
    assert started.read().approvals.get(asked.id) == asked


async def test_the_same_question_is_asked_once(started: Books) -> None:
    """While it is pending, asking again gives the one that is there; another digest, visit, step
    or run makes another question."""
    first = await started.ask("run-1", status="requested")
    assert await started.ask("run-1", status="requested") == first
    for run, fields in (
        ("run-1", {"digest": OTHER}),
        ("run-1", {"visit": 2}),
        ("run-1", {"step": "second"}),
        ("run-2", {}),
    ):
        assert (await started.ask(run, **fields)).id != first.id
    assert len(started.read().approvals.find()) == 5


async def test_a_closed_question_can_be_asked_anew(started: Books) -> None:
    """And the newest is the visit's latest."""
    first = await started.ask("run-1")
    await started.write(lambda s: s.approvals.close(first.id, "voided", "a fact"))
    second = await started.ask("run-1")
    assert second.id != first.id
    latest = started.read().approvals.latest("run-1", "pay_out", 1)
    assert latest == second
    assert started.read().approvals.latest("run-1", "pay_out", 2) is None


async def test_each_person_answers_once(started: Books) -> None:
    """A second answer of one person is refused, whatever it says; others are counted."""
    asked = await started.ask("run-1")
    lena, luis = started.decision(asked.id, "lena"), started.decision(asked.id, "luis")
    await started.write(lambda s: s.approvals.record(lena))
    with pytest.raises(started.refusal):
        await started.write(
            lambda s: s.approvals.record(lena.model_copy(update={"kind": "reject", "reason": "no"}))
        )
    started.clock.move(timedelta(seconds=1))
    await started.write(lambda s: s.approvals.record(luis))
    assert started.read().approvals.get(asked.id).decisions == (lena, luis)
    assert [a.decisions for a in started.read().approvals.find()] == [(lena, luis)]


async def test_a_closed_question_says_who_closed_it_and_when(started: Books) -> None:
    """And it is found under its status, no longer among the open ones."""
    asked = await started.ask("run-1")
    started.clock.move(timedelta(minutes=1))
    closed = await started.write(lambda s: s.approvals.close(asked.id, "rejected", "lena"))
    assert (closed.status, closed.closed_by) == ("rejected", "lena")
    assert closed.closed_at == started.clock.now()
    assert started.read().approvals.find(["open"]) == []
    assert started.read().approvals.find(["rejected"]) == [closed]


async def test_questions_are_found_in_the_order_they_were_asked(started: Books) -> None:
    """By status, by run, and no more than asked for."""
    first, second, third = [await started.ask(run) for run in ("run-1", "run-2", "run-3")]
    await started.write(lambda s: s.approvals.close(second.id, "approved", "lena"))
    approvals = started.read().approvals
    assert [a.id for a in approvals.find()] == [first.id, second.id, third.id]
    assert [a.id for a in approvals.find(["open"])] == [first.id, third.id]
    assert [a.id for a in approvals.find(["open"], limit=1)] == [first.id]
    assert [a.id for a in approvals.find(run_id="run-2")] == [second.id]


async def test_a_question_is_due_at_its_deadline(started: Books) -> None:
    """Not before it, not once it is closed, and only once it is open."""
    asked = await started.ask("run-1")
    await started.ask("run-2", status="requested")
    closed = await started.ask("run-3")
    await started.write(lambda s: s.approvals.close(closed.id, "approved", "lena"))
    started.clock.move(HOUR - timedelta(seconds=1))
    assert started.read().approvals.due() == []
    started.clock.move(timedelta(seconds=1))
    assert [a.id for a in started.read().approvals.due()] == [asked.id]


async def test_a_rejected_action_is_remembered(started: Books) -> None:
    """Under its own digest, for its own run."""
    asked = await started.ask("run-1", digest=OTHER, action_digest=DIGEST)
    assert not started.read().approvals.was_rejected("run-1", DIGEST)
    await started.write(lambda s: s.approvals.close(asked.id, "rejected", "lena"))
    approvals = started.read().approvals
    assert approvals.was_rejected("run-1", DIGEST)
    assert not approvals.was_rejected("run-1", OTHER)
    assert not approvals.was_rejected("run-2", DIGEST)


async def test_an_unknown_question_is_named(started: Books) -> None:
    """Reading it, changing it, closing it."""
    with pytest.raises(NotFound, match="appr-none"):
        started.read().approvals.get("appr-none")
    with pytest.raises(NotFound, match="appr-none"):
        await started.write(lambda s: s.approvals.update("appr-none", status="open"))
    with pytest.raises(NotFound, match="appr-none"):
        await started.write(lambda s: s.approvals.close("appr-none", "approved", "lena"))


async def test_a_visit_is_authorized_once(started: Books) -> None:
    """Again after a crash it gets the first right; for another action it gets none."""
    first = await started.authorize("run-1")
    assert await started.authorize("run-1") == first
    assert started.read().journal.authorization("run-1", "pay_out", 1) == first
    with pytest.raises(Ungated, match="another action"):
        await started.authorize("run-1", action_digest=OTHER)
    assert (await started.authorize("run-1", visit=2)).id != first.id
    with pytest.raises(Ungated):
        started.read().journal.authorization("run-2", "pay_out", 1)


async def test_a_right_is_used_once(started: Books) -> None:
    """For exactly its action; the intent is written with it."""
    right = await started.authorize("run-1")
    with pytest.raises(Ungated):
        await started.write(lambda s: s.journal.intend(right, "key-1", OTHER))
    grant = await started.write(lambda s: s.journal.intend(right, "key-1", DIGEST))
    assert (grant.key, grant.action_digest) == ("key-1", DIGEST)
    with pytest.raises(Ungated):
        await started.write(lambda s: s.journal.intend(right, "key-2", DIGEST))
    (entry,) = started.read().journal.find("run-1")
    assert (entry.state, entry.tries, entry.tool) == ("intended", 1, ACTION.tool)
    assert entry == started.read().journal.by_key("key-1") == started.read().journal.entry(right.id)


async def test_an_unused_right_can_be_taken_away(started: Books) -> None:
    """Then it is neither found nor usable; a used one stays as it is."""
    right, used = await started.authorize("run-1"), await started.intend("run-2", "key-2")
    await started.write(lambda s: s.journal.void(right.id))
    journal = started.read().journal
    assert journal.was_voided("run-1", "pay_out", 1)
    assert not journal.was_voided("run-2", "pay_out", 1)
    with pytest.raises(Ungated):
        journal.authorization("run-1", "pay_out", 1)
    for attempt in (
        lambda s: s.journal.intend(right, "key-1", DIGEST),
        lambda s: s.journal.void(right.id),
        lambda s: s.journal.void(used.id),
    ):
        with pytest.raises(Ungated):
            await started.write(attempt)


async def test_a_call_has_one_outcome(started: Books) -> None:
    """The first one stands; its result comes back as it was."""
    await started.intend("run-1", "key-1")
    result = {"paid": "50.00", "to": ["mara", None], "straße": 1}
    first = await started.write(lambda s: s.journal.settle("key-1", "executed", result))
    assert (first.state, first.result, first.settled_at) == (
        "executed",
        result,
        started.clock.now(),
    )
    again = await started.write(lambda s: s.journal.settle("key-1", "failed", "late"))
    assert again == first == started.read().journal.by_key("key-1")


async def test_a_call_is_repeated_while_its_outcome_is_open(started: Books) -> None:
    """Each repetition is counted and uses up what a person allowed; settled, there is none."""
    await started.intend("run-1", "key-1")
    await started.write(lambda s: s.journal.allow_retry("key-1"))
    assert started.read().journal.by_key("key-1").may_retry
    grant = await started.write(lambda s: s.journal.again("key-1"))
    entry = started.read().journal.by_key("key-1")
    assert (grant.action_digest, entry.tries, entry.may_retry) == (DIGEST, 2, False)
    await started.write(lambda s: s.journal.settle("key-1", "failed", None))
    with pytest.raises(Ungated):
        await started.write(lambda s: s.journal.again("key-1"))


async def test_a_key_is_one_call(started: Books) -> None:
    """A second intent under it is refused, and its right is still unused."""
    await started.intend("run-1", "key-1")
    right = await started.authorize("run-2")
    with pytest.raises(started.refusal):
        await started.write(lambda s: s.journal.intend(right, "key-1", DIGEST))
    await started.write(lambda s: s.journal.intend(right, "key-2", DIGEST))


async def test_calls_are_found_in_the_order_they_were_intended(started: Books) -> None:
    """Of one run, or of all; unknown keys are named."""
    for number, run in enumerate(("run-1", "run-2", "run-1"), start=1):
        await started.intend(run, f"key-{number}", visit=number)
        started.clock.move(timedelta(seconds=1))

    def keys(session: Session, run_id: str | None) -> list[str]:
        return [entry.key for entry in session.journal.find(run_id)]

    assert keys(started.read(), None) == ["key-1", "key-2", "key-3"]
    assert keys(started.read(), "run-1") == ["key-1", "key-3"]
    assert started.read().journal.entry("auth-none") is None
    with pytest.raises(NotFound, match="key-none"):
        started.read().journal.by_key("key-none")

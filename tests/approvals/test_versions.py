"""What a person saw: versions, what has changed since, facts that are no longer so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent_runtime.errors import AlreadyDecided, Conflict, StaleQuestion
from tests.office import Office

OLD = timedelta(minutes=6)


async def test_an_answer_to_an_older_version_says_what_changed(asking: Office) -> None:
    """The second of two sees that the first has answered since they looked."""
    asking.bank.put("a1", amount="5000.00")
    asked = await asking.parked()
    await asking.answer(asked, "fay")
    with pytest.raises(StaleQuestion, match="version 2, not 1") as found:
        await asking.answer(asked, "finn", version=asked.version)
    (change,) = found.value.changes
    assert (change.field, change.old, change.new) == ("decisions", "", "fay: approve")
    assert (await asking.answer(asked, "finn", version=2)).status == "approved"


async def test_a_closed_question_names_who_closed_it_whatever_version_was_seen(
    asking: Office,
) -> None:
    """The late are told whose answer came first, not that a number is wrong."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", version=1)
    with pytest.raises(AlreadyDecided, match="by lena"):
        await asking.answer(asked, "luis", version=1)


async def test_a_claim_alone_turns_no_answer_away_by_its_version(asking: Office) -> None:
    """It raises the version, as every change does; what is asked is the same."""
    asked, desk = await asking.parked(), asking.runtime.desk
    claimed = await desk.claim(asked.id, asking.person("luis"))
    released = await desk.release(asked.id, asking.person("luis"))
    assert (asked.version, claimed.version, released.version) == (1, 2, 3)
    assert (await asking.answer(asked, "lena", version=1)).status == "approved"


async def test_a_version_that_never_was_is_refused(asking: Office) -> None:
    """Nobody can have seen it."""
    asked = await asking.parked()
    with pytest.raises(StaleQuestion, match="version 1, not 7"):
        await asking.answer(asked, "lena", version=7)


async def test_facts_read_again_and_unchanged_are_fresh(asking: Office) -> None:
    """Only the clock of the facts moves: neither the deadline nor the version."""
    asked = await asking.parked()
    asking.clock.move(OLD)
    after = await asking.runtime.desk.refresh(asked.id, asking.person("lena"))
    assert after.facts_read_at == asking.clock.now()
    assert (after.version, after.deadline, after.status) == (1, asked.deadline, "open")


async def test_a_changed_fact_closes_the_question_and_asks_anew(asking: Office) -> None:
    """It is marked stale with what changed, and the run asks on the facts of now."""
    asked = await asking.parked()
    asking.bank.put("a1", amount="600.00")
    after = await asking.runtime.desk.refresh(asked.id, asking.person("lena"))
    assert (after.status, after.closed_by) == (
        "stale", "runtime: facts.amount was 500.00, is 600.00",
    )  # fmt: skip
    await asking.drive(asking.read(asked.run_id))
    again = asking.question(asked.run_id)
    assert (str(again.amount), again.visit, again.digest != asked.digest) == ("600.00", 2, True)


async def test_a_yes_to_old_facts_reads_them_first(asking: Office) -> None:
    """A month may lie between question and answer: what changed is named, and nothing approved."""
    asked = await asking.parked()
    asking.bank.put("a1", version=2)
    asking.clock.move(OLD)
    with pytest.raises(StaleQuestion, match="asked anew") as found:
        await asking.answer(asked, "lena")
    assert [(c.field, c.old, c.new) for c in found.value.changes] == [("facts.version", "1", "2")]
    record = asking.record(asked.run_id)
    assert (record.approvals[0].status, record.approvals[0].decisions) == ("stale", ())


async def test_facts_that_cannot_be_read_are_not_taken_for_unchanged(asking: Office) -> None:
    """Missing closes the question; silence of the outside system refuses the yes for now."""
    asked = await asking.parked()
    asking.clock.move(OLD)
    asking.bank.put("a1", outage="silent")
    with pytest.raises(Conflict, match="cannot be read now"):
        await asking.answer(asked, "lena")
    assert asking.question(asked.run_id).decisions == ()
    asking.bank.drop("a1")
    with pytest.raises(StaleQuestion):
        await asking.answer(asked, "lena")
    assert asking.record(asked.run_id).approvals[0].status == "stale"


async def test_a_run_asks_anew_a_bounded_number_of_times(asking: Office) -> None:
    """Facts that never hold still bring a person to look at the run."""
    asked = await asking.parked()
    for amount in ("501.00", "502.00", "503.00"):
        asking.bank.put("a1", amount=amount)
        await asking.runtime.desk.refresh(asking.question(asked.run_id).id, asking.person("lena"))
        run = await asking.drive(asking.read(asked.run_id))
    assert (run.state, "fact changed" in run.reason) == ("needs_attention", True)


async def test_the_time_to_decide_counts_from_the_first_look(asking: Office) -> None:
    """Each person's own; looking again changes nothing, and a look raises no version."""
    asked, desk = await asking.parked(), asking.runtime.desk
    asking.clock.move(timedelta(minutes=1))
    await desk.look(asked.id, asking.person("lena"))
    await desk.look(asked.id, asking.person("luis"))
    asking.clock.move(timedelta(seconds=40))
    await desk.look(asked.id, asking.person("lena"))
    after = await asking.answer(asked, "lena", version=1)
    assert after.decisions[0].took == 40.0
    assert asking.record(asked.run_id).bodies("approval.decided")[0]["took"] == 40.0


async def test_an_answer_without_a_look_has_no_time(asking: Office) -> None:
    """Unknown is not zero."""
    asked = await asking.parked()
    assert (await asking.answer(asked, "lena")).decisions[0].took is None


async def test_two_looks_at_once_keep_the_first(asking: Office) -> None:
    """The store itself never forgets when somebody first saw a question."""
    asked, store = await asking.parked(), asking.runtime.store
    first = asking.clock.now()
    for _ in range(2):
        await store.write("default", lambda s: s.comments.look(asked.id, "lena"))
        asking.clock.move(OLD)
    assert store.read("default").comments.looked_at(asked.id, "lena") == first

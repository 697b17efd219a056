"""Replay finds what is no longer the same, at the step where it begins to matter."""

from __future__ import annotations

from datetime import timedelta

from langchain_core.messages import HumanMessage, SystemMessage

from agent_runtime.brief import Brief
from agent_runtime.envelope import Envelope
from agent_runtime.replay.chapter import chapters
from agent_runtime.replay.player import Player, TapeClock, said
from agent_runtime.replay.replay import _compared
from agent_runtime.replay.stage import Played
from agent_runtime.replay.tape import load_tape
from tests.conftest import OpenOffice
from tests.ledger import POLICY, make_pay, pay_workflow, proposal
from tests.office import Office
from tests.replay.conftest import PROMPTED, again, rewrite, under, with_workflow


async def test_one_number_of_the_policy_is_found_at_its_verdict(asking: Office) -> None:
    """A limit of 400 in place of 1000 asks finance where a lead was asked."""
    record = await asking.flow("lena approve")
    stricter = POLICY.replace('decimal("1000.00")', 'decimal("400.00")')
    found = (await again(asking, record, under(asking, policy=stricter))).divergence
    assert found is not None
    assert (found.what, found.step, found.visit) == ("verdict", "pay_out", 1)
    assert (found.field, found.recorded, found.replayed) == (
        "verdict.rules[0]",
        "ask-lead",
        "ask-finance",
    )


async def test_one_word_of_the_prompt_is_found_where_the_model_is_asked(
    open_office: OpenOffice,
) -> None:
    """With both lines, old and new."""
    office = await open_office(step=PROMPTED)
    record = await office.flow()
    found = await again(office, record, under(office, prompt="Decide about the payout."))
    assert found.result == "diverged"
    assert found.divergence is not None
    assert found.divergence.what == "prompt"
    assert found.divergence.recorded == {"role": "system", "line": "Decide on the payout."}
    assert found.divergence.replayed == {"role": "system", "line": "Decide about the payout."}


async def test_another_rule_is_found_in_its_envelope(office: Office) -> None:
    """A plain function that reasons otherwise: the first field that differs is named."""

    def reworded(brief: Brief) -> Envelope:
        return proposal(brief, reason="In other words.")

    record = await office.flow()
    app = with_workflow(pay_workflow(make_pay(), reworded))
    found = (await again(office, record, app)).divergence
    assert found is not None
    assert (found.what, found.node, found.field) == ("envelope", "reasoning", "producer")


async def test_an_altered_content_is_named_by_its_hash(asking: Office) -> None:
    """One byte of what was shown."""
    record = await asking.flow("lena approve")
    changed = rewrite(
        asking, "UPDATE contents SET body = replace(body, 'mara', 'Mara') WHERE body LIKE '%Owner%'"
    )
    found = await again(asking, record)
    # What was shown is kept one by one, and as the bundle that it was shown in.
    assert (changed, found.result) == (2, "damaged")
    assert "sha256:" in found.problem
    assert "does not have that hash" in found.problem


async def test_an_altered_event_is_named_by_its_number(asking: Office) -> None:
    """One amount in the history."""
    record = await asking.flow("lena approve")
    rewrite(
        asking,
        "UPDATE event_bodies SET body = replace(body, '500.00', '600.00')"
        " WHERE body LIKE '%ask-lead%' AND body LIKE '%signals%'",
    )
    (judged,) = [event for event in record.events if event.type == "gate.judged"]
    found = await again(asking, record)
    assert (found.result, f"event {judged.number} was changed" in found.problem) == (
        "damaged",
        True,
    )


async def test_a_forged_answer_whose_hash_fits_is_found_in_the_envelope(
    open_office: OpenOffice,
) -> None:
    """Somebody who also writes the hash is found by what followed from the real answer."""
    office = await open_office(step=PROMPTED)
    record = await office.flow()
    session = office.runtime.store.read("default")
    (first, *_) = [one for one in session.recordings.find(record.run.id) if one.kind == "model"]
    forged = {**first.response, "content": first.response["content"].replace("0.95", "0.96")}
    name = await office.runtime.store.write("default", lambda s: s.recordings.put(forged))
    rewrite(
        office,
        "UPDATE recordings SET response = ? WHERE seq ="
        " (SELECT min(seq) FROM recordings WHERE kind = 'model')",
        name,
    )
    found = (await again(office, record)).divergence
    assert found is not None
    assert (found.what, found.field, found.replayed) == ("envelope", "confidence", 0.96)


async def test_pruned_recordings_say_so(asking: Office) -> None:
    """Nothing is compared with what is not there."""
    record = await asking.flow("lena approve")
    rewrite(asking, "DELETE FROM contents WHERE body LIKE '%Owner%'")
    found = await again(asking, record)
    assert (found.result, "not in the store any more" in found.problem) == ("pruned", True)


async def test_erased_history_says_so(asking: Office) -> None:
    record = await asking.flow("lena approve")
    rewrite(asking, "DELETE FROM event_bodies WHERE body LIKE '%signals%'")
    assert (await again(asking, record)).result == "pruned"


async def test_a_workflow_that_is_gone_is_said_to_be(asking: Office) -> None:
    record = await asking.flow("lena approve")
    app = with_workflow(pay_workflow(make_pay()))
    assert (await again(asking, record, type(app)(app.folder, {}, {}))).result == "unknown"


async def test_another_end_after_the_same_story_is_found(asking: Office) -> None:
    """Every event came out the same, and then the run ended otherwise."""
    record = await asking.flow("lena reject")
    *_, last = chapters(record.events)
    assert last.halt is not None
    other = last.halt.model_copy(update={"body": {"state": "completed"}})
    found = _compared(Played(last, last.told, other, None))
    assert found is not None
    assert (found.what, found.recorded, found.replayed) == ("end", "rejected", "completed")


async def test_a_model_answers_at_the_time_of_then(open_office: OpenOffice) -> None:
    """Whatever a changed run does next, it does at that time."""
    office = await open_office(step=PROMPTED)
    record = await office.flow()
    tape = load_tape(office.runtime.store.read("default"), record.run.id)
    (asked,) = [one for one in tape.recordings if one.kind == "model"]
    clock = TapeClock(asked.at - timedelta(days=1))
    kinds = {"system": SystemMessage, "human": HumanMessage}
    Player(tape, clock).answer([kinds[kind](content) for kind, content in said(asked.request)])
    assert clock.now() == asked.at

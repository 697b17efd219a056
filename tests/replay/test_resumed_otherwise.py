"""Resuming otherwise than a run stopped: a step anew, a step left out, a corrected input."""

from __future__ import annotations

import pytest

from agent_runtime import Envelope, Reasoning, Step, Workflow
from agent_runtime.brief import Brief
from agent_runtime.errors import AgentRuntimeError, Conflict, InvalidInput, NotFound, NotPermitted
from agent_runtime.resumption import Resumption
from agent_runtime.run import Run
from tests.conftest import OpenOffice
from tests.ledger import PayRequest, done, make_pay, pay_as, pay_once, pay_step, scripted
from tests.office import Office
from tests.replay.conftest import again, rewrite

IMPOSSIBLE = [pay_as(amount="9999")] * 6
"""As often as a step may propose what cannot be, before a person has to look."""


async def resumed(office: Office, run: Run, **wanted: object) -> Run:
    """Resume as a lead, and drive on."""
    asked = Resumption.model_validate({"reason": "The ledger was wrong.", **wanted})
    await office.runtime.resume(run.id, office.person("luis"), asked)
    return await office.drive(run)


@pytest.fixture
async def stopped(open_office: OpenOffice) -> tuple[Office, Run]:
    """A run that stopped behind its context: it proposed too often what cannot be."""
    office = await open_office(scripted(*IMPOSSIBLE, pay_once))
    office.bank.put("a2", amount="500.00")
    run = await office.drive(await office.start())
    assert run.state == "needs_attention", run
    return office, run


def another_step(brief: Brief) -> Envelope:
    """An answer that no step can use."""
    return done(brief, step="another")


def notes_workflow(*, optional: bool) -> Workflow:
    """Notes are taken before the payout, by somebody who gives no answer of use."""
    notes = Step("notes", Reasoning(prompt="pay", offline=another_step, optional=optional))
    return Workflow("ledger", PayRequest, [notes, pay_step(make_pay())], subject="customer")


async def test_a_retried_step_begins_with_its_context(stopped: tuple[Office, Run]) -> None:
    """What it is shown is looked up anew, and the bounds start over."""
    office, run = stopped
    office.bank.put("a1", amount="50.00", version=2)
    run = await resumed(office, run, retry="pay_out")
    record = office.record(run)
    assert (run.state, len(record.bodies("bundle.assembled"))) == ("completed", 2)
    (told,) = record.bodies("run.resumed")
    assert (told["by"], told["reason"], told["retry"]) == (
        "luis",
        "The ledger was wrong.",
        "pay_out",
    )


async def test_a_retried_run_is_replayed_as_it_went(stopped: tuple[Office, Run]) -> None:
    office, run = stopped
    run = await resumed(office, run, retry="pay_out")
    found = await again(office, run)
    assert (found.result, found.divergence) == ("identical", None)


async def test_an_optional_step_is_left_out_and_flagged(open_office: OpenOffice) -> None:
    """By whom and why is in the run's history; the steps after it are done."""
    office = await open_office(workflow=notes_workflow(optional=True))
    run = await office.drive(await office.start())
    assert run.state == "needs_attention", run
    run = await resumed(office, run, skip="notes")
    record = office.record(run)
    (told,) = record.bodies("step.skipped")
    assert (told["step"], told["by"], run.state) == ("notes", "luis", "completed")
    assert "skipped by luis: The ledger was wrong." in [e["reason"] for e in record.envelopes]
    assert len(office.bank.payouts) == 1
    assert (await again(office, run)).result == "identical"


async def test_only_an_optional_step_is_left_out(open_office: OpenOffice) -> None:
    office = await open_office(workflow=notes_workflow(optional=False))
    run = await office.drive(await office.start())
    with pytest.raises(Conflict, match="'notes' is not declared optional"):
        await resumed(office, run, skip="notes")
    assert office.read(run) == run


async def test_a_corrected_input_begins_anew(stopped: tuple[Office, Run]) -> None:
    """The run has it from then on; old and new are told by their hashes, and replayed."""
    office, run = stopped
    run = await resumed(office, run, input={"account": "a2"})
    assert (run.state, run.input["account"]) == ("paused", "a2")
    (told,) = office.record(run).bodies("run.resumed")
    assert told["input"]["fields"] == ["account"]
    kept = office.runtime.store.read("default").recordings.kept
    assert [kept(told["input"][side])["account"] for side in ("before", "after")] == ["a1", "a2"]
    assert office.question(run).action.target_id == "a2"
    found = await again(office, run)
    assert (found.result, found.divergence) == ("identical", None)


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_corrected_run_whose_input_is_forgotten_is_not_replayed(
    stopped: tuple[Office, Run], side: str
) -> None:
    """Neither the original nor what it was corrected to can be made up."""
    office, run = stopped
    run = await resumed(office, run, input={"account": "a2"})
    (told,) = office.record(run).bodies("run.resumed")
    assert rewrite(office, "DELETE FROM contents WHERE hash = ?", told["input"][side]) == 1
    found = await again(office, run)
    said = "an input that was corrected is not in the store any more"
    assert (found.result, said in found.problem) == ("pruned", True)


async def test_a_corrected_run_is_still_the_one_that_its_trigger_started(
    open_office: OpenOffice,
) -> None:
    """The same key with what was sent then: the same run, not a complaint of what people did."""
    office = await open_office(scripted(*IMPOSSIBLE, pay_once))
    office.bank.put("a2", amount="500.00")
    run = await office.drive(await office.start(key="mail-1"))
    run = await resumed(office, run, input={"account": "a2"})
    assert (await office.start(key="mail-1")).id == run.id
    for account in ("a2", "a3"):
        with pytest.raises(Conflict, match=rf"started run {run.id} with another input"):
            await office.start(key="mail-1", account=account)


async def test_nobody_approves_what_they_corrected(stopped: tuple[Office, Run]) -> None:
    """Whoever corrected the input counts as having started the run."""
    office, run = stopped
    run = await resumed(office, run, input={"account": "a2"})
    with pytest.raises(NotPermitted, match="base-approver-started-it"):
        await office.answer(run, "luis")
    await office.answer(run, "lena")
    assert (await office.drive(run)).state == "completed"


async def test_an_input_that_was_relied_on_stays(open_office: OpenOffice) -> None:
    """People were asked about it: only a run of its own may have another one."""
    office = await open_office(scripted(pay_once, *IMPOSSIBLE))
    office.bank.put("a1", amount="500.00")
    run = (await office.flow("lena respond")).run
    assert run.state == "needs_attention", run
    with pytest.raises(Conflict, match=r"its history has approval\.requested"):
        await resumed(office, run, input={"account": "a2"})
    assert office.read(run) == run


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        ({"retry": "none"}, NotFound, "ledger has: pay_out"),
        ({"retry": "pay_out", "reason": " "}, InvalidInput, "reason"),
        ({"input": {"acount": "a2"}}, InvalidInput, "acount"),
        ({"input": {"account": "a1"}}, InvalidInput, "has already"),
        ({"retry": "pay_out", "skip": "pay_out"}, InvalidInput, "one of retry, skip and input"),
    ],
)
async def test_what_cannot_be_changes_nothing(
    stopped: tuple[Office, Run],
    wanted: dict[str, object],
    error: type[AgentRuntimeError],
    words: str,
) -> None:
    office, run = stopped
    with pytest.raises(error, match=words):
        await resumed(office, run, **wanted)
    assert office.read(run) == run


async def test_another_step_than_it_stopped_at_is_for_a_fork(open_office: OpenOffice) -> None:
    office = await open_office(workflow=notes_workflow(optional=True))
    run = await office.drive(await office.start())
    with pytest.raises(Conflict, match="stopped at step 'notes', not at 'pay_out'"):
        await resumed(office, run, retry="pay_out")


async def test_a_run_that_asks_people_is_not_retried(asking: Office) -> None:
    asked = await asking.parked()
    with pytest.raises(Conflict, match="is paused"):
        await resumed(asking, asking.read(asked.run_id), retry="pay_out")

"""Rule 6: nothing is done twice, nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_runtime import Probe, ToolCall, ToolRefused, ToolUnavailable
from agent_runtime.errors import Conflict
from agent_runtime.nodes.action import MAX_TRIES
from agent_runtime.run import Run
from agent_runtime.tool import Recovery
from tests.conftest import OpenOffice
from tests.ledger import Bank, Pay, make_pay, pay_workflow
from tests.office import Office, Record
from tests.processes import drive_child, spawn, wait

RECOVERIES: tuple[Recovery, ...] = ("safe_retry", "idempotency_key", "probe", "manual")


async def killed(office: Office, recovery: Recovery, when: Any, key: str = "k") -> Run:
    """Start a run and let another process die in it, right before or after its effect."""
    run = await office.start(key=key)
    office.bank.lay_fuse(when)
    assert wait(spawn(drive_child, office.data, recovery, run.id)) == [-9]
    assert office.read(run).state == "running"
    return run


async def after_death(office: Office, run: Run) -> Record:
    """What another worker makes of it, at once: the dead one's process is known to be gone."""
    await office.drive(run)
    return office.record(run)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_safe_retry_reaches_the_same_end_state(open_office: OpenOffice, when: str) -> None:
    """Killed before or after the effect, the call is repeated and the account is as if once."""
    office = await open_office(recovery="safe_retry")
    run = await killed(office, "safe_retry", when)
    record = await after_death(office, run)
    assert (record.run.state, office.bank.accounts["a1"]["paid"]) == ("completed", "50.00")
    assert (record.journal[0].state, record.journal[0].tries) == ("executed", 2)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_idempotency_key_has_one_effect(open_office: OpenOffice, when: str) -> None:
    """The call is repeated under the same key, and the outside system pays once."""
    office = await open_office(recovery="idempotency_key")
    run = await killed(office, "idempotency_key", when)
    record = await after_death(office, run)
    assert (record.run.state, record.journal[0].state) == ("completed", "executed")
    assert record.payouts == [(record.journal[0].key, "50.00")]


@pytest.mark.parametrize(("when", "tries"), [("before", 2), ("after", 1)])
async def test_probe_asks_before_it_repeats(open_office: OpenOffice, when: str, tries: int) -> None:
    """What happened is not repeated; what did not happen is done once."""
    office = await open_office(recovery="probe")
    run = await killed(office, "probe", when)
    record = await after_death(office, run)
    assert (record.run.state, record.journal[0].tries) == ("completed", tries)
    assert record.journal[0].result == "paid 50.00"
    assert len(record.payouts) == 1


@pytest.mark.parametrize(("when", "effects"), [("before", 0), ("after", 1)])
async def test_manual_is_never_repeated(open_office: OpenOffice, when: str, effects: int) -> None:
    """The outcome is unknown, and stays so, however often somebody tries to go on."""
    office = await open_office(recovery="manual")
    run = await killed(office, "manual", when)
    record = await after_death(office, run)
    assert record.run.state == "outcome_unknown"
    with pytest.raises(Conflict):
        await office.drive(run)
    with pytest.raises(Conflict):
        await office.runtime.resume(run.id, office.person("lena"))
    await office.runtime.drive_ready()
    record = office.record(run)
    assert (record.run.state, len(record.payouts)) == ("outcome_unknown", effects)
    assert (record.journal[0].state, record.journal[0].tries) == ("intended", 1)


async def test_a_probe_that_cannot_tell_leaves_the_outcome_unknown(
    open_office: OpenOffice,
) -> None:
    """Neither repeated nor taken for done."""
    office = await open_office(recovery="probe")
    run = await killed(office, "probe", "after")
    office.bank.put("a1", outage="lost")
    record = await after_death(office, run)
    assert (record.run.state, len(record.payouts)) == ("outcome_unknown", 1)


async def crashing_probe(args: Pay, call: ToolCall) -> Probe:
    raise ConnectionError("secret")


async def test_a_probe_that_crashes_leaves_the_outcome_unknown(open_office: OpenOffice) -> None:
    """A failing question to the outside system is no answer."""
    pay = replace(make_pay("probe"), probe=crashing_probe)
    office = await open_office(workflow=pay_workflow(pay))
    office.bank.put("a1", outage="lost")
    record = await office.flow()
    assert (record.run.state, len(record.payouts)) == ("outcome_unknown", 1)
    assert "secret" not in record.run.reason


async def test_the_intent_is_committed_before_the_effect(open_office: OpenOffice) -> None:
    """After a kill before the effect, the intent is there and nothing else."""
    office = await open_office(recovery="manual")
    run = await killed(office, "manual", "before")
    record = office.record(run)
    assert [entry.state for entry in record.journal] == ["intended"]
    assert record.bodies("action.intended")[0]["key"] == record.journal[0].key
    assert (record.bodies("action.executed"), record.payouts) == ([], [])


async def test_the_tool_is_told_the_journals_key(office: Office) -> None:
    """The key that the outside system can deduplicate on is the one of the intent."""
    record = await office.flow()
    assert record.payouts == [(record.journal[0].key, "50.00")]
    assert record.journal[0].key.startswith(f"{record.run.id}.pay_out.1.")


@pytest.mark.parametrize("recovery", ["safe_retry", "idempotency_key"])
async def test_tries_have_a_ceiling(open_office: OpenOffice, recovery: Recovery) -> None:
    """A bank that never answers is called so often and no more, always under one key."""
    office = await open_office(recovery=recovery)
    office.bank.put("a1", outage="lost")
    record = await office.flow()
    assert (record.run.state, record.journal[0].tries) == ("outcome_unknown", MAX_TRIES)
    assert len({key for key, _ in record.payouts}) == 1
    assert len(record.payouts) == (1 if recovery == "idempotency_key" else MAX_TRIES)


async def silent(args: Pay, call: ToolCall) -> str:
    raise ToolUnavailable("No answer.")


async def test_a_probe_that_always_says_no_ends_in_a_proven_failure(
    open_office: OpenOffice,
) -> None:
    """A bank that never executes is asked a bounded number of times; nothing has happened."""
    pay = replace(make_pay("probe"), _function=silent)
    office = await open_office(workflow=pay_workflow(pay))
    record = await office.flow()
    assert (record.run.state, record.payouts) == ("failed", [])
    assert (record.journal[0].state, record.journal[0].tries) == ("failed", MAX_TRIES)


async def test_a_lost_manual_call_is_not_repeated_in_the_same_breath(
    open_office: OpenOffice,
) -> None:
    """No answer from the bank is enough for the outcome to be unknown."""
    office = await open_office(recovery="manual")
    office.bank.put("a1", outage="lost")
    record = await office.flow()
    assert (record.run.state, len(record.payouts)) == ("outcome_unknown", 1)


async def refusing(args: Pay, call: ToolCall) -> str:
    raise ToolRefused("The account is closed.")


async def hanging(args: Pay, call: ToolCall) -> str:
    call.get(Bank).pay(call.key, args.amount)
    raise ToolUnavailable("No answer.")


async def foreign(args: Pay, call: ToolCall) -> str:
    raise KeyError("account")


@pytest.mark.parametrize(
    ("function", "state", "entry"),
    [
        (refusing, "failed", "failed"),
        (hanging, "outcome_unknown", "intended"),
        (foreign, "outcome_unknown", "intended"),
    ],
)
async def test_only_a_refusal_counts_as_failed(
    open_office: OpenOffice, function: Any, state: str, entry: str
) -> None:
    """Silence and foreign errors prove nothing about what happened."""
    pay = replace(make_pay("manual"), _function=function)
    office = await open_office(workflow=pay_workflow(pay))
    record = await office.flow()
    assert (record.run.state, record.journal[0].state) == (state, entry)


async def test_a_worker_that_is_stopped_loses_no_effect(open_office: OpenOffice) -> None:
    """Killed right after an approved effect, the run goes on to its end with the one payout."""
    office = await open_office()
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    await office.answer(asked, "lena")
    office.bank.lay_fuse("after")
    assert wait(spawn(drive_child, office.data, "idempotency_key", asked.run_id)) == [-9]
    record = await after_death(office, office.read(asked.run_id))
    assert (record.run.state, len(record.payouts)) == ("completed", 1)
    assert record.approvals[0].status == "approved"


async def test_a_finished_run_is_not_driven_again(office: Office) -> None:
    """There is no way to run an ended run's action once more."""
    record = await office.flow()
    with pytest.raises(Conflict, match="is completed"):
        await office.drive(record.run)
    with pytest.raises(Conflict):
        await office.runtime.resume(record.run.id, office.person("lena"))
    assert len(office.bank.payouts) == 1

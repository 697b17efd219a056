"""Rule 5: the gate fails closed, and says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import ToolCall, ToolUnavailable
from agent_runtime.errors import Conflict, NotPermitted
from agent_runtime.policy import PolicySet
from tests.conftest import OpenOffice
from tests.ledger import (
    ESCALATING,
    POLICY,
    AccountFacts,
    Pay,
    make_app,
    make_pay,
    pay_once,
    pay_workflow,
)
from tests.office import Office, Record, opened

OVERFLOW = """
@id("overflow")
forbid (principal, action, resource)
when { context.facts.version * 9223372036854775807 == 7 };
"""


def refused(record: Record, rule: str) -> dict[str, Any]:
    """The one verdict of a run in which nobody was asked and nothing happened."""
    (verdict,) = record.verdicts
    assert (verdict["kind"], verdict["rules"]) == ("deny", [rule])
    assert verdict["reasons"]
    assert (record.approvals, record.payouts, record.run.state) == ([], [], "rejected")
    return verdict


async def test_without_a_policy_set_nothing_is_allowed(open_office: OpenOffice) -> None:
    """A policy that is gone denies."""
    office = await open_office(policy=None)
    refused(await office.flow(), "runtime:no-policy")


async def test_without_a_rule_that_permits_nothing_is_allowed(open_office: OpenOffice) -> None:
    """Falling off the end of the rules denies."""
    office = await open_office(
        policy='@id("never") forbid (principal, action == Action::"execute:pay", resource)'
        " when { context.facts.version < 0 };"
    )
    refused(await office.flow(), "runtime:no-rule")


async def test_a_rule_that_cannot_be_evaluated_denies(open_office: OpenOffice) -> None:
    """Cedar skips a forbid that fails; an answer with an error is no permission."""
    office = await open_office(policy=POLICY + OVERFLOW)
    office.bank.put("a1", version=2)
    refused(await office.flow(), "runtime:policy-error")


async def test_a_fact_that_policy_cannot_hold_denies(open_office: OpenOffice) -> None:
    """An amount with five decimal places would have to be rounded."""
    office = await open_office()
    office.bank.put("a1", amount="50.00001")
    assert "four decimal places" in str(refused(await office.flow(), "runtime:policy-error"))


async def test_a_tool_that_policy_doesnt_know_denies(tmp_path: Path) -> None:
    """A policy set written for another tool allows nothing of this one."""

    other = replace(make_pay(), name="transfer")
    text = POLICY.replace(":pay", ":transfer")
    app = make_app(pay_workflow(make_pay()))
    app = replace(app, policies={"ledger": PolicySet.load("ledger", {"p": text}, [other])})
    async with opened(app, tmp_path / "data") as office:
        refused(await office.flow(), "runtime:unknown-tool")


async def test_a_missing_fact_denies(office: Office) -> None:
    """No record, no action: the account isn't in the bank's books."""
    refused(await office.flow(account="nobody"), "runtime:fact-missing")


async def test_a_facts_reader_that_crashes_denies_without_its_words(office: Office) -> None:
    """The error's type is recorded, its text, which may be personal, isn't."""
    office.bank.put("a1", outage="crash")
    verdict = refused(await office.flow(), "runtime:facts-unavailable")
    assert "RuntimeError" in verdict["reasons"][0]
    assert "secret" not in str(verdict)


async def test_a_status_that_nobody_declared_denies(office: Office) -> None:
    """A fact outside its declared values counts as unavailable."""
    office.bank.put("a1", status="frozen by court")
    refused(await office.flow(), "runtime:facts-unavailable")


async def no_facts(args: Pay, call: ToolCall) -> AccountFacts:
    return None  # type: ignore[return-value]


async def silent_check(args: Pay, call: ToolCall) -> None:
    raise ToolUnavailable("No answer.")


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[Any]:
    """Flows with one part of the tool replaced."""

    async def flow(**parts: Any) -> Record:
        workflow = pay_workflow(replace(make_pay(), **parts), pay_once)
        async with opened(make_app(workflow), tmp_path / "data") as office:
            return await office.flow()

    return flow  # type: ignore[return-value]


async def test_a_facts_reader_that_returns_nothing_denies(broken: Any) -> None:
    """Nothing isn't taken for an empty set of facts."""
    refused(await broken(facts=no_facts), "runtime:facts-unavailable")


async def test_a_precondition_that_cannot_be_tried_denies(broken: Any) -> None:
    """Unknown whether it is possible: nobody is asked."""
    refused(await broken(check=silent_check), "runtime:check-unavailable")


async def test_silence_expires_and_never_approves(asking: Office) -> None:
    """After the deadline the question is closed by it, and the run ends unexecuted."""
    asked = await asking.parked()
    asking.clock.move(timedelta(hours=1))
    (closed,) = await asking.runtime.expire()
    assert (closed.status, closed.closed_by) == ("expired", "its deadline")
    run = await asking.drive(asking.read(asked.run_id))
    assert (run.state, asking.bank.payouts) == ("expired", [])


async def test_before_the_deadline_nothing_expires(asking: Office) -> None:
    """One second early is early."""
    asked = await asking.parked()
    asking.clock.move(timedelta(minutes=59, seconds=59))
    assert await asking.runtime.expire() == []
    assert asking.question(asked.run_id).status == "open"


async def test_a_paused_run_cannot_be_driven_past_its_question(asking: Office) -> None:
    """Driving it again is refused; nothing moves."""
    asked = await asking.parked()
    with pytest.raises(Conflict, match="is paused"):
        await asking.drive(asking.read(asked.run_id))
    assert asking.bank.payouts == []


async def escalated(open_office: OpenOffice) -> Office:
    office = await open_office(policy=ESCALATING)
    office.bank.put("a1", amount="500.00")
    return office


async def test_expiry_escalates_where_the_rule_says_so(open_office: OpenOffice) -> None:
    """The same question goes to finance, with a fresh deadline; what leads said is void."""
    office = await escalated(open_office)
    asked = await office.parked()
    office.clock.move(timedelta(hours=1))
    (again,) = await office.runtime.expire()
    assert [(slot.role, slot.count) for slot in again.slots] == [("finance", 1)]
    assert (again.digest, again.deadline) == (asked.digest, office.clock.now() + timedelta(hours=1))
    with pytest.raises(NotPermitted):
        await office.answer(again, "lena")


async def test_the_yes_of_those_it_was_escalated_to_is_executed(open_office: OpenOffice) -> None:
    """An escalated approval isn't taken for one under a policy that has changed."""
    office = await escalated(open_office)
    asked = await office.parked()
    office.clock.move(timedelta(hours=1))
    await office.runtime.expire()
    await office.answer(office.question(asked.run_id), "fay")
    run = await office.drive(office.read(asked.run_id))
    assert (run.state, len(office.bank.payouts)) == ("completed", 1)


async def test_escalation_goes_on_step_by_step(open_office: OpenOffice) -> None:
    """Each deadline asks the next ones; whom policy named at first is not forgotten."""
    office = await open_office(policy=ESCALATING.replace('"finance:1"', '"finance:1; board:2"'))
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    first, steps = asked.verdict, []
    for _ in range(3):
        steps.append([(slot.role, slot.count) for slot in asked.slots])
        assert asked.verdict == first
        office.clock.move(timedelta(hours=1))
        (asked,) = await office.runtime.expire()
    assert steps == [[("lead", 1)], [("finance", 1)], [("board", 2)]]
    assert asked.status == "expired"


async def test_an_escalated_question_expires_at_its_second_deadline(
    open_office: OpenOffice,
) -> None:
    """There is no third round of asking."""
    office = await escalated(open_office)
    asked = await office.parked()
    for _ in range(2):
        office.clock.move(timedelta(hours=1))
        (closed,) = await office.runtime.expire()
    assert closed.status == "expired"
    run = await office.drive(office.read(asked.run_id))
    assert (run.state, office.bank.payouts) == ("expired", [])


async def test_a_yes_that_was_given_is_not_undone_by_the_deadline(asking: Office) -> None:
    """Approved in time and driven after it: the answer stands."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    asking.clock.move(timedelta(hours=2))
    (run,) = await asking.runtime.drive_ready()
    assert run.state == "completed"

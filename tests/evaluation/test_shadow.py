"""A shadow runs beside people: it asks nobody, does nothing, and is compared with what they did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.evaluation.shadow import Did
from agent_runtime.evaluation.window import window
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_once, pay_workflow
from tests.office import Office

PAID = Did(tool="pay", arguments={"account": "a1", "amount": "50.00"})


@pytest.fixture
async def shadow(open_office: OpenOffice) -> Office:
    return await open_office(workflow=replace(pay_workflow(make_pay(), pay_once), shadow=True))


@pytest.mark.parametrize("amount", ["50.00", "500.00", "5000.00"])
async def test_a_shadow_neither_asks_nor_acts(shadow: Office, amount: str) -> None:
    """Whatever policy would have said: allow, ask a lead, ask two of finance."""
    shadow.bank.put("a1", amount=amount)
    record = await shadow.flow()
    assert record.run.state == "completed"
    assert (record.approvals, record.journal, record.payouts) == ([], [], [])
    (watched,) = record.bodies("shadow.watched")
    assert watched["verdict"] == ("allow" if amount == "50.00" else "needs_approval")
    assert record.bodies("action.authorized") == []


async def test_what_people_did_is_compared_field_by_field(shadow: Office) -> None:
    run, lena = (await shadow.flow()).run, shadow.person("lena")
    did = PAID.model_copy(update={"arguments": {"account": "a1", "amount": "25.00"}})
    found = await shadow.runtime.shadows.compare(lena, run.id, did)
    assert (found.same, found.fields, found.rules) == (
        False,
        {"amount": 0.5},
        ("small-unattended",),
    )


async def test_agreement_is_told_by_rule_and_verdict(shadow: Office) -> None:
    """It is what speaks for letting a rule run unattended, or against it."""
    lena, compare = shadow.person("lena"), shadow.runtime.shadows.compare
    for did in (PAID, PAID, Did()):
        await compare(lena, (await shadow.flow()).run.id, did)
    days = window(None, None, shadow.clock.now().date())
    (report,) = (await shadow.runtime.evaluation.report("default", days)).workflows
    by_rule = {one.rule: one for one in report.shadow}
    assert by_rule["small-unattended"].verdict == "allow"
    agreed = by_rule["small-unattended"].agreed
    assert (agreed.count, agreed.of, agreed.note) == (2, 3, "not enough history")


async def test_the_same_again_changes_nothing_and_another_word_is_refused(shadow: Office) -> None:
    run, lena = (await shadow.flow()).run, shadow.person("lena")
    first = await shadow.runtime.shadows.compare(lena, run.id, PAID)
    assert await shadow.runtime.shadows.compare(lena, run.id, PAID) == first
    with pytest.raises(Conflict, match="something else"):
        await shadow.runtime.shadows.compare(lena, run.id, Did())
    assert len(shadow.record(run).bodies("shadow.compared")) == 1


async def test_what_no_tool_could_do_cannot_have_been_done(shadow: Office) -> None:
    run, lena = (await shadow.flow()).run, shadow.person("lena")
    for wrong in (
        Did(tool="burn"),
        Did(tool="pay", arguments={"amount": "x"}),
        Did(arguments=PAID.arguments),
    ):
        with pytest.raises(InvalidInput):
            await shadow.runtime.shadows.compare(lena, run.id, wrong)
    assert shadow.record(run).bodies("shadow.compared") == []


async def test_a_shadow_that_is_still_at_work_is_not_compared(shadow: Office) -> None:
    run = await shadow.start()
    with pytest.raises(Conflict, match="has not ended"):
        await shadow.runtime.shadows.compare(shadow.person("lena"), run.id, PAID)


async def test_what_was_proposed_last_counts(shadow: Office) -> None:
    """A step that was gone through again has thought better of it."""
    run = (await shadow.flow()).run
    (watched,) = shadow.record(run).bodies("shadow.watched")
    later = {**watched, "verdict": "deny", "rules": ["later"]}
    await shadow.runtime.store.write(
        "default", lambda session: session.events.append("shadow.watched", run.id, **later)
    )
    found = await shadow.runtime.shadows.compare(shadow.person("lena"), run.id, PAID)
    assert (found.same, found.verdict, found.rules) == (True, "deny", ("later",))


async def test_a_run_that_acts_by_itself_is_no_shadow(office: Office) -> None:
    run = (await office.flow()).run
    with pytest.raises(Conflict, match="no shadow"):
        await office.runtime.shadows.compare(office.person("lena"), run.id, PAID)

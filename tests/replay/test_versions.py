"""Versions: what a run was started under, kept, named, and held against the code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agent_runtime import Context, Edge, Reasoning
from agent_runtime.errors import WorkflowError
from agent_runtime.run import Run
from agent_runtime.workflow import Migration, Workflow
from tests.conftest import OpenOffice
from tests.ledger import (
    POLICY,
    Pay,
    get_account,
    make_app,
    make_pay,
    pay_once,
    pay_workflow,
)
from tests.office import Office
from tests.replay.conftest import PROMPTED, under


class PayIn(Pay):
    """What a newer `pay` is told."""

    currency: str = "EUR"


class PayShort(Pay):
    """One whose note is short."""

    note: Annotated[str, Field(max_length=10)] = "payout"


BACK = replace(
    pay_workflow(make_pay()),
    edges=[Edge("pay_out", "pay_out", on=frozenset({"rejected"}), at_most=2)],
)


async def resumed(open_office: OpenOffice, older: dict[str, Any], newer: Workflow) -> Run:
    """A run parked under an older workflow, answered, and driven by newer code."""
    office = await open_office(**older)
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    await office.answer(asked, "lena")
    later = await open_office(workflow=newer)
    return await later.drive(later.read(asked.run_id))


LOOKING = Reasoning(rule=pay_once, proposes=[make_pay()], tools=[get_account])


@pytest.mark.parametrize(
    ("older", "newer", "differs"),
    [
        (
            {},
            pay_workflow(make_pay(), name="disburse"),
            "doesn't have step 'pay_out', where the run is parked; step 'disburse' holds the same",
        ),
        (
            {"step": {"reasoning": LOOKING}},
            pay_workflow(make_pay()),
            "tool 'get_account' was removed from reasoning",
        ),
        ({}, pay_workflow(make_pay(arguments=PayIn)), "'pay' now takes 'currency'"),
        ({}, pay_workflow(make_pay(arguments=PayShort)), "argument 'note' of 'pay' has changed"),
        (
            {"workflow": pay_workflow(make_pay(arguments=PayIn))},
            pay_workflow(make_pay()),
            "'pay' no longer takes 'currency'",
        ),
        ({}, pay_workflow(make_pay("manual")), "was idempotency_key, is manual"),
        ({}, pay_workflow(make_pay(), reasoning=LOOKING), "'get_account' was added to reasoning"),
        ({}, BACK, "to pay_out on rejected, at most 2 times was added"),
        (
            {"workflow": BACK},
            pay_workflow(make_pay()),
            "to pay_out on rejected, at most 2 times was removed",
        ),
    ],
    ids=[
        "a renamed step",
        "a removed tool",
        "another argument",
        "a changed argument",
        "an argument less",
        "another recovery",
        "another tool",
        "another edge",
        "an edge less",
    ],
)
async def test_a_mismatch_says_what_differs_and_what_to_do(
    open_office: OpenOffice, older: dict[str, Any], newer: Workflow, differs: str
) -> None:
    """The run waits, and a person need not compare two checkouts."""
    run = await resumed(open_office, older, newer)
    assert run.state == "version_mismatch"
    assert differs in run.reason
    assert (
        "Deploy the version that started the run, declare a migration, or cancel it." in run.reason
    )


Change = Callable[[Workflow], Workflow]


def stepped(**fields: Any) -> Change:
    return lambda workflow: replace(workflow, steps=[replace(workflow.steps[0], **fields)])


class Wider(BaseModel):
    model_config = ConfigDict(extra="forbid")

    customer: str = "mara"
    account: str = "a1"
    branch: str = ""


@pytest.mark.parametrize(
    "change",
    [
        stepped(name="again"),
        stepped(max_rounds=1),
        stepped(context=Context(tools=[])),
        stepped(policy="other"),
        lambda workflow: replace(workflow, input=Wider),
        lambda _: pay_workflow(make_pay(arguments=PayIn)),
    ],
    ids=["step", "bound", "tools", "policy", "input", "schema"],
)
def test_a_version_changes_with_what_it_names(change: Change) -> None:
    workflow = pay_workflow(make_pay())
    before, after = (make_app(w).version("ledger").id for w in (workflow, change(workflow)))
    assert before != after


async def test_a_version_changes_with_a_prompt_and_with_a_policy(open_office: OpenOffice) -> None:
    office = await open_office(step=PROMPTED)
    stricter = POLICY.replace('"100.00"', '"10.00"')
    apps = [office.runtime.app, under(office, prompt="Else."), under(office, policy=stricter)]
    assert len({app.version("ledger").id for app in apps}) == len(apps)


def test_the_same_declaration_has_the_same_version() -> None:
    first, second = (make_app(pay_workflow(make_pay())).version("ledger") for _ in range(2))
    assert first == second


async def test_a_version_is_kept_once_and_numbered(open_office: OpenOffice) -> None:
    """The first run of a version keeps it; people name it by workflow and number."""
    office = await open_office()
    first, _ = await office.start(), await office.start()
    newer = await open_office(workflow=pay_workflow(make_pay("manual")))
    second = await newer.start()
    session = newer.runtime.store.read("default")
    named = [session.versions.label("ledger", run.version) for run in (first, second)]
    assert named == ["ledger/1", "ledger/2"]
    assert [label for label, _ in session.versions.find("ledger")] == named


async def test_a_run_is_drawn_as_it_was(open_office: OpenOffice) -> None:
    """The kept topology has the step that the code no longer has."""
    office = await open_office()
    run = await office.start()
    newer = await open_office(workflow=pay_workflow(make_pay(), name="disburse"))
    drawn = newer.runtime.store.read("default").versions.topology("ledger", run.version)
    assert drawn is not None
    assert [step.name for step in drawn.steps] == ["pay_out"]
    assert drawn.version == run.version


async def test_another_tenants_version_is_not_seen(office: Office) -> None:
    run = await office.start()
    elsewhere = office.runtime.store.read("elsewhere").versions
    assert elsewhere.get("ledger", run.version) is None
    assert elsewhere.label("ledger", run.version) == run.version


async def test_a_version_holds_prompts_and_policies_whole(open_office: OpenOffice) -> None:
    """So that a replay can be given what the run was started under."""
    office = await open_office(step=PROMPTED)
    run = await office.start()
    kept = office.runtime.store.read("default").versions.get("ledger", run.version)
    assert kept is not None
    assert kept.prompts == {"pay": "Decide on the payout."}
    assert kept.policies["ledger"].texts["p"] == POLICY


async def test_a_declared_migration_asks_anew(open_office: OpenOffice) -> None:
    """The run goes on at the step that took the other's place; the old yes executes nothing."""
    office = await open_office()
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    await office.answer(asked, "lena")
    moved = replace(
        pay_workflow(make_pay(), name="disburse"), migrations=[Migration("pay_out", "disburse")]
    )
    later = await open_office(workflow=moved)
    run = await later.drive(later.read(asked.run_id))
    assert (run.state, later.bank.payouts) == ("paused", [])
    again = later.question(run)
    assert (again.step, again.id == asked.id) == ("disburse", False)
    await later.answer(again, "luis")
    ended = await later.drive(later.read(run.id))
    assert (ended.state, len(later.bank.payouts)) == ("completed", 1)
    assert ended.version == later.runtime.app.version("ledger").id


async def test_a_migration_under_the_same_name_takes_new_arguments(open_office: OpenOffice) -> None:
    """Another schema of the same step: the question is asked under the new one."""
    office = await open_office()
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    newer = pay_workflow(make_pay(arguments=PayIn))
    later = await open_office(workflow=replace(newer, migrations=[Migration("pay_out", "pay_out")]))
    await office.answer(asked, "lena", "reject")
    run = await later.drive(later.read(asked.run_id))
    assert later.question(run).action.arguments["currency"] == "EUR"


def test_a_migration_to_a_step_that_is_not_there_is_refused() -> None:
    workflow = replace(pay_workflow(make_pay()), migrations=[Migration("old", "none")])
    with pytest.raises(WorkflowError, match="unknown step 'none'"):
        workflow.check()

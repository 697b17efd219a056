"""What comes of runs later on, what people and graders say of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from agent_runtime.budget import Budget
from agent_runtime.errors import Conflict, InvalidInput, WorkflowError
from agent_runtime.evaluation.window import window
from agent_runtime.models.model import Model
from agent_runtime.quality import Grader, LabelKind, OutcomeKind, Quality, Seen
from agent_runtime.replay.tape import load_tape
from agent_runtime.run import Run
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.store.calls import AFTERWARDS
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_once, pay_workflow
from tests.office import Office


def paid_twice(seen: Seen) -> bool:
    return len(seen.executed) < 2


def broken(seen: Seen) -> float:
    raise KeyError("secret of mara")


QUALITY = Quality(
    outcomes=[
        OutcomeKind("refund_reversed", good=False),
        OutcomeKind("satisfied", low=1, high=5),
    ],
    graders=[
        Grader("once", rule=paid_twice),
        Grader("broken", rule=broken),
        Grader("fair", judge="judge"),
        Grader("both", ensemble=["once", "fair"]),
    ],
    labels=[LabelKind("correct", ["yes", "no"], "Would you have paid?", grader="once")],
)


@pytest.fixture
async def judged(open_office: OpenOffice) -> Office:
    workflow = replace(pay_workflow(make_pay(), pay_once), quality=QUALITY)
    office = await open_office(workflow=workflow)
    office.bank.put("a1", amount="500.00")
    return office


@pytest.fixture
async def ended(judged: Office) -> Run:
    return (await judged.flow("lena approve")).run


async def figures(office: Office) -> Any:
    days = window(None, None, office.clock.now().date())
    (one,) = (await office.runtime.evaluation.report("default", days)).workflows
    return one


def told(office: Office, run: Run, kind: str) -> list[dict[str, Any]]:
    return office.record(run).bodies(kind)


async def test_the_same_outcome_again_changes_nothing(judged: Office, ended: Run) -> None:
    record, lena = judged.runtime.recorder.record, judged.person("lena")
    first = await record(lena, ended.id, "refund_reversed", False)
    assert await record(lena, ended.id, "refund_reversed", False) == first
    assert len(told(judged, ended, "outcome.recorded")) == 1


async def test_what_comes_later_counts_and_both_are_in_the_history(
    judged: Office, ended: Run
) -> None:
    record, lena = judged.runtime.recorder.record, judged.person("lena")
    await record(lena, ended.id, "satisfied", 5)
    judged.clock.move(timedelta(days=1))
    await record(lena, ended.id, "satisfied", 1)
    (satisfied,) = (await figures(judged)).outcomes
    assert (satisfied.good.count, satisfied.good.of) == (0, 1)
    assert [body["value"] for body in told(judged, ended, "outcome.recorded")] == [5.0, 1.0]


async def test_an_older_observation_does_not_replace_a_newer(judged: Office, ended: Run) -> None:
    record, lena, now = judged.runtime.recorder.record, judged.person("lena"), judged.clock.now()
    await record(lena, ended.id, "refund_reversed", True)
    with pytest.raises(Conflict, match="observed later"):
        await record(lena, ended.id, "refund_reversed", False, now - timedelta(days=1))


@pytest.mark.parametrize(
    ("name", "value"),
    [("satisfied", 6), ("satisfied", True), ("satisfied", float("nan")), ("refund_reversed", 1)],
)
async def test_an_outcome_out_of_range_is_refused(
    judged: Office, ended: Run, name: str, value: object
) -> None:
    with pytest.raises(InvalidInput):
        await judged.runtime.recorder.record(judged.person("lena"), ended.id, name, value)
    assert told(judged, ended, "outcome.recorded") == []


async def test_an_outcome_that_is_not_declared_or_not_yet_seen_is_refused(
    judged: Office, ended: Run
) -> None:
    record, lena = judged.runtime.recorder.record, judged.person("lena")
    with pytest.raises(InvalidInput, match=r"refund_reversed, satisfied"):
        await record(lena, ended.id, "happy", True)
    with pytest.raises(InvalidInput, match="future"):
        await record(lena, ended.id, "satisfied", 3, judged.clock.now() + timedelta(hours=1))


async def test_a_label_out_of_range_is_refused(judged: Office, ended: Run) -> None:
    with pytest.raises(InvalidInput, match="yes, no"):
        await judged.runtime.labeller.give(judged.person("lena"), ended.id, "correct", "maybe")
    assert told(judged, ended, "label.given") == []


async def test_the_queue_shows_each_run_to_two_people_and_to_nobody_twice(
    judged: Office, ended: Run
) -> None:
    labeller = judged.runtime.labeller
    for name in ("lena", "luis"):
        task = labeller.next(judged.person(name), "ledger", "correct")
        assert task is not None
        assert (task.run_id, task.kind.guidelines) == (ended.id, "Would you have paid?")
        await labeller.give(judged.person(name), ended.id, "correct", "yes")
    for name in ("lena", "luis", "fay"):
        assert labeller.next(judged.person(name), "ledger", "correct") is None


async def test_agreement_is_told_from_thirty_pairs_on(judged: Office) -> None:
    async def label(runs: list[Run]) -> None:
        def put(session: Session) -> None:
            for number, run in enumerate(runs):
                for name in ("lena", "luis"):
                    session.labels.put(run.id, "correct", name, "yes" if number % 2 else "no")

        await judged.runtime.store.write("default", put)

    runs = [await judged.start() for _ in range(30)]
    await label(runs[:29])
    assert (await figures(judged)).agreement[0].note == "not enough history"
    await label(runs)
    (people, _) = (await figures(judged)).agreement
    assert (people.n, people.kappa) == (30, 1.0)


async def test_a_grader_that_errors_is_recorded_and_changes_nothing_else(
    judged: Office, ended: Run
) -> None:
    grades = await judged.runtime.marker.grade("default", ended.id, "lena")
    found = {grade.grader: (grade.score, grade.error) for grade in grades}
    assert found["once"] == (1.0, "")
    assert found["broken"] == (None, "KeyError")
    assert found["fair"] == (None, "no model is configured")
    assert found["both"] == (1.0, "")  # half of them could tell
    assert "mara" not in str(grades)
    assert judged.read(ended).state == "completed"


async def test_a_judge_that_answers_no_judgement_could_not_tell(
    open_office: OpenOffice,
) -> None:
    judged = await open_office(
        workflow=replace(pay_workflow(make_pay(), pay_once), quality=QUALITY),
        model=Model("judge", FakeListChatModel(responses=["I like it."])),
    )
    judged.runtime.app.prompts["ledger"]["judge"] = "Was it fair?"  # type: ignore[index]  # a dict
    run = (await judged.flow()).run
    grades = {g.grader: g for g in await judged.runtime.marker.grade("default", run.id, "lena")}
    assert grades["fair"].error == "the model's answer is no judgement"


async def test_a_judge_is_asked_through_the_executor_and_what_it_took_is_on_the_runs_account(
    open_office: OpenOffice,
) -> None:
    judged = await open_office(
        workflow=replace(pay_workflow(make_pay(), pay_once), quality=QUALITY),
        model=Model("judge", FakeListChatModel(responses=['{"score": 0.5}'])),
        asking=ModelSettings(budgets={"run": Budget(calls=1)}),
    )
    judged.runtime.app.prompts["ledger"]["judge"] = "Was it fair?"  # type: ignore[index]  # a dict
    run = (await judged.flow()).run
    grade = judged.runtime.marker.grade
    first = {g.grader: g for g in await grade("default", run.id, "lena")}
    again = {g.grader: g for g in await grade("default", run.id, "lena")}
    assert (first["fair"].score, again["fair"].error) == (0.5, "budget_exceeded")
    (call,) = judged.runtime.store.read("default").calls.find(run.id)
    assert (call.step, call.visit, call.outcome) == ("grader judge", AFTERWARDS, "answered")
    tape = load_tape(judged.runtime.store.read("default"), run.id)
    assert not tape.calls
    assert all(one.kind == "tool" for one in tape.recordings)


def test_a_quality_that_contradicts_itself_is_refused_when_it_is_built() -> None:
    for wrong in (
        Quality(outcomes=[OutcomeKind("x"), OutcomeKind("x")]),
        Quality(graders=[Grader("x")]),
        Quality(graders=[Grader("x", ensemble=["y"])]),
        Quality(labels=[LabelKind("x", ["only"])]),
    ):
        with pytest.raises(WorkflowError, match="x"):
            replace(pay_workflow(make_pay(), pay_once), quality=wrong).check()

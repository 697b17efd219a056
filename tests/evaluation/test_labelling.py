"""What people are handed to label, what is kept of it, and how far it agrees with a grader."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_runtime.errors import Conflict, NotFound
from agent_runtime.quality import LabelKind, Quality
from agent_runtime.store import Session
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_once, pay_workflow
from tests.office import Office


@pytest.fixture
async def labelled(open_office: OpenOffice) -> Office:
    quality = Quality(labels=[LabelKind("correct", ["yes", "no"])])
    workflow = replace(pay_workflow(make_pay(), pay_once), quality=quality)
    office = await open_office(workflow=workflow)
    office.bank.put("a1", amount="50.00")
    return office


async def test_only_what_has_ended_is_handed_out_or_labelled(labelled: Office) -> None:
    """It may still do better, or worse."""
    run, lena, labeller = await labelled.start(), labelled.person("lena"), labelled.runtime.labeller
    assert labeller.next(lena, "ledger") is None
    with pytest.raises(Conflict, match="has not ended"):
        await labeller.give(lena, run.id, "correct", "yes")
    with pytest.raises(NotFound):
        await labeller.give(lena, "run-none", "correct", "yes")
    assert labelled.record(run).bodies("label.given") == []


async def test_what_nobody_has_labelled_comes_newest_first(labelled: Office) -> None:
    runs = [(await labelled.flow()).run for _ in range(2)]
    task = labelled.runtime.labeller.next(labelled.person("lena"), "ledger")
    assert task is not None
    assert task.run_id == max(run.id for run in runs)


async def test_a_person_who_says_otherwise_is_taken_at_the_last_word(labelled: Office) -> None:
    """Said again, nothing changes; both are in the history."""
    run, lena, give = (
        (await labelled.flow()).run,
        labelled.person("lena"),
        labelled.runtime.labeller.give,
    )
    for value in ("yes", "yes", "no"):
        await give(lena, run.id, "correct", value)
    assert [body["value"] for body in labelled.record(run).bodies("label.given")] == ["yes", "no"]
    (label,) = labelled.runtime.store.read("default").labels.find(run.id)
    assert (label.operator, label.value) == ("lena", "no")


async def test_a_grader_is_held_against_people_where_it_could_tell(labelled: Office) -> None:
    """Above a half it says yes; of another workflow's runs nothing is counted."""
    runs = [await labelled.start() for _ in range(4)]

    def put(session: Session) -> None:
        said = (("yes", 0.9), ("yes", 0.5), ("no", 0.1), ("no", None))
        for run, (value, score) in zip(runs, said, strict=True):
            session.labels.put(run.id, "correct", "lena", value)
            session.grades.put(run.id, "g", score, "", "")

    await labelled.runtime.store.write("default", put)
    labels = labelled.runtime.store.read("default").labels
    told = {("yes", "yes"): 1, ("yes", "no"): 1, ("no", "no"): 1}
    assert labels.graded("ledger", "correct", "g", "yes") == told
    assert labels.graded("other", "correct", "g", "yes") == {}
    assert labels.graded("ledger", "correct", "h", "yes") == {}


async def test_agreement_is_of_one_workflow(labelled: Office) -> None:
    run = await labelled.start()

    def put(session: Session) -> None:
        for name, value in (("lena", "yes"), ("luis", "no")):
            session.labels.put(run.id, "correct", name, value)

    await labelled.runtime.store.write("default", put)
    labels = labelled.runtime.store.read("default").labels
    assert labels.pairs("ledger", "correct") == {("yes", "no"): 1}
    assert labels.pairs("other", "correct") == {}

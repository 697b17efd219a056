"""What graders may say, what becomes of what they may not, and several of them together."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from agent_runtime.errors import Conflict
from agent_runtime.evaluation.grading import together
from agent_runtime.evaluation.judge import Said
from agent_runtime.evaluation.rule import Rules, by_rule
from agent_runtime.quality import Grader, Quality, Seen
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_once, pay_workflow
from tests.office import Office
from tests.patience import PATIENCE

SEEN = Seen(workflow="pay", state="completed", input={}, envelopes=(), executed=())
MUTE = Said(None, error="it slept")


@pytest.mark.parametrize(
    ("said", "score"), [(0, 0.0), (True, 1.0), (0.25, 0.25), (1.01, None), (-0.01, None)]
)
def test_a_score_is_from_0_to_1(said: float, score: float | None) -> None:
    """Anything else is no score, and said to be none."""
    found = by_rule(Grader("g", rule=lambda _: said), SEEN)
    assert found.score == score
    assert bool(found.error) == (score is None)


@pytest.mark.parametrize("said", [math.nan, math.inf])
def test_what_is_no_number_is_no_score(said: float) -> None:
    """A mean over it would be none either."""
    assert by_rule(Grader("g", rule=lambda _: said), SEEN).score is None


@pytest.mark.parametrize("said", ["", "good", None, [1], 1j, 10**400])
def test_what_is_nonsense_is_no_score(said: Any) -> None:
    """It is told by the type of its fault, and by nothing that it said."""
    found = by_rule(Grader("g", rule=lambda _: said), SEEN)
    assert found.score is None
    assert found.error in {"ValueError", "TypeError", "OverflowError"}


def test_a_rule_that_would_end_the_program_could_not_tell() -> None:
    """No grader ends a server."""
    assert by_rule(Grader("g", rule=lambda _: sys.exit(3)), SEEN).error == "SystemExit"


async def test_a_rule_that_hangs_is_left_alone_and_holds_up_nobody() -> None:
    """It could not tell; until it has come back it is asked nothing more."""
    back = threading.Event()
    rules, stuck = Rules(patience=0.05), Grader("g", rule=lambda _: back.wait())
    assert (await rules.ask(stuck, SEEN)).error == "it took longer than 0.05 s"
    assert (await rules.ask(stuck, SEEN)).error == "it has not come back from another run"
    back.set()
    (thread,) = rules._late.values()
    await asyncio.to_thread(thread.join, PATIENCE)
    assert (await Rules().ask(stuck, SEEN)).score == 1.0
    assert "another run" not in (await rules.ask(stuck, SEEN)).error


async def test_what_a_rule_does_to_what_it_sees_nobody_else_sees() -> None:
    """Each judges the run as it was."""
    seen = replace(SEEN, input={"order": {"paid": True}})
    spoiler = Grader("g", rule=lambda one: bool(one.input["order"].pop("paid")))
    assert [(await Rules().ask(spoiler, seen)).score for _ in range(2)] == [1.0, 1.0]


def test_graders_together_say_their_mean() -> None:
    """Of those that could tell."""
    assert together([Said(1.0), Said(0.5), MUTE]).score == pytest.approx(0.75)


def test_graders_of_whom_most_could_not_tell_say_nothing() -> None:
    """One voice of three is no ensemble."""
    found = together([Said(1.0), MUTE, MUTE])
    assert (found.score, found.error) == (None, "2 of 3 could not tell")


@pytest.fixture
async def graded(open_office: OpenOffice) -> Office:
    quality = Quality(graders=[Grader("paid", rule=lambda seen: len(seen.executed) == 1)])
    office = await open_office(
        workflow=replace(pay_workflow(make_pay(), pay_once), quality=quality)
    )
    office.bank.put("a1", amount="500.00")
    return office


async def test_a_run_that_has_not_ended_is_not_graded(graded: Office) -> None:
    """It may still do better, or worse."""
    run = (await graded.flow()).run
    assert run.state == "paused"
    with pytest.raises(Conflict, match="has not ended"):
        await graded.runtime.marker.grade("default", run.id, "lena")


async def test_a_second_grade_says_what_the_first_one_was(graded: Office) -> None:
    """In the history, which keeps both."""
    run = (await graded.flow("lena approve")).run
    for _ in range(2):
        await graded.runtime.marker.grade("default", run.id, "lena")
    first, second = graded.record(run).bodies("run.graded")
    assert "was" not in first
    assert second["was"]["score"] == first["score"] == 1.0


async def test_a_graders_rule_is_asked_beside_the_loop(open_office: OpenOffice) -> None:
    """What else a server does goes on meanwhile."""

    def beside(_: Seen) -> bool:
        return threading.current_thread() is not threading.main_thread()

    quality = Quality(graders=[Grader("beside", rule=beside)])
    office = await open_office(
        workflow=replace(pay_workflow(make_pay(), pay_once), quality=quality)
    )
    (grade,) = await office.runtime.marker.grade("default", (await office.flow()).run.id, "lena")
    assert (grade.score, grade.error) == (1.0, "")

"""What one history adds to the sums, event by event: each figure is counted from its own events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_runtime.evaluation.figures import Figures, by_workflow
from agent_runtime.evaluation.fold import Fold
from agent_runtime.event import EventType
from agent_runtime.measure import Key, Measure, Sum
from agent_runtime.rollout import WATCHES, Plan, Rollout, Trial
from agent_runtime.store.measures import Expense, Happened

NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
VISIT = {"step": "s", "visit": 1}
SAID = {
    **VISIT,
    "node": "reasoning",
    "producer": "m1",
    "prompt": "p@1",
    "status": "proposed",
    "confidence": "0.91",
    "proposed_action": {"type": "pay"},
}
JUDGED = {
    **VISIT,
    "verdict": {"kind": "needs_approval", "rules": ["ask"]},
    "signals": {"confidence": "0.91"},
    "action": {"tool": "pay"},
}
ASKED = {**VISIT, "approval": "apr-1"}


class History:
    """One run's events, one after the other, folded as they come."""

    def __init__(
        self, spent: Mapping[str, Expense] | None = None, rollouts: tuple[Rollout, ...] = ()
    ) -> None:
        self.fold, self._number, self._at = Fold({}, spent, rollouts), 0, NOON
        self.add("run.queued", workflow="w", version="1", input={"amount": 5, "note": "hello"})

    def add(self, kind: EventType, after: float = 0.0, /, **body: Any) -> History:
        """The next event, so many seconds after the last."""
        self._number, self._at = self._number + 1, self._at + timedelta(seconds=after)
        self.fold.add(Happened(self._number, "run-1", kind, self._at.isoformat(), body))
        return self

    def proposed(self) -> History:
        """Up to the question."""
        self.add("envelope.emitted", **SAID).add("gate.judged", **JUDGED)
        return self.add("approval.requested", **ASKED)

    def decided(self, kind: str, operator: str = "lena", **more: Any) -> History:
        """A person's answer."""
        given = {"approval": "apr-1", "operator": operator, "roles": ["lead"], "kind": kind}
        return self.add("approval.decided", **given, **more)

    @property
    def figures(self) -> Figures:
        """As they are read, of all days together."""
        whole: dict[Key, Sum] = {}
        for key, one in self.fold.sums.items():
            undated = key._replace(day="")
            whole[undated] = whole.get(undated, Sum()).plus(one)
        return Figures(by_workflow(whole.items())["w"])

    def of(self, measure: Measure) -> dict[tuple[str, str], Sum]:
        """One measure's sums, by what they are split by."""
        return {
            (key.by, key.value): one
            for key, one in self.fold.sums.items()
            if key.measure == measure and one.n
        }

    def time(self, measure: Measure) -> tuple[int, float]:
        """How many times, and how long in all."""
        found = self.of(measure).get(("", ""), Sum())
        return found.n, found.total


def edit(amount: str) -> dict[str, Any]:
    """What an edit tells."""
    proposed = {"tool": "pay", "arguments": {"amount": "100", "note": "same"}}
    return {
        "proposed": proposed,
        "effective": {"tool": "pay", "arguments": {"amount": amount, "note": "same"}},
    }


def test_a_run_is_started_once_however_often_it_is_claimed() -> None:
    """It waits for a worker until the first claim; later ones are no new beginning."""
    run = History().add("run.claimed", 7).add("run.paused", 5)
    run.add("run.claimed", 60).add("run.ended", 3, state="completed")
    assert run.figures.started() == 1
    assert run.time("queued") == (1, 7)
    assert run.time("latency") == (1, 75)
    assert run.time("worked") == (1, 8)
    assert run.time("waited") == (1, 67)


def test_what_another_worker_takes_over_was_worked_on_all_the_time() -> None:
    """Nobody waited for a person meanwhile."""
    run = History().add("run.claimed", 1).add("run.claimed", 30)
    assert run.add("run.ended", 4, state="completed").time("waited") == (1, 1)


def test_a_run_that_is_cancelled_while_it_waits_has_waited_until_then() -> None:
    run = History().add("run.claimed", 1).add("run.paused", 2)
    assert run.add("run.ended", 100, state="cancelled").time("waited") == (1, 101)


def test_a_clock_that_went_back_took_no_time_away() -> None:
    run = History().add("run.claimed", -30).add("run.ended", 5, state="completed")
    assert (run.time("queued"), run.time("latency")) == ((1, 0), (1, 0))


def test_ends_cost_and_tokens_are_split_by_prompt_and_model() -> None:
    run = History({"run-1": Expense(0.25, 900)}).proposed().add("run.ended", state="failed")
    splits = {("", ""), ("prompt", "p@1"), ("model", "m1")}
    assert run.of("cost").keys() == run.of("tokens").keys() == splits
    assert {one.total for one in run.of("cost").values()} == {0.25}
    assert {one.total for one in run.of("tokens").values()} == {900}
    assert {value for _, value in run.of("ended")} == {"\nfailed", "p@1\nfailed", "m1\nfailed"}
    assert (run.figures.failed().count, run.figures.failed().of) == (1, 1)


def test_only_what_reasoning_said_is_an_output() -> None:
    run = History().add("envelope.emitted", **{**SAID, "node": "gate", "producer": "gate"})
    assert not [by for by, _ in run.of("drift") if by.startswith("output")]
    assert run.fold.courses["run-1"].model == "unknown"


def test_inputs_and_outputs_are_counted_for_drift_by_class() -> None:
    """Of what was said no more than its kind and size."""
    assert History().proposed().of("drift").keys() == {
        ("input amount", "5e0"),
        ("input note", "text of 4 or more"),
        ("output s status", "proposed"),
        ("output s proposal", "pay"),
        ("output s confidence", "0.9"),
    }


def test_verdicts_and_answers_are_split_by_what_they_came_from() -> None:
    run = History().proposed().decided("reject", took=2.5)
    verdicts = {one.value: one.needs_approval.count for one in run.figures.verdicts()}
    assert verdicts == {"all": 1, "ask": 1}
    for by, value in (("", ""), ("rule", "ask"), ("prompt", "p@1"), ("model", "m1")):
        (found,) = run.figures.answers(by)
        assert (found.value, found.reject.count) == (value, 1)
    (group,) = run.figures.answers("group")
    assert group.value == "lead"
    assert run.of("took").keys() == {("", ""), ("group", "lead")}


def test_each_answer_is_counted_as_what_it_is() -> None:
    run = History().proposed()
    for number, kind in enumerate(("approve", "edit", "edit", "reject", *["respond"] * 4)):
        run.decided(kind, f"person-{number}")
    (all_of_them,) = run.figures.answers("")
    counts = [getattr(all_of_them, k).count for k in ("approve", "edit", "reject", "respond")]
    assert counts == [1, 2, 1, 4]


@pytest.mark.parametrize(
    ("answer", "status", "measure"),
    [
        ("approve", "approved", "right"),
        ("edit", "approved", "wrong"),
        ("reject", "rejected", "wrong"),
    ],
)
def test_a_confidence_is_held_against_what_people_let_pass(
    answer: str, status: str, measure: Measure
) -> None:
    run = History().proposed().decided(answer, **(edit("50") if answer == "edit" else {}))
    run.add("approval.closed", approval="apr-1", status=status)
    found = run.of(measure)
    assert found.keys() == {("step", "s"), ("prompt", "p@1"), ("model", "m1")}
    assert {one.total for one in found.values()} == {0.91}
    assert not run.of("wrong" if measure == "right" else "right")


def test_a_question_that_nobody_answered_says_nothing_of_a_confidence() -> None:
    run = History().proposed().add("approval.closed", approval="apr-1", status="expired")
    assert not run.of("right") | run.of("wrong")


def test_an_edit_that_was_undone_was_none() -> None:
    """Its own, by whoever made it: another's stands."""
    run = History().proposed().decided("edit", **edit("50"))
    run.add("approval.requested", **{**ASKED, "approval": "apr-2"})
    assert run.of("changed")["field", "pay.amount"].total == 0.5
    run.add("approval.undone", approval="apr-2", operator="luis")
    assert run.of("changed")
    run.add("approval.undone", approval="apr-2", operator="lena")
    assert not run.of("changed") | run.of("answered")
    run.decided("approve").add("approval.closed", approval="apr-1", status="approved")
    assert run.of("right")


@pytest.mark.parametrize(("same", "agreed"), [(True, 1), (False, 0)])
def test_a_shadow_is_counted_by_rule_and_verdict(same: bool, agreed: int) -> None:
    run = History().add("shadow.compared", rules=["ask"], verdict="allow", same=same)
    found = {(one.rule, one.verdict): one.agreed.count for one in run.figures.shadow()}
    assert found == {("all", "allow"): agreed, ("ask", "allow"): agreed}


def test_an_outcome_and_a_grade_that_are_told_anew_replace_what_was_known() -> None:
    """The old one is counted back from the day on which it was told."""
    run, early = History().proposed(), NOON.isoformat()
    run.add("outcome.recorded", outcome="o", value=5.0, good=True)
    run.add("run.graded", grader="g", score=1.0)
    known = {"value": 5.0, "good": True, "recorded_at": early}
    run.add("outcome.recorded", 86_400, outcome="o", value=1.0, good=False, was=known)
    run.add("run.graded", grader="g", score=None, was={"score": 1.0, "at": early})
    (outcome,), (grade,) = run.figures.outcomes(), run.figures.grades()
    assert (outcome.good.count, outcome.good.of) == (0, 1)
    assert (grade.n, grade.errors) == (0, 1)
    assert run.fold.sums[Key("2026-03-30", "w", "grade", "", "g", 1)].n == 0


def trial(number: int, **about: Any) -> Rollout:
    """One of half of the runs."""
    return Rollout(
        **Trial(workflow="w", candidate="c", share=0.5, **about).model_dump(),
        id=f"rol-{number}",
        tenant="default",
        state="running",
        plan={watch: Plan(base=0.1, cases=30) for watch in WATCHES},
        started_by="petra",
        started_at=NOON,
    )


def test_answers_and_ends_are_counted_in_what_their_run_has_drawn() -> None:
    tried = trial(1, prompt="p")
    run = History(rollouts=(tried,)).proposed().decided("reject").add("run.ended", state="failed")
    named = f"rol-1 {tried.arm('run-1')}"
    assert run.of("answered")["arm", f"{named}\nreject"].n == 1
    assert run.of("ended")["arm", f"{named}\nfailed"].n == 1


def test_two_trials_at_once_draw_independently() -> None:
    """A prompt's and a policy's: each one's candidate falls alike on both arms of the other, so
    that it makes neither of them look worse."""
    prompt, policy = trial(1, prompt="p"), trial(2, policy="q")
    drawn = [(prompt.arm(f"run-{n}"), policy.arm(f"run-{n}")) for n in range(4_000)]
    for mine in ("candidate", "baseline"):
        theirs = [other for one, other in drawn if one == mine]
        assert theirs.count("candidate") / len(theirs) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("body", [{}, {"verdict": None}, {"verdict": {"rules": 1}}])
def test_what_another_program_has_written_keeps_no_other_from_counting(
    body: dict[str, Any],
) -> None:
    run = History().add("gate.judged", **body).proposed()
    assert run.figures.verdicts()

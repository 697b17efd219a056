"""The fold: what one event adds to the sums, given the course of its run. It reads no clock and no
database, so that the same history always brings the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from agent_runtime.clock import from_text
from agent_runtime.evaluation.course import UNKNOWN, Answered, Asked, Course
from agent_runtime.evaluation.edits import changes
from agent_runtime.event import EventType
from agent_runtime.measure import (
    Key,
    Measure,
    Sums,
    class_of,
    confidence_bucket,
    second_bucket,
)
from agent_runtime.rollout import Rollout
from agent_runtime.store.measures import Expense, Happened

MOST_CLASSES = 40
"""Input fields of one run that are looked at for drift."""


class Fold:
    """Counts events in order. `courses`: of the runs that the events are about, as known so far;
    afterwards, as they stand then. `spent`: what runs that end have spent. `rollouts`: what they
    may have drawn. `sums`: what is to be added."""

    def __init__(
        self,
        courses: dict[str, Course],
        spent: Mapping[str, Expense] | None = None,
        rollouts: Sequence[Rollout] = (),
    ) -> None:
        self.courses = courses
        self._spent = spent or {}
        self._rollouts = rollouts
        self.sums = Sums()
        self.touched: set[str] = set()

    def add(self, event: Happened) -> None:
        """Count one event. Of a run whose beginning is not known, nothing can be counted."""
        if event.type == "run.queued":
            self.courses[event.run_id] = self._begin(event)
        course = self.courses.get(event.run_id)
        handle = _HANDLERS.get(event.type)
        if course is None or handle is None:
            return
        self.touched.add(event.run_id)
        # One that another program has written, or another version: it keeps no other from counting.
        with suppress(KeyError, TypeError, ValueError):
            handle(self, course, event)

    def _begin(self, event: Happened) -> Course:
        body, at = event.body, seconds(event.at)
        course = Course(body["workflow"], body["version"], started=at, since=at)
        course.arm = self._arm(course.workflow, event)
        day = day_of(event.at)
        self.sums.count(Key(day, course.workflow, "started"))
        for name, value in list(dict(body.get("input") or {}).items())[:MOST_CLASSES]:
            self.sums.count(
                Key(day, course.workflow, "drift", f"input {name}"[:100], class_of(value))
            )
        return course

    def _arm(self, workflow: str, event: Happened) -> str:
        """Of which arms of rollouts a run is, one line each."""
        at, arms = from_text(event.at), []
        for rollout in self._rollouts:
            if rollout.workflow == workflow and rollout.covers(at):
                arm = rollout.arm(event.run_id)
                arms += [] if arm is None else [f"{rollout.id} {arm}"]
        return "\n".join(arms)

    def _queued(self, course: Course, event: Happened) -> None:
        """Counted when the course began."""

    def _claimed(self, course: Course, event: Happened) -> None:
        now = seconds(event.at)
        if not course.claimed:
            self._time("queued", course, day_of(event.at), now - course.started)
        course.claimed = True
        if not course.driven:
            course.waited += max(0.0, now - course.since)
        course.driven, course.since = True, now

    def _stopped(self, course: Course, event: Happened) -> None:
        now = seconds(event.at)
        if course.driven:
            course.worked += max(0.0, now - course.since)
            course.driven, course.since = False, now

    def _ended(self, course: Course, event: Happened) -> None:
        driven, now = course.driven, seconds(event.at)
        self._stopped(course, event)
        if not driven:  # cancelled, or expired, while it waited
            course.waited += max(0.0, now - course.since)
        day = course.ended = day_of(event.at)
        state = str(event.body["state"])
        for by, value in self._splits(course):
            self.sums.count(Key(day, course.workflow, "ended", by, f"{value}\n{state}"))
        self._time("latency", course, day, now - course.started)
        self._time("worked", course, day, course.worked)
        self._time("waited", course, day, course.waited)
        spent = self._spent.get(event.run_id)
        if spent is not None:
            for by, value in self._splits(course):
                self.sums.count(Key(day, course.workflow, "cost", by, value), spent.money)
                self.sums.count(Key(day, course.workflow, "tokens", by, value), spent.tokens)
        # What is left is what later outcomes are split by.
        course.asked, course.questions, course.answers = {}, {}, {}

    def _emitted(self, course: Course, event: Happened) -> None:
        body = event.body
        if body.get("node") != "reasoning":
            return
        course.model = str(body.get("producer") or UNKNOWN)
        course.prompt = str(body.get("prompt") or UNKNOWN)
        day = day_of(event.at)
        proposed = body.get("proposed_action") or {}
        said = {"status": str(body["status"]), "proposal": str(proposed.get("type") or "none")}
        for name, value in said.items():
            self._drift(day, course, f"{body['step']} {name}", value)
        tenth = f"{min(9, int(float(body['confidence']) * 10)) / 10:.1f}"
        self._drift(day, course, f"{body['step']} confidence", tenth)

    def _drift(self, day: str, course: Course, by: str, value: str) -> None:
        self.sums.count(Key(day, course.workflow, "drift", f"output {by}"[:100], value[:100]))

    def _judged(self, course: Course, event: Happened) -> None:
        body = event.body
        verdict = body["verdict"]
        rules = [str(rule) for rule in verdict["rules"]]
        course.rules = sorted({*course.rules, *rules})
        course.asked[visit_of(body)] = Asked(
            confidence=float(body["signals"]["confidence"]),
            rules=rules,
            tool=str(body["action"]["tool"]),
        )
        day = day_of(event.at)
        for rule in rules or [UNKNOWN]:
            value = f"{rule}\n{verdict['kind']}"
            self.sums.count(Key(day, course.workflow, "judged", "rule", value))
        self.sums.count(Key(day, course.workflow, "judged", "", f"\n{verdict['kind']}"))

    def _asked(self, course: Course, event: Happened) -> None:
        course.questions[str(event.body["approval"])] = visit_of(event.body)

    def _decided(self, course: Course, event: Happened) -> None:
        body = event.body
        visit = course.questions.get(str(body["approval"]), "")
        asked = course.asked.get(visit)
        took = body.get("took")
        answered = Answered(
            day=day_of(event.at),
            kind=str(body["kind"]),
            rules=asked.rules if asked else [UNKNOWN],
            roles=[str(role) for role in body.get("roles") or [UNKNOWN]],
            model=course.model,
            prompt=course.prompt,
            arm=course.arm,
            visit=visit,
            took=None if took is None else float(took),
        )
        if answered.kind == "edit":
            tool = str((body.get("proposed") or {}).get("tool", UNKNOWN))
            found = changes(_arguments(body, "proposed"), _arguments(body, "effective"))
            answered.fields = {f"{tool}.{name}": share for name, share in found.items()}
            if asked:
                asked.edited = True
        course.answers[_answer(body)] = answered
        self._count(course.workflow, answered, 1)

    def _undone(self, course: Course, event: Happened) -> None:
        answered = course.answers.pop(_answer(event.body), None) or _edit_of(course, event)
        if answered is None:
            return
        self._count(course.workflow, answered, -1)
        if answered.kind == "edit" and answered.visit in course.asked:
            course.asked[answered.visit].edited = False

    def _count(self, workflow: str, answered: Answered, sign: int) -> None:
        """Count an answer in all that it is split by; with the sign -1, count it back."""
        day = answered.day
        splits = [("", ""), ("prompt", answered.prompt), ("model", answered.model)]
        splits += [("arm", arm) for arm in answered.arm.splitlines()]
        splits += [("rule", rule) for rule in answered.rules]
        splits += [("group", role) for role in answered.roles]
        for by, value in splits:
            key = Key(day, workflow, "answered", by, f"{value}\n{answered.kind}")
            self.sums.count(key, sign=sign)
        if answered.took is not None:
            bucket = second_bucket(answered.took)
            for by, value in (("", ""), *(("group", role) for role in answered.roles)):
                self.sums.count(Key(day, workflow, "took", by, value, bucket), answered.took, sign)
        for name, share in answered.fields.items():
            self.sums.count(Key(day, workflow, "changed", "field", name), share, sign)

    def _closed(self, course: Course, event: Happened) -> None:
        """A proposal is right if people let it pass as it was, wrong if they did not."""
        body = event.body
        approval = str(body["approval"])
        asked = course.asked.get(course.questions.get(approval, ""))
        status = str(body["status"])
        if asked is None or status not in ("approved", "rejected"):
            return
        held = status == "approved" and not asked.edited
        measure: Measure = "right" if held else "wrong"
        step = course.questions[approval].rpartition("#")[0]
        bucket = confidence_bucket(asked.confidence)
        for by, value in (("step", step), ("prompt", course.prompt), ("model", course.model)):
            key = Key(day_of(event.at), course.workflow, measure, by, value, bucket)
            self.sums.count(key, asked.confidence)

    def _compared(self, course: Course, event: Happened) -> None:
        """Whether people did what was proposed, by the rules that judged the proposal."""
        body = event.body
        rules = [str(rule) for rule in body["rules"]] or [UNKNOWN]
        for by, value in (("", ""), *(("rule", rule) for rule in rules)):
            named = f"{value}\n{body['verdict']}"
            key = Key(day_of(event.at), course.workflow, "shadow", by, named, int(body["same"]))
            self.sums.count(key)

    def _outcome(self, course: Course, event: Happened) -> None:
        """Counted on the day it was recorded; where it was known otherwise, that is counted
        back."""
        body = event.body
        self._came(course, str(body["outcome"]), body, day_of(event.at), 1)
        was = body.get("was")
        if was:
            self._came(course, str(body["outcome"]), was, day_of(str(was["recorded_at"])), -1)

    def _came(
        self, course: Course, name: str, known: Mapping[str, Any], day: str, sign: int
    ) -> None:
        splits = [*self._splits(course), *(("rule", rule) for rule in course.rules)]
        for by, value in splits:
            named = f"{value}\n{name}" if by else name
            key = Key(day, course.workflow, "outcome", by, named, int(bool(known["good"])))
            self.sums.count(key, float(known["value"]), sign)

    def _graded(self, course: Course, event: Happened) -> None:
        """The same for grades; those that could not be told are in a bucket of their own."""
        body, name = event.body, str(event.body["grader"])
        self._mark(course, name, body["score"], day_of(event.at), 1)
        was = body.get("was")
        if was:
            self._mark(course, name, was["score"], day_of(str(was["at"])), -1)

    def _mark(self, course: Course, name: str, score: float | None, day: str, sign: int) -> None:
        key = Key(day, course.workflow, "grade", "", name, 0 if score is None else 1)
        self.sums.count(key, score or 0.0, sign)

    def _time(self, measure: Measure, course: Course, day: str, value: float) -> None:
        value = max(0.0, value)  # a clock that went back took no time away
        self.sums.count(Key(day, course.workflow, measure, "", "", second_bucket(value)), value)

    def _splits(self, course: Course) -> list[tuple[str, str]]:
        splits = [("", ""), ("prompt", course.prompt), ("model", course.model)]
        return splits + [("arm", arm) for arm in course.arm.splitlines()]


Handler = Callable[[Fold, Course, Happened], None]

_HANDLERS: Mapping[EventType, Handler] = {
    "run.queued": Fold._queued,
    "run.claimed": Fold._claimed,
    "run.paused": Fold._stopped,
    "run.waits": Fold._stopped,
    "run.ended": Fold._ended,
    "envelope.emitted": Fold._emitted,
    "gate.judged": Fold._judged,
    "approval.requested": Fold._asked,
    "approval.opened": Fold._asked,
    "approval.decided": Fold._decided,
    "approval.undone": Fold._undone,
    "approval.closed": Fold._closed,
    "shadow.compared": Fold._compared,
    "outcome.recorded": Fold._outcome,
    "run.graded": Fold._graded,
}

COUNTED: frozenset[EventType] = frozenset(_HANDLERS)
"""The events that add something."""


def day_of(at: str) -> str:
    """The UTC day of a stored moment."""
    return at[:10]


def seconds(at: str) -> float:
    """A stored moment in seconds since 1970."""
    return datetime.fromisoformat(at).timestamp()


def visit_of(body: Mapping[str, Any]) -> str:
    """Which visit of which step an event is about."""
    return f"{body['step']}#{body['visit']}"


def _answer(body: Mapping[str, Any]) -> str:
    return f"{body['approval']} {body['operator']}"


def _edit_of(course: Course, event: Happened) -> Answered | None:
    """The edit that is undone: what is undone by name is the question that followed it."""
    visit = course.questions.get(str(event.body["approval"]), "")
    operator = str(event.body["operator"])
    for name, answered in list(course.answers.items()):
        mine = name.endswith(f" {operator}")
        if answered.kind == "edit" and answered.visit == visit and mine:
            return course.answers.pop(name)
    return None


def _arguments(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    action = body.get(name)
    found = action.get("arguments") if isinstance(action, Mapping) else None
    return found if isinstance(found, Mapping) else {}

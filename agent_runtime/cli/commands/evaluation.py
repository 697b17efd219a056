"""Evaluation: evaluate, grade, outcomes record, labels next and give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date

from agent_runtime.cli.assessment import Asked, Assessment
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.evaluation.report import Answers, Report, Share, Spread, WorkflowReport


def evaluate(
    runs: Assessment,
    screen: Screen,
    workflow: str | None,
    days: tuple[str | None, str | None],
    error_rate: float,
) -> None:
    """Print the report."""
    since, until = _day("--since", days[0]), _day("--until", days[1])
    report = runs.report(Asked(workflow, since, until, error_rate))
    screen.document(report.model_dump(mode="json"))
    screen.lines(_words(report))


def grade(runs: Assessment, screen: Screen, run_id: str) -> None:
    """Have the graders judge one run."""
    grades = runs.grade(run_id)
    screen.document([one.model_dump(mode="json") for one in grades])
    rows = [
        (one.grader, "" if one.score is None else f"{one.score:.2f}", one.error) for one in grades
    ]
    screen.table(("grader", "score", "error"), rows, empty="The workflow declares no grader.")


def record(runs: Assessment, screen: Screen, run_id: str, name: str, value: str) -> None:
    """Record one outcome."""
    made = runs.tell_outcome(run_id, name, _value(value))
    screen.document(made.model_dump(mode="json"))
    screen.line(f"outcome {made.name} of run {made.run_id} is {made.value:g}")


def show_next(runs: Assessment, screen: Screen, workflow: str, label: str | None) -> None:
    """Print what to label next."""
    task = runs.next_label(workflow, label)
    if task is None:
        screen.document(None)
        screen.line("There is nothing to label.")
        return
    screen.document(task.model_dump(mode="json"))
    screen.line(f"run {task.run}: {task.label}, one of {', '.join(task.values)}")
    screen.lines(task.guidelines.splitlines())
    screen.lines(json.dumps(task.seen, indent=2, ensure_ascii=False).splitlines())


def give(runs: Assessment, screen: Screen, run_id: str, name: str, value: str) -> None:
    """Label one run."""
    made = runs.give_label(run_id, name, value)
    screen.document(made.model_dump(mode="json"))
    screen.line(f"run {made.run_id}: {made.name} is {made.value}, says {made.operator}")


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(option, text, "is no day", remedy="Write it like 2026-03-30.") from error


def _value(text: str) -> float:
    """A yes, a no, or a number; raises InvalidInput."""
    known = {"yes": True, "true": True, "no": False, "false": False}
    if text.lower() in known:
        return known[text.lower()]
    try:
        return float(text)
    except ValueError as error:
        raise InvalidInput("VALUE", text, "is neither yes, no nor a number") from error


def _words(report: Report) -> Iterator[str]:
    """The report for people: the lines that are most often asked for."""
    yield f"{report.since} to {report.until}, UTC; drift against {report.baseline_since} on"
    if report.behind:
        yield f"{report.behind} events are not counted yet: run a worker, or ask again"
    if not report.workflows:
        yield "Nothing happened in these days: not enough history."
    for one in report.workflows:
        yield from _workflow(one)


def _workflow(one: WorkflowReport) -> Iterator[str]:
    ended = ", ".join(f"{n} {state}" for state, n in sorted(one.ended.items())) or "none"
    yield ""
    yield f"{one.workflow}: {one.started} started; ended: {ended}"
    yield f"  latency {_seconds(one.latency)}; waiting {_seconds(one.waited)}"
    for split, answers in one.answers.items():
        for found in answers:
            about = f"{split} {_short(found.value)}".rstrip()
            yield f"  answers, {about}: {_shares(found)}"
    for group in one.deciding:
        flag = "  <- stamping" if group.flagged else ""
        yield f"  time to decide, {group.group}: {_seconds(group.seconds)}{flag}"
    for edited in one.edits:
        yield f"  edited {edited.field}: {edited.n} times, by {edited.distance:.0%}"
    for step in one.calibration.get("step", ()):
        if step.brier is None or step.error is None:
            yield f"  calibration, step {step.value}: {step.note}, n = {step.n}"
            continue
        cut = "none" if step.cutoff is None else f"{step.cutoff.confidence:.2f}"
        yield (
            f"  calibration, step {step.value}: Brier {step.brier:.3f}, error {step.error:.3f},"
            f" n = {step.n}; at most {step.error_rate:.0%} wrong from confidence {cut}"
        )
    yield from _came(one)


def _short(value: str) -> str:
    """A prompt's name with the first digits of its hash."""
    name, mark, digits = value.partition("sha256:")
    return f"{name}{mark}{digits[:12]}"


def _came(one: WorkflowReport) -> Iterator[str]:
    for drift in one.drift:
        if drift.verdict in ("moving", "drifted"):
            yield f"  {drift.verdict}: {drift.name}, index {drift.index:.2f}, n = {drift.n}"
    for shadowed in one.shadow:
        rule, verdict = shadowed.rule, shadowed.verdict
        yield f"  shadow, {rule}, would {verdict}: people did the same {_share(shadowed.agreed)}"
    for outcome in one.outcomes:
        yield f"  outcome {outcome.name}: good {_share(outcome.good)}"


def _shares(found: Answers) -> str:
    kinds = {
        "approve": found.approve,
        "edit": found.edit,
        "reject": found.reject,
        "respond": found.respond,
    }
    if found.approve.share is None:
        counts = ", ".join(f"{kind} {one.count}" for kind, one in kinds.items())
        return f"{found.approve.note}, n = {found.n} ({counts})"
    return ", ".join(f"{kind} {_share(one)}" for kind, one in kinds.items()) + f", n = {found.n}"


def _share(one: Share) -> str:
    return f"{one.count} of {one.of}, {one.note}" if one.share is None else f"{one.share:.1%}"


def _seconds(one: Spread) -> str:
    if one.median is None or one.p95 is None:
        return f"{one.note}, n = {one.n}"
    return f"median {one.median:.1f} s, 95th {one.p95:.1f} s, n = {one.n}"

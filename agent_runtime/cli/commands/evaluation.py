"""Evaluation: evaluate, grade, outcomes record, labels next and give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from agent_runtime.access import Act, a_run
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.options import open_place
from agent_runtime.cli.screen import Screen
from agent_runtime.client import Client
from agent_runtime.errors import InvalidInput
from agent_runtime.evaluation.report import Answers, Report, Share, Spread, WorkflowReport
from agent_runtime.evaluation.window import window
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import load_client_settings
from agent_runtime.store.grades import Grade
from agent_runtime.store.labels import Label
from agent_runtime.store.outcomes import Outcome
from agent_runtime.verdict import Operator

Days = tuple[str | None, str | None]


@dataclass(frozen=True)
class Desk:
    """Where a command works: here as `who`, or at a server as whom its token is for."""

    place: Place | None
    client: Client | None
    who: str = ""

    def here(self) -> Place:
        """The place; raises InvalidInput where it is not said who somebody is."""
        if self.place is None:
            raise InvalidInput("--url", "", "is not for this command", remedy="Use --app here.")
        if not self.who:
            raise InvalidInput("--as", self.who, "is missing", remedy="Say who you are.")
        return self.place


def open_desk(
    folder: Path, data: Path | None, url: str | None, who: str = "", *, as_json: bool
) -> tuple[Desk, Screen]:
    """Here, or at a server."""
    if url is None:
        place, screen = open_place(folder, data, as_json=as_json)
        return Desk(place, None, who), screen
    if who:
        raise InvalidInput("--as", who, "means nothing to a server", remedy="Its token says who.")
    token = load_client_settings().token
    client = Client(url, None if token is None else token.get_secret_value())
    return Desk(None, client), Screen(as_json=as_json)


def evaluate(
    desk: Desk, screen: Screen, workflow: str | None, days: Days, error_rate: float
) -> None:
    """Print the report."""
    since, until = _day("--since", days[0]), _day("--until", days[1])
    if desk.client is not None:
        asked = {"workflow": workflow, "since": since, "until": until}
        given = {name: str(value) for name, value in asked.items() if value is not None}
        report = desk.client.metrics(**given, error_rate=error_rate)
    else:
        report = _report(desk, workflow, (since, until), error_rate)
    screen.document(report.model_dump(mode="json"))
    screen.lines(_words(report))


def grade(desk: Desk, screen: Screen, run_id: str) -> None:
    """Have the graders judge one run."""
    place = desk.here()

    async def work(runtime: Runtime) -> list[Grade]:
        operator, _ = await _about(runtime, place, desk.who, "comment", run_id)
        return await runtime.marker.grade(operator.tenant, run_id, operator.name)

    grades = place.work(work)
    screen.document([one.model_dump(mode="json") for one in grades])
    rows = [
        (one.grader, "" if one.score is None else f"{one.score:.2f}", one.error) for one in grades
    ]
    screen.table(("grader", "score", "error"), rows, empty="The workflow declares no grader.")


def record(desk: Desk, screen: Screen, run_id: str, name: str, value: str) -> None:
    """Record one outcome."""
    read = _value(value)
    if desk.client is not None:
        made = desk.client.tell_outcome(run_id, name, read)
    else:
        made = _recorded(desk, run_id, name, read)
    screen.document(made.model_dump(mode="json"))
    screen.line(f"outcome {made.name} of run {made.run_id} is {made.value:g}")


def show_next(desk: Desk, screen: Screen, workflow: str, label: str | None) -> None:
    """Print what to label next."""
    place = desk.here()

    async def work(runtime: Runtime) -> None:
        operator = place.operator(desk.who)
        task = runtime.labeller.next(operator, workflow, label)
        if task is None:
            screen.document(None)
            screen.line("There is nothing to label.")
            return
        await _about(runtime, place, desk.who, "comment", task.run_id)
        seen = asdict(task.seen)
        kind = {"run": task.run_id, "label": task.kind.name, "values": list(task.kind.values)}
        screen.document({**kind, "guidelines": task.kind.guidelines, "seen": seen})
        screen.line(f"run {task.run_id}: {task.kind.name}, one of {', '.join(task.kind.values)}")
        screen.line(task.kind.guidelines)
        screen.lines(json.dumps(seen, indent=2, ensure_ascii=False).splitlines())

    place.work(work)


def give(desk: Desk, screen: Screen, run_id: str, name: str, value: str) -> None:
    """Label one run."""
    if desk.client is not None:
        made = desk.client.give_label(run_id, name, value)
    else:
        made = _labelled(desk, run_id, name, value)
    screen.document(made.model_dump(mode="json"))
    screen.line(f"run {made.run_id}: {made.name} is {made.value}, says {made.operator}")


def _report(
    desk: Desk, workflow: str | None, days: tuple[date | None, date | None], error_rate: float
) -> Report:
    async def work(runtime: Runtime) -> Report:
        asked = window(*days, runtime.clock.now().date())
        return await runtime.evaluation.report(
            "default", asked, workflow=workflow, error_rate=error_rate, most=None
        )

    assert desk.place is not None  # noqa: S101 — a desk is here or at a server
    return desk.place.work(work)


def _recorded(desk: Desk, run_id: str, name: str, value: float) -> Outcome:
    place = desk.here()

    async def work(runtime: Runtime) -> Outcome:
        operator, _ = await _about(runtime, place, desk.who, "comment", run_id)
        return await runtime.recorder.record(operator, run_id, name, value)

    return place.work(work)


def _labelled(desk: Desk, run_id: str, name: str, value: str) -> Label:
    place = desk.here()

    async def work(runtime: Runtime) -> Label:
        operator, _ = await _about(runtime, place, desk.who, "comment", run_id)
        return await runtime.labeller.give(operator, run_id, name, value)

    return place.work(work)


async def _about(
    runtime: Runtime, place: Place, who: str, act: Act, run_id: str
) -> tuple[Operator, Run]:
    """The person and the run, once they may do that to it."""
    operator = place.operator(who)
    run = runtime.store.read(operator.tenant).runs.get(run_id)
    await admit(runtime, operator, act, a_run(run))
    return operator, run


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

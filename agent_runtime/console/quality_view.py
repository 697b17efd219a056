"""What the metrics page shows of one workflow: panels made from its report, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

from agent_runtime.console.panel import FEW, NOTHING, Drawn, Line, Named, Panel, panel, percent
from agent_runtime.console.text import span
from agent_runtime.evaluation.report import (
    Answers,
    Calibration,
    Costs,
    Report,
    Share,
    Spread,
    WorkflowReport,
)
from agent_runtime.evaluation.statistics import ENOUGH

SPLITS = {"rule": "rule", "prompt": "prompt version", "model": "model", "group": "role"}
BRUSHED = ("rule", "prompt", "model")
"""What runs can be found by."""
_DIGEST = re.compile(r"\bsha256:([0-9a-f]{8})[0-9a-f]+")
ANSWERS = ("approved", "edited", "rejected", "answered back")
VERDICTS = ("allowed", "asked", "denied")
TIMES = {
    "queued": "Waited for a worker",
    "worked": "Worked",
    "waited": "Waited for people",
    "latency": "From start to end",
}


class Links:
    """Leads to the runs of one workflow, started on the days of a report."""

    def __init__(self, report: Report, workflow: str) -> None:
        self._always = {
            "workflow": workflow,
            "since": report.since.isoformat(),
            "until": report.until.isoformat(),
        }

    def to(self, **chosen: str) -> str:
        """Those of them that are so."""
        return f"/runs?{urlencode({**self._always, **chosen})}"


def panels_of(report: Report, one: WorkflowReport) -> dict[str, list[Panel]]:
    """All panels of a workflow, by the heading that they stand under."""
    links = Links(report, one.workflow)
    found = {
        "What people answer": [_answers(by, one.answers.get(by, ()), links) for by in SPLITS],
        "What the gate answers": [_verdicts(one, links)],
        "How long things take": [_times(one), _deciding(one)],
        "How far confidence can be trusted": list(_calibrations(one.calibration)),
        "Cost": [_costs(by, one.cost.get(by, ()), links) for by in ("model", "prompt")],
        "What came of it": [*_ended(one, links), *_told(one)],
        "Drift": [_drift(one, report)],
    }
    return {heading: [one for one in panels if one.lines] for heading, panels in found.items()}


def _answers(by: str, answers: Iterable[Answers], links: Links) -> Panel:
    found = sorted(answers, key=lambda one: (-one.n, one.value))
    lines = [
        _shares(
            short(one.value),
            (one.approve, one.edit, one.reject, one.respond),
            links.to(**{by: one.value}) if by in BRUSHED else "",
        )
        for one in found
    ]
    named = Named(f"answers-{by}", f"Answers by {SPLITS[by]}", "answers", ANSWERS)
    return panel(named, "shares", ("n", *ANSWERS), lines)


def _verdicts(one: WorkflowReport, links: Links) -> Panel:
    found = sorted(one.verdicts, key=lambda verdicts: (-verdicts.n, verdicts.value))
    lines = [
        _shares(
            verdicts.value,
            (verdicts.allow, verdicts.needs_approval, verdicts.deny),
            links.to(rule=verdicts.value) if verdicts.value != "all" else links.to(),
        )
        for verdicts in found
    ]
    named = Named("verdicts", "Verdicts by rule", "verdicts", VERDICTS)
    return panel(named, "shares", ("n", *VERDICTS), lines)


def _shares(label: str, shares: Sequence[Share], link: str = "") -> Line:
    of = shares[0].of
    values = None if of < ENOUGH else tuple(float(share.count) for share in shares)
    return Line(label, (f"{of:,}", *map(percent, shares)), values, link)


def _times(one: WorkflowReport) -> Panel:
    lines = [_spread(label, getattr(one, name)) for name, label in TIMES.items()]
    named = Named("times", "Time of runs", "s", ("median", "95 %"))
    note = "Time waited for people is not counted as work."
    head = ("n", "mean", "median", "95 %")
    return panel(named, "bars", head, [line for line in lines if line.cells[0] != "0"], note)


def _deciding(one: WorkflowReport) -> Panel:
    lines = []
    for role in one.deciding:
        line, stamped = _spread(role.group, role.seconds), percent(role.stamped)
        stamped += ": looks like stamping" if role.flagged else ""
        lines.append(Line(line.label, (*line.cells, stamped), line.values))
    named = Named("deciding", "Time to decide, by role", "s", ("median",))
    note = "From the first look to the answer. Answers within three seconds are no look."
    head = ("n", "mean", "median", "95 %", "under 3 s")
    return panel(named, "bars", head, lines, note)


def _spread(label: str, spread: Spread) -> Line:
    if spread.mean is None or spread.median is None or spread.p95 is None:
        return Line(label, (f"{spread.n:,}", NOTHING, NOTHING, NOTHING))
    cells = (f"{spread.n:,}", brief(spread.mean), brief(spread.median), brief(spread.p95))
    return Line(label, cells, (round(spread.median, 2), round(spread.p95, 2)))


def short(name: str) -> str:
    """A name without most of the digest that it may end in: the whole is in its link."""
    return _DIGEST.sub("\\1\u2026", name)


def brief(seconds: float) -> str:
    """A length of time; parts of seconds where it is short."""
    return span(seconds) if seconds >= 10 else f"{seconds:.2g} s"


def _calibrations(found: Mapping[str, Sequence[Calibration]]) -> Iterator[Panel]:
    """Those that can be told, and in a table of their own those that cannot yet."""
    ones = [(by, one) for by, split in found.items() for one in split]
    for number, (by, one) in enumerate(ones):
        if one.bins:
            yield _calibration(by, number, one)
    few = [Line(_split(by, one), (f"{one.n:,}", FEW)) for by, one in ones if not one.bins]
    named = Named("calibration-few", "Proposals that people answered", "proposals", ("n",))
    yield panel(named, "bars", ("n", "worth"), few)


def _split(by: str, one: Calibration) -> str:
    return f"{'step' if by == 'step' else SPLITS[by]} {short(one.value)}"


def _calibration(by: str, number: int, one: Calibration) -> Panel:
    lines = []
    for part in one.bins:
        stated, right = 100 * part.stated, part.right.share
        values = None if right is None else (round(stated, 1), round(100 * right, 1))
        cells = (f"{part.n:,}", f"{stated:.0f} %", percent(part.right))
        lines.append(Line(f"{part.low:.1f} to {part.high:.1f}", cells, values))
    title = f"Stated and observed in %, by confidence: {_split(by, one)}"
    named = Named(f"calibration-{number}", title, "%", ("stated", "observed"))
    return panel(named, "columns", ("n", "stated", "observed"), lines, _worth(one))


def _worth(one: Calibration) -> str:
    """What a calibration comes to, in words."""
    if one.brier is None or one.error is None:
        return FEW
    rate = f"{100 * one.error_rate:g} %"
    words = (
        f"Brier score {one.brier:.3f} (0 is perfect), expected calibration error {one.error:.3f}."
    )
    if one.cutoff is None:
        return f"{words} No threshold would have kept errors at {rate}."
    return (
        f"{words} A threshold of {one.cutoff.confidence:.2f} would have let {one.cutoff.n} of"
        f" {one.n} pass with {100 * one.cutoff.error:.1f} % wrong, for {rate} at most."
    )


def _costs(by: str, costs: Iterable[Costs], links: Links) -> Panel:
    lines = []
    for one in sorted(costs, key=lambda cost: -cost.total):
        known = one.mean is not None and one.tokens is not None
        cells = (NOTHING, NOTHING) if not known else (f"{one.mean:.4g}", f"{one.tokens:,.0f}")
        values = (float(f"{one.mean:.4g}"),) if one.mean is not None else None
        link = links.to(**{by: one.value})
        lines.append(
            Line(short(one.value), (f"{one.n:,}", *cells, f"{one.total:,.4g}"), values, link)
        )
    named = Named(f"cost-{by}", f"Cost of a run by {SPLITS[by]}", "a run", ("mean",))
    return panel(named, "bars", ("n", "mean", "tokens a run", "in all"), lines)


def _ended(one: WorkflowReport, links: Links) -> Iterator[Panel]:
    found = sorted(one.ended.items(), key=lambda pair: (-pair[1], pair[0]))
    lines = [
        Line(state, (f"{n:,}",), (float(n),), links.to(state=state)) for state, n in found if n
    ]
    named = Named("ended", "How runs ended", "runs", ("runs",))
    yield panel(named, "bars", ("runs",), lines, f"Failed: {percent(one.failed)}.")


def _told(one: WorkflowReport) -> Iterator[Panel]:
    """What was said of runs later on."""
    outcomes = []
    for outcome in one.outcomes:
        good, mean = outcome.good, NOTHING if outcome.mean is None else f"{outcome.mean:.3g}"
        values = None if good.share is None else (float(good.count), float(good.of - good.count))
        outcomes.append(Line(outcome.name, (f"{good.of:,}", percent(good), mean), values))
    named = Named("outcomes", "Outcomes, as they were told", "runs", ("good", "not good"))
    yield panel(named, "shares", ("n", "good", "mean"), outcomes)
    grades = [
        Line(
            grade.name,
            (
                f"{grade.n:,}",
                NOTHING if grade.mean is None else f"{grade.mean:.2f}",
                f"{grade.errors}",
            ),
            None if grade.mean is None else (round(grade.mean, 3),),
        )
        for grade in one.grades
    ]
    named = Named("grades", "Grades, 0 to 1", "of 1", ("mean",))
    yield panel(named, "bars", ("n", "mean", "could not tell"), grades)
    yield from _beside_people(one)


def _beside_people(one: WorkflowReport) -> Iterator[Panel]:
    """What people changed, and how often they did what a shadow proposed."""
    edits = [Line(e.field, (f"{e.n:,}", f"{e.distance:.2f}"), (float(e.n),)) for e in one.edits]
    named = Named("edits", "Fields that people edited", "edits", ("edits",))
    note = "Distance: 0 is nothing changed, 1 is all of it."
    yield panel(named, "bars", ("edits", "mean distance"), edits, note)
    shadows = []
    for shadow in one.shadow:
        agreed, words = shadow.agreed, shadow.verdict.replace("_", " ")
        values = (float(agreed.count), float(agreed.of - agreed.count))
        drawn = None if agreed.share is None else values
        label = f"{shadow.rule}: {words}"
        shadows.append(Line(label, (f"{agreed.of:,}", percent(agreed)), drawn))
    named = Named("shadow", "Shadow: people did the same", "runs", ("same", "other"))
    yield panel(named, "shares", ("n", "the same"), shadows)


def _drift(one: WorkflowReport, report: Report) -> Panel:
    lines = []
    for drift in one.drift:
        cells = (f"{drift.n:,}", f"{drift.baseline:,}")
        if drift.index is None:
            lines.append(Line(drift.name, (*cells, NOTHING, NOTHING, drift.verdict)))
            continue
        p = NOTHING if drift.p is None else f"{drift.p:.2g}"
        told = (f"{drift.index:.3f}", p, drift.verdict)
        lines.append(Line(drift.name, (*cells, *told), (round(drift.index, 3),)))
    named = Named("drift", "Distance of inputs and outputs from before", "index", ("index",))
    note = (
        f"Population stability against the days from {report.baseline_since} on: below 0.1 stable,"
        " above 0.25 drifted."
    )
    drawn: Drawn = "bars"
    return panel(named, drawn, ("n", "n before", "index", "p", "reads"), lines, note)

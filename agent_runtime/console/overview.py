"""The overview: what waits and for how long, how much is decided, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from agent_runtime.access import Caller
from agent_runtime.api.evaluation import metrics
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Reader, Site
from agent_runtime.console.form import SignedIn
from agent_runtime.console.page import head_of, show
from agent_runtime.drawing.chart import Chart, Row
from agent_runtime.evaluation.report import Answers, Deciding, Report
from agent_runtime.inbox import Filter

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

HOURS = 24
REACH = 200_000
"""Events of the last hours that are counted at most."""
MOST = 12
"""Rules in a chart; the Metrics screen and the API have all."""

OPEN = "/inbox?view=open"
"""Where open questions are listed, the oldest first."""

AGES = (
    ("up to 5 min", timedelta(0), timedelta(minutes=5)),
    ("to 1 h", timedelta(minutes=5), timedelta(hours=1)),
    ("to 4 h", timedelta(hours=1), timedelta(hours=4)),
    ("to 1 day", timedelta(hours=4), timedelta(days=1)),
    ("older", timedelta(days=1), timedelta(days=3_650)),
)


@dataclass(frozen=True)
class Pace:
    """How fast one group decides; times are in seconds, None where there is not enough history."""

    workflow: str
    deciding: Deciding


@router.get("/overview")
async def overview(request: Request, site: Here, caller: Reader) -> Response:
    """Now, the last day, and the last thirty days."""
    head = head_of(request, caller)
    report = await metrics(site, caller)
    hours = per_hour(site, caller, head)
    return show(
        request,
        "overview.html",
        counts=site.runtime.desk.counts(Filter(), who=caller.operator),
        states=site.read(caller).runs.count(),
        waiting=report.waiting,
        behind=report.behind,
        decided=sum(int(row.values[1]) for row in hours.rows),
        hours=hours,
        ages=ages(site, caller),
        rules=by_rule(report),
        paces=list(paces(report)),
    )


def per_hour(site: Site, caller: Caller, head: int) -> Chart:
    """Questions asked and answered in each of the last hours."""
    now = site.store.now()
    first = (now - timedelta(hours=HOURS - 1)).replace(minute=0, second=0, microsecond=0)
    events, above = site.read(caller).events, max(0, head - REACH)
    asked = events.by_hour("approval.opened", first, above=above)
    decided = events.by_hour("approval.decided", first, above=above)
    rows = []
    for hour in (first + timedelta(hours=i) for i in range(HOURS)):
        key = f"{hour:%Y-%m-%dT%H}"
        values = (float(asked.get(key, 0)), float(decided.get(key, 0)))
        rows.append(Row(f"{hour:%H}:00", values))
    title = "Questions per hour, the last 24 hours (UTC)"
    return Chart("hours", title, "questions", ("asked", "answered"), tuple(rows))


def ages(site: Site, caller: Caller) -> Chart:
    """How long what is open has been open."""
    now = site.store.now()

    def open_between(young: timedelta, old: timedelta) -> int:
        wanted = Filter(asked_before=now - young, asked_after=now - old)
        return site.runtime.desk.counts(wanted, who=caller.operator).total

    rows = [Row(label, (float(open_between(young, old)),), OPEN) for label, young, old in AGES]
    return Chart("ages", "Open questions by age", "questions", ("open",), tuple(rows))


def by_rule(report: Report) -> Chart:
    """How people answer, by the rule that had them asked; the most asked rules first."""
    found = [
        (f"{one.workflow}: {answers.value}", answers)
        for one in report.workflows
        for answers in one.answers.get("rule", ())
    ]
    found.sort(key=lambda pair: (-pair[1].n, pair[0]))
    rows = tuple(Row(label, tuple(_answers(answers))) for label, answers in found[:MOST])
    series = ("approved", "edited", "rejected", "answered back")
    return Chart("rules", "Answers by rule, the last 30 days", "answers", series, rows)


def _answers(answers: Answers) -> Iterable[float]:
    for share in (answers.approve, answers.edit, answers.reject, answers.respond):
        yield float(share.count)


def paces(report: Report) -> Iterable[Pace]:
    """How long people take, by workflow and role."""
    for one in report.workflows:
        for deciding in one.deciding:
            yield Pace(one.workflow, deciding)

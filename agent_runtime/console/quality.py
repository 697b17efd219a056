"""Metrics: how well the runs of a workflow do, what stands out, and what is being tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from agent_runtime.access import Caller
from agent_runtime.api.evaluation import metrics
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Reader, Site
from agent_runtime.console.form import SignedIn
from agent_runtime.console.page import head_of, show
from agent_runtime.console.quality_view import panels_of
from agent_runtime.console.runs import day_of
from agent_runtime.errors import InvalidInput
from agent_runtime.evaluation.alarm import Reading, read
from agent_runtime.evaluation.evaluate import ERROR_RATE
from agent_runtime.evaluation.report import Report, WorkflowReport
from agent_runtime.quality import Alert

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Word = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Typed:
    """What the form says, as it was typed."""

    workflow: str = ""
    since: str = ""
    until: str = ""
    error_rate: str = ""


@dataclass(frozen=True)
class Watched:
    """One declared alert: what it reads now, and since when it stands."""

    workflow: str
    alert: Alert
    reading: Reading | None
    since: datetime | None


@router.get("/quality")
async def quality(
    request: Request,
    site: Here,
    caller: Reader,
    workflow: Word = "",
    since: Word = "",
    until: Word = "",
    error_rate: Word = "",
) -> Response:
    """One workflow's figures; of the one with the most runs, where none is named."""
    head_of(request, caller)
    typed = Typed(workflow, since.strip(), until.strip(), error_rate.strip())
    try:
        report, told = await _report(site, caller, typed), None
    except InvalidInput as error:
        report, told = await metrics(site, caller, error_rate=ERROR_RATE), error
    chosen = _chosen(report, workflow)
    return show(
        request,
        "quality.html",
        200 if told is None else 422,
        typed=typed,
        report=report,
        told=told,
        chosen=chosen,
        panels={} if chosen is None else panels_of(report, chosen),
        watched=list(_watched(site, caller)),
        tried=[one for one in site.read(caller).rollouts.find() if one.state == "running"],
    )


async def _report(site: Site, caller: Caller, typed: Typed) -> Report:
    """What the form asks for; raises InvalidInput."""
    first, last = day_of("since", typed.since), day_of("until", typed.until)
    return await metrics(
        site,
        caller,
        since=None if first is None else first.date(),
        until=None if last is None else last.date(),
        error_rate=_rate(typed.error_rate),
    )


def _rate(text: str) -> float:
    """An error rate, typed in percent."""
    if not text:
        return ERROR_RATE
    try:
        found = float(text.replace(",", ".").removesuffix("%")) / 100
    except ValueError:
        found = 0.0
    if not 0 < found < 1:
        raise InvalidInput("error_rate", text, "is not between 0 and 100 %")
    return found


def _chosen(report: Report, name: str) -> WorkflowReport | None:
    if name:
        return next((one for one in report.workflows if one.workflow == name), None)
    return max(report.workflows, key=lambda one: one.started, default=None)


def _watched(site: Site, caller: Caller) -> Iterator[Watched]:
    session = site.read(caller)
    for workflow in site.runtime.app.workflows.values():
        for alert in workflow.quality.alerts:
            since = session.alerts.since(workflow.name, alert.name)
            yield Watched(workflow.name, alert, read(session, workflow.name, alert), since)

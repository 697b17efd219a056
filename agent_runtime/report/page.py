"""A report as a page of its own: no script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jinja2

from agent_runtime.drawing import Passed, Trail, draw_svg
from agent_runtime.report.report import Report
from agent_runtime.report.text import span


def render_page(report: Report) -> str:
    """The page, with the graph drawn as it was in the run's version."""
    drawing = "" if report.topology is None else draw_svg(report.topology, _trail(report))
    return _template("report.html").render(
        report=report, drawing=drawing, span=span, pretty=_pretty
    )


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("agent_runtime.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    return environment.get_template(name)


def moment(at: datetime) -> str:
    """A time as people read it: UTC, to the millisecond."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} UTC"


def _trail(report: Report) -> Trail:
    nodes: dict[Any, Passed] = {}
    for visit in report.visits:
        for envelope in visit.envelopes:
            place = (visit.step, envelope.node)
            known = nodes.get(place, Passed(0)).times
            nodes[place] = Passed(known + 1)
    last = report.visits[-1].step if report.visits and report.ended_at is not None else None
    found: Mapping[Any, Passed] = nodes
    return Trail(state=report.state, nodes=found, last=last)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)

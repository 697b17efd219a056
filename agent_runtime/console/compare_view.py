"""What the comparison of two runs shows, made from their reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from markupsafe import Markup

from agent_runtime.api.site import Site
from agent_runtime.console.run_view import BILLIONTH, topology_for
from agent_runtime.console.text import span
from agent_runtime.console.timeline import read_timeline, trail_of
from agent_runtime.drawing import draw_svg, merge
from agent_runtime.drawing.trail import Trail
from agent_runtime.report import Beside, build_report, put_beside
from agent_runtime.report.beside import Difference
from agent_runtime.report.report import VisitTold
from agent_runtime.run import Run
from agent_runtime.store import Session

MOST = 200
"""Differences that are shown; the API has all."""

FIGURES: Mapping[str, str] = {
    "working": "Worked",
    "waiting": "Waited for people",
    "calls": "Model calls",
    "tokens": "Tokens",
    "money": "Cost",
    "millis": "Time of models",
}


@dataclass(frozen=True)
class Figure:
    """One figure of both runs, and how B differs; None where it is not known."""

    label: str
    one: str
    other: str
    by: str


@dataclass(frozen=True)
class Visited:
    """One visit of a step in both runs, in words, and in what it differs."""

    step: str
    visit: int
    one: str
    other: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Compared:
    """All of it. `svg` is empty where no drawing was kept; `unseen`: differences not shown."""

    one: Run
    other: Run
    beside: Beside
    svg: Markup
    note: str
    visits: tuple[Visited, ...]
    figures: tuple[Figure, ...]
    unseen: int


def compared_of(site: Site, session: Session, one: Run, other: Run) -> Compared:
    """Put two runs of one workflow side by side."""
    mine, its = build_report(session, one), build_report(session, other)
    beside = put_beside(mine, its)
    svg, note = _drawn(site, session, one, other)
    visits = tuple(_visits(mine.visits, its.visits, beside.differences[:MOST]))
    return Compared(
        one=one,
        other=other,
        beside=beside,
        svg=svg,
        note=note,
        visits=visits,
        figures=tuple(_figures(beside)),
        unseen=max(0, len(beside.differences) - MOST),
    )


def _drawn(site: Site, session: Session, one: Run, other: Run) -> tuple[Markup, str]:
    """Both ways in B's version, which is the newer one as a rule."""
    topology, note = topology_for(site, session, other)
    if topology is None:
        return Markup(), note
    if one.version != other.version:
        note = f"{note} The drawing is of B's version; A was run under another one.".strip()
    ways = [_trail(session, run) for run in (one, other)]
    # The drawing escapes every name that it is given; see drawing/svg.py.
    return Markup(draw_svg(topology, merge(*ways))), note  # noqa: S704


def _trail(session: Session, run: Run) -> Trail:
    return trail_of(read_timeline(session.events.find(run.id), session.now), run.state)


def _visits(
    mine: tuple[VisitTold, ...], its: tuple[VisitTold, ...], differences: tuple[Difference, ...]
) -> Iterator[Visited]:
    ones = {(visit.step, visit.visit): visit for visit in mine}
    others = {(visit.step, visit.visit): visit for visit in its}
    for step, number in dict.fromkeys([*ones, *others]):
        place = (step, number)
        yield Visited(
            step=step,
            visit=number,
            one=said(ones.get(place)),
            other=said(others.get(place)),
            differences=tuple(d for d in differences if (d.step, d.visit) == place),
        )


def said(visit: VisitTold | None) -> str:
    """What a visit came to, in a few words: the verdict, the question, the call."""
    if visit is None:
        return "not visited"
    parts = [] if visit.verdict is None else [visit.verdict.kind]
    parts += [question.status for question in visit.questions[-1:]]
    parts += [f"{act.tool} {act.state}" for act in visit.acts[-1:]]
    if not parts:
        parts = [envelope.status for envelope in visit.envelopes[-1:]]
    return ", ".join(parts).replace("_", " ") or "begun"


def _figures(beside: Beside) -> Iterator[Figure]:
    for name, label in FIGURES.items():
        one, other = beside.figures[name]
        if one is None and other is None:
            continue
        apart = None if one is None or other is None else other - one
        sign = "" if not apart else "+" if apart > 0 else "\u2212"
        by = "not known" if apart is None else f"{sign}{_told(name, abs(apart))}"
        yield Figure(label, _told(name, one), _told(name, other), by)


def _told(name: str, value: float | None) -> str:
    if value is None:
        return "not known"
    match name:
        case "working" | "waiting":
            return span(value) if value >= 10 else f"{value:.1f} s"
        case "millis":
            return f"{value / 1_000:.1f} s"
        case "money":
            return f"{(Decimal(int(value)) * BILLIONTH).normalize():f}"
        case _:
            return f"{value:,.0f}"

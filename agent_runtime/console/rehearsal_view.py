"""A rehearsal as panels: how many decisions change, who is asked, how people decided."""

from __future__ import annotations

from agent_runtime.console.panel import Line, Named, Panel, panel
from agent_runtime.replay.rehearsal import Changed, Rehearsal


def panels_of(found: Rehearsal) -> tuple[Panel, ...]:
    """Its charts, each with its table."""
    return tuple(one for one in (_totals(found), _load(found), _agreement(found)) if one.lines)


def sorted_changes(found: Rehearsal) -> tuple[Changed, ...]:
    """Alarms first, then the newest."""
    return tuple(sorted(found.changes, key=lambda change: (not change.alarm, -change.number)))


def _totals(found: Rehearsal) -> Panel:
    counted = {"unchanged": found.unchanged, **found.totals, "not rehearsed": len(found.unknown)}
    lines = [Line(kind, (f"{n:,}",), (float(n),)) for kind, n in counted.items()]
    named = Named("totals", "What becomes of the decisions", "decisions", ("decisions",))
    note = f"{found.without_policy} of those unchanged were decided by no policy's rule."
    return panel(named, "bars", ("decisions",), lines, note if found.without_policy else "")


def _load(found: Rehearsal) -> Panel:
    lines = [
        Line(day.day, (f"{day.before:,}", f"{day.after:,}"), (float(day.before), float(day.after)))
        for day in found.load
    ]
    named = Named("load", "People asked a day", "questions", ("before", "after"))
    return panel(named, "columns", ("before", "after"), lines)


def _agreement(found: Rehearsal) -> Panel:
    said = found.agreement
    counts = (said.agree, said.disagree, said.asked)
    series = ("as they decided", "otherwise", "asked still")
    told = Line("decisions of people", tuple(f"{n:,}" for n in counts), tuple(map(float, counts)))
    named = Named("agreement", "The new answers and what people decided", "decisions", series)
    return panel(named, "shares", series, [told] if any(counts) else [])

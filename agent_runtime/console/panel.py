"""Panels: a chart of what is known well enough, beside a table of all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent_runtime.drawing.chart import Chart, Row
from agent_runtime.evaluation.report import Share
from agent_runtime.evaluation.statistics import ENOUGH

Drawn = Literal["columns", "shares", "bars"]

FEW = f"not enough history: fewer than {ENOUGH}"
NOTHING = "\u2013"
"""Stands where there is no figure."""
MOST = 16
"""Rows that are drawn; the table has all."""


@dataclass(frozen=True)
class Line:
    """One row of a panel's table. `link`: to the cases; `values`: what is drawn of it, None where
    there are too few of them."""

    label: str
    cells: tuple[str, ...]
    values: tuple[float, ...] | None = None
    link: str = ""


@dataclass(frozen=True)
class Panel:
    """A chart and its table. `head` names the cells; `note` says how to read it."""

    chart: Chart
    drawn: Drawn
    head: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str = ""

    @property
    def few(self) -> int:
        """How many rows are not drawn, because they say too little."""
        return sum(line.values is None for line in self.lines)

    @property
    def unseen(self) -> int:
        """How many are not drawn because there are so many."""
        return len(self.lines) - self.few - len(self.chart.rows)


@dataclass(frozen=True)
class Named:
    """What a panel is called: `name` for its ids, `unit` and `series` of what is drawn."""

    name: str
    title: str
    unit: str
    series: tuple[str, ...]


def panel(
    named: Named, drawn: Drawn, head: Sequence[str], lines: Sequence[Line], note: str = ""
) -> Panel:
    """Draw those lines that have values."""
    rows = [Row(line.label, line.values, line.link) for line in lines if line.values is not None][
        :MOST
    ]
    chart = Chart(named.name, named.title, named.unit, named.series, tuple(rows))
    return Panel(chart, drawn, tuple(head), tuple(lines), note)


def percent(share: Share) -> str:
    """A share with its interval; of few cases only how many of how many."""
    if share.share is None or share.low is None or share.high is None:
        return f"{share.count} of {share.of}"
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"

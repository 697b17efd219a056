"""Charts as SVG: figures of a few series as columns or as shares of bars.

As with graphs no style is written into them. Series stand in the order of their legend, and each
chart has its table (`Chart.rows`), which says the same to whoever cannot tell the colours apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from agent_runtime.drawing.scale import Scale, scale_of

_WIDTH, _HEIGHT = 480.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 6.0, 8.0, 26.0
_BAR, _GAP, _END = 20.0, 9.0, 60.0
_LETTER = 7.2
"""Units of a letter, about."""
_WIDE = 34.0
"""Units of a bar's part from which on its share is written into it."""
_LONGEST = 26
"""Characters of a bar's label; the whole is in its title and in the table."""
_FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="currentColor"'


@dataclass(frozen=True)
class Row:
    """One place on a chart's axis: a value for each series. `link`: where its cases are shown."""

    label: str
    values: tuple[float, ...]
    link: str = ""

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.values)


@dataclass(frozen=True)
class Chart:
    """Figures to be drawn. `unit` says what is counted; `name` prefixes ids."""

    name: str
    title: str
    unit: str
    series: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(row.total for row in self.rows)


def draw_columns(chart: Chart) -> str:
    """Columns side by side, one group for each row: for what goes along time."""
    scale = scale_of(max((v for row in chart.rows for v in row.values), default=0.0))
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(chart.rows))
    parts = [*_grid(scale)]
    every = max(1, round(60 / step))
    for i, row in enumerate(chart.rows):
        x = _LEFT + i * step
        parts += _linked(row, list(_group(chart, row, x, step, scale)))
        if i % every == 0:
            y = _HEIGHT - _BOTTOM + 16
            parts.append(_text(x + step / 2, y, row.label, anchor="middle"))
    return _wrap(chart, _WIDTH, _HEIGHT, parts)


def draw_shares(chart: Chart) -> str:
    """A bar for each row, parted as its values are; how many they are stands at its end."""
    start, parts = _start(chart), []
    for i, row in enumerate(chart.rows):
        y = _TOP + i * (_BAR + _GAP)
        parts.append(_text(start - 8, y + 14, _short(row.label), anchor="end"))
        parts += _linked(row, list(_parts(chart, row, start, y)))
        parts.append(_text(_WIDTH - _END + 8, y + 14, f"n = {row.total:g}"))
    return _wrap(chart, _WIDTH, _TOP + len(chart.rows) * (_BAR + _GAP), parts)


def draw_bars(chart: Chart) -> str:
    """A bar for each row, as long as its first value; the value stands at its end."""
    start, parts = _start(chart), []
    width = _WIDTH - start - _END
    most = max((row.values[0] for row in chart.rows), default=0.0) or 1.0
    for i, row in enumerate(chart.rows):
        y = _TOP + i * (_BAR + _GAP)
        parts.append(_text(start - 8, y + 14, _short(row.label), anchor="end"))
        length = width * row.values[0] / most
        told = f"{row.label}: {row.values[0]:g} {chart.unit}"
        parts += _linked(row, [_rect(start, y, length, _BAR, 0, told)])
        parts.append(_text(start + length + 8, y + 14, f"{row.values[0]:g}"))
    return _wrap(chart, _WIDTH, _TOP + len(chart.rows) * (_BAR + _GAP), parts)


def _group(chart: Chart, row: Row, x: float, step: float, scale: Scale) -> Iterator[str]:
    inner = step * 0.8 / len(chart.series)
    for j, value in enumerate(row.values):
        height = (_HEIGHT - _TOP - _BOTTOM) * value / scale.top
        told = f"{row.label}, {chart.series[j]}: {value:g} {chart.unit}"
        left = x + step * 0.1 + j * inner
        yield _rect(left, _HEIGHT - _BOTTOM - height, inner, height, j, told)


def _parts(chart: Chart, row: Row, x: float, y: float) -> Iterator[str]:
    width, whole = _WIDTH - x - _END, row.total or 1.0
    for j, value in enumerate(row.values):
        length = width * value / whole
        told = f"{row.label}, {chart.series[j]}: {value:g} of {row.total:g}"
        yield _rect(x, y, length, _BAR, j, told)
        if length >= _WIDE:
            yield _text(x + length / 2, y + 14, f"{100 * value / whole:.0f} %", "middle", "c-in")
        x += length


def _grid(scale: Scale) -> Iterator[str]:
    inside = _HEIGHT - _TOP - _BOTTOM
    for mark in scale.marks:
        y = _HEIGHT - _BOTTOM - inside * mark / scale.top
        yield (
            f'<line class="c-grid" x1="{_LEFT:.0f}" x2="{_WIDTH - _RIGHT:.0f}" y1="{y:.1f}"'
            f' y2="{y:.1f}" stroke="currentColor" stroke-opacity="0.25"/>'
        )
        yield _text(_LEFT - 6, y + 4, f"{mark:g}", anchor="end")


def _rect(x: float, y: float, width: float, height: float, series: int, told: str) -> str:
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}"'
    return f'<rect class="c-part s{series}" {shape}><title>{escape(told)}</title></rect>'


def _text(x: float, y: float, told: str, anchor: str = "start", kind: str = "c-text") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(told)}</text>'


def _linked(row: Row, parts: list[str]) -> list[str]:
    if not row.link:
        return parts
    return [f'<a href="{escape(row.link)}" aria-label="{escape(row.label)}">', *parts, "</a>"]


def _start(chart: Chart) -> float:
    """Where bars begin: beside the longest of their labels."""
    return 16 + _LETTER * max((len(_short(row.label)) for row in chart.rows), default=0)


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _wrap(chart: Chart, width: float, height: float, parts: list[str]) -> str:
    box = f'viewBox="0 0 {width:.0f} {height:.0f}"'
    name = escape(chart.name)
    role = "group" if any(row.link for row in chart.rows) else "img"
    return "\n".join(
        [
            f'<svg class="chart" {box} role="{role}" aria-labelledby="{name}-title">',
            f'<title id="{name}-title">{escape(chart.title)}</title>',
            f"<g {_FONT}>",
            *parts,
            "</g>",
            "</svg>",
            "",
        ]
    )

"""The chart: rates relative to the stock saver, one group of bars per concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.engine.measure import Row

COLOURS = {"memory": "#9aa5b1", "stock": "#c58b2a", "saver": "#4a7fb5", "governed": "#2f7d4f"}
BAR, GAP, LEFT, TALL, FOOT = 34, 30, 46, 220, 60


def draw(rows: Sequence[Row]) -> str:
    """The chart as SVG text; a case without the stock one beside it is left out."""
    stock = {row.at_a_time: row.per_s for row in rows if row.case == "stock"}
    bars = [(row, row.per_s / stock[row.at_a_time]) for row in rows if row.at_a_time in stock]
    top = max((ratio for _, ratio in bars), default=1.0)
    parts, x, before = [], LEFT, None
    for row, ratio in bars:
        if row.at_a_time != before:
            x += GAP if before is not None else 0
            before = row.at_a_time
            parts.append(_text(x, TALL + 48, f"{before} at a time", "start"))
        parts.append(_bar(x, ratio, top, row))
        x += BAR
    width = max(x, LEFT + 4 * 90) + GAP
    line = TALL - TALL * 0.85 / top
    parts.append(f'<path d="M{LEFT} {line:.1f}H{width}" stroke="#555" stroke-dasharray="4 4"/>')
    parts += [_legend(n, name) for n, name in enumerate(dict.fromkeys(r.case for r, _ in bars))]
    words = "Runs per second relative to the bare graph on the stock saver"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -50 {width} {TALL + FOOT + 50}"'
        f' font-family="sans-serif" font-size="12" role="img" aria-label="{words}">\n'
        f'<rect y="-50" width="{width}" height="{TALL + FOOT + 50}" fill="#fff"/>\n'
        f"{_text(LEFT, -32, words, 'start')}\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(x: int, ratio: float, top: float, row: Row) -> str:
    height = TALL * 0.85 * ratio / top
    colour = COLOURS.get(row.case, "#777")
    words = escape(f"{row.case} at {row.at_a_time}: {row.per_s:.0f} runs/s")
    return (
        f'<rect x="{x}" y="{TALL - height:.1f}" width="{BAR - 6}" height="{height:.1f}"'
        f' fill="{colour}"><title>{words}</title></rect>'
        + _text(x + (BAR - 6) // 2, round(TALL - height - 5), f"{ratio:.1f}", "middle")
    )


def _legend(number: int, name: str) -> str:
    x = LEFT + number * 90
    colour = COLOURS.get(name, "#777")
    box = f'<rect x="{x}" y="{TALL + 12}" width="12" height="12" fill="{colour}"/>'
    return box + _text(x + 17, TALL + 22, name, "start")


def _text(x: int, y: int, words: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'

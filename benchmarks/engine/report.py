"""Reporting: the table, the ratios within this run, the targets, and the result file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from benchmarks.engine.measure import Row, percentile

Ratios = dict[str, float]
"""A ratio by concurrency, written as in JSON."""


@dataclass(frozen=True)
class Waits:
    """What people wait for, in milliseconds; `first_look` is that of a fresh process."""

    paused: int
    first_look: float
    looks: Sequence[float]
    acts: Sequence[float]


def summarize(
    rows: Sequence[Row], waits: Waits, commits_per_s: float, machines: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Everything that was measured, as plain JSON. Ratios are of rates: above 1 is faster."""
    results = {
        "governed_vs_stock": _ratios(rows, "governed", "stock", "per_s"),
        "governed_vs_memory": _ratios(rows, "governed", "memory", "per_s"),
        "saver_vs_stock": _ratios(rows, "saver", "stock", "per_s"),
        "saver_vs_memory": _ratios(rows, "saver", "memory", "per_s"),
        "governed_kb_vs_stock": _ratios(rows, "governed", "stock", "kb"),
        "governed_commits": {str(r.at_a_time): r.commits for r in rows if r.case == "governed"},
        "inbox_paused": waits.paused,
        "inbox_first_ms": round(waits.first_look, 2),
        "inbox_p95_ms": round(percentile(waits.looks, 95), 2),
        "decide_to_act_p95_ms": round(percentile(waits.acts, 95), 2),
        "disk_commits_per_s": round(commits_per_s),
    }
    document = {**results, "targets": judge_targets(results)}
    return {**document, "machine": list(machines), "rows": [asdict(row) for row in rows]}


def _ratios(rows: Sequence[Row], case: str, other: str, column: str) -> Ratios:
    found = {(row.case, row.at_a_time): getattr(row, column) for row in rows}
    ratios = {}
    for (name, at_a_time), value in found.items():
        beside = found.get((other, at_a_time))
        if name == case and value is not None and beside:
            ratios[str(at_a_time)] = round(value / beside, 2)
    return ratios


@dataclass(frozen=True)
class Target:
    """One figure that is aimed at: where it stands in the results, and its bound."""

    name: str
    at_a_time: str
    bound: float
    at_least: bool

    @property
    def words(self) -> str:
        """The target in words."""
        at = f" at {self.at_a_time}" if self.at_a_time else ""
        return f"{self.name.replace('_', ' ')}{at} {'>=' if self.at_least else '<='} {self.bound:g}"


TARGETS = (
    Target("governed_vs_stock", "1", 1.2, at_least=True),
    Target("governed_vs_stock", "16", 2.0, at_least=True),
    Target("governed_vs_stock", "64", 1.7, at_least=True),
    Target("governed_commits", "16", 1.0, at_least=False),
    Target("governed_kb_vs_stock", "16", 1.25, at_least=False),
    Target("saver_vs_stock", "1", 1.7, at_least=True),
    Target("saver_vs_stock", "16", 2.7, at_least=True),
    Target("saver_vs_memory", "1", 0.4, at_least=True),
    Target("saver_vs_memory", "16", 0.6, at_least=True),
    Target("inbox_p95_ms", "", 20.0, at_least=False),
    Target("decide_to_act_p95_ms", "", 30.0, at_least=False),
)


def judge_targets(
    results: dict[str, Any], targets: Sequence[Target] = TARGETS
) -> list[dict[str, Any]]:
    """Each target with what was measured; one that this run did not measure is left out."""
    judged = []
    for target in targets:
        value = results[target.name]
        if target.at_a_time:
            value = value.get(target.at_a_time)
        if value is not None:
            met = value >= target.bound if target.at_least else value <= target.bound
            judged.append({"target": target.words, "measured": round(value, 2), "met": met})
    return judged


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    names = [field.name for field in fields(Row)]
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(_cell(getattr(row, n)) for n in names)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def conclusion(document: dict[str, Any]) -> str:
    """The ratios and the targets, one a line."""
    lines = [
        f"{name.replace('_', ' ')}: {_short(value)}"
        for name, value in document.items()
        if name not in ("targets", "machine", "rows")
    ]
    lines += [
        f"{'met   ' if judged['met'] else 'MISSED'} {judged['target']} (measured"
        f" {judged['measured']:g})"
        for judged in document["targets"]
    ]
    return "\n".join(lines)


def _short(value: object) -> str:
    return json.dumps(value).replace('"', "").strip("{}")

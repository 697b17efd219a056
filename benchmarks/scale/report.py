"""Reporting: the figures under stable names, and whether the targets are met."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.engine.measure import percentile
from benchmarks.engine.report import Target, judge_targets
from benchmarks.scale.lists import Lists
from benchmarks.scale.measure import Found, Size
from benchmarks.scale.usage import Usage

TARGETS = (
    Target("inbox_p95_ms", "", 20.0, at_least=False),
    Target("inbox_finished_ratio", "", 2.0, at_least=False),
    Target("start_extra_s", "", 0.5, at_least=False),
    Target("memory_extra_mb", "", 60.0, at_least=False),
    Target("idle_cpu_empty_percent", "", 1.0, at_least=False),
    Target("idle_cpu_paused_percent", "", 1.0, at_least=False),
    Target("decide_to_act_worker_p95_ms", "", 300.0, at_least=False),
)


def summarize(size: Size, found: Found, machines: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that was measured, as plain JSON; None where this system does not tell."""
    results = {
        "paused": size.paused,
        "finished": size.finished,
        **_lists("", found.lists),
        **_lists("finished_", found.lists_finished),
        "inbox_finished_ratio": _ratio(found.lists.inbox, found.lists_finished.inbox),
        "runs_finished_ratio": _ratio(found.lists.runs, found.lists_finished.runs),
        "paused_runs_finished_ratio": _ratio(
            found.lists.paused_runs, found.lists_finished.paused_runs
        ),
        "start_empty_s": round(found.start_empty, 2),
        "start_paused_s": round(found.start_paused, 2),
        "start_extra_s": round(found.start_paused - found.start_empty, 2),
        "start_finished_s": round(found.start_finished, 2),
        "doctor_empty_s": round(found.doctor_empty, 2),
        "doctor_finished_s": round(found.doctor_finished, 2),
        **_usages(found.idle_empty, found.idle_paused),
        "decide_to_act_worker_p50_ms": round(percentile(found.acts, 50), 1),
        "decide_to_act_worker_p95_ms": round(percentile(found.acts, 95), 1),
    }
    targets = judge_targets(results, TARGETS)
    return {**results, "size": asdict(size), "targets": targets, "machine": machines}


def _lists(when: str, lists: Lists) -> dict[str, float]:
    return {
        f"{name}_{when}p{rank}_ms": round(percentile(looks, rank), 2)
        for name, looks in vars(lists).items()
        for rank in (50, 95)
    }


def _ratio(before: list[float], after: list[float]) -> float:
    """Of the medians, which a busy machine moves the least."""
    return round(median(after) / median(before), 2)


def _usages(empty: Usage | None, paused: Usage | None) -> dict[str, float | None]:
    if empty is None or paused is None:
        names = ("memory_empty_mb", "memory_paused_mb", "memory_extra_mb")
        return dict.fromkeys((*names, "idle_cpu_empty_percent", "idle_cpu_paused_percent"))
    return {
        "memory_empty_mb": round(empty.memory_mb, 1),
        "memory_paused_mb": round(paused.memory_mb, 1),
        "memory_extra_mb": round(paused.memory_mb - empty.memory_mb, 1),
        "idle_cpu_empty_percent": round(empty.cpu_percent, 2),
        "idle_cpu_paused_percent": round(paused.cpu_percent, 2),
    }


def text(document: dict[str, Any]) -> str:
    """The figures and the targets, one a line."""
    lines = []
    for label, machine in zip(("before", "after"), document["machine"], strict=True):
        lines.append(f"{label + ':':<8}{machine['cores']} cores, load {machine['load'][0]:g}")
    for name, value in document.items():
        if name not in ("size", "targets", "machine"):
            lines.append(f"{name.replace('_', ' ')}: {'not told here' if value is None else value}")
    for judged in document["targets"]:
        mark = "met   " if judged["met"] else "MISSED"
        lines.append(f"{mark} {judged['target']} (measured {judged['measured']:g})")
    return "\n".join(lines)

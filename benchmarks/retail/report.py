"""Reporting: the numbers, whether they are as they must be, and where they are not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from benchmarks.retail.adversarial import UNATTENDED, AdversaryResult
from benchmarks.retail.compare import Difference
from benchmarks.retail.replay import Again, Approver, TaskResult

SHOWN = 5
"""Differences listed per task; the rest are counted."""
WIDTH = 100
LATENCY = 1.0
"""Seconds that a language model takes for an answer."""

Summary = dict[str, Any]


def summarize_tasks(
    results: Sequence[TaskResult], approver: Approver, seconds: float
) -> tuple[Summary, bool]:
    """The numbers of a replay, and whether they are as they must be."""
    summary: Summary = {
        "tasks": len(results),
        "equal": sum(result.equal for result in results),
        "unattended": sum(result.unattended for result in results),
        "asked": sum(result.asked for result in results),
        "denied": sum(result.denied for result in results),
        "tool_errors": sum(result.tool_errors for result in results),
        "results_equal": sum(result.results_equal for result in results),
        "actions": sum(result.actions for result in results),
    }
    if approver == "deny":
        summary["changed"] = sum(result.changed for result in results)
        good = summary["changed"] == 0
    else:
        good = summary["equal"] == summary["tasks"]
    replays = [result.again for result in results if result.again is not None]
    if replays:
        summary |= _summarize_replays(replays, seconds)
        good = good and summary["identical"] == summary["replayed"]
    return {**summary, "seconds": round(seconds, 2)}, good


def _summarize_replays(replays: Sequence[Again], seconds: float) -> Summary:
    """`faster`: than the tasks would have been with a model that takes a second a call."""
    took, asked = sum(one.seconds for one in replays), sum(one.asked for one in replays)
    return {
        "replayed": len(replays),
        "identical": sum(one.identical for one in replays),
        "replay_seconds": round(took, 2),
        "model_calls": asked,
        "faster": round((seconds - took + asked * LATENCY) / max(took, 0.001), 1),
    }


def summarize_attacks(results: Sequence[AdversaryResult], seconds: float) -> tuple[Summary, bool]:
    """The numbers of the bad proposals, and whether every one was stopped."""
    by_class: dict[str, Counter[str]] = {}
    for result in results:
        by_class.setdefault(result.expected, Counter())[result.got] += 1
    summary: Summary = {
        "proposals": len(results),
        "stopped": sum(result.stopped for result in results),
        "class_right": sum(result.got == result.expected for result in results),
        "executed_unattended": sum(result.got == UNATTENDED for result in results),
        "by_class": {name: dict(got) for name, got in by_class.items()},
        "seconds": round(seconds, 2),
    }
    good = summary["stopped"] == len(results) and summary["executed_unattended"] == 0
    return summary, good


def task_findings(result: TaskResult, approver: Approver) -> list[str]:
    """What is not as it must be, in words; under `deny` only a change is."""
    problem = [f"stopped: {result.problem}"] if result.problem else []
    if result.again is not None and not result.again.identical:
        problem.append(f"its replay diverges: {result.again.why}")
    if approver == "deny":
        return [*problem, *(["the shop was changed"] if result.changed else [])]
    return [*problem, *_listed(result.differences), *_listed(result.wrong_results)]


def attack_findings(result: AdversaryResult) -> list[str]:
    """What is not as it must be, in words."""
    wrong = result.got != result.expected
    found = [f"expected {result.expected}, got {result.got}: {result.why}"] if wrong else []
    return [*found, *_listed(result.differences)]


def _listed(found: Sequence[Difference]) -> list[str]:
    lines = [
        f"{one.path}: expected {_short(one.expected)}, got {_short(one.got)}"
        for one in found[:SHOWN]
    ]
    more = len(found) - SHOWN
    return [*lines, f"… and {more} more"] if more > 0 else lines


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


class Ticker(Protocol):
    """Hears of each thing that is finished, with what was found wrong about it."""

    def __call__(self, name: str, findings: Sequence[str]) -> None: ...


class Screen:
    """A table and a bar on a terminal, plain lines anywhere else.

    With `as_json`, standard output gets one line of JSON and the rest goes to standard error.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(stderr=as_json, highlight=False)

    @contextmanager
    def progress(self, kind: str, total: int) -> Iterator[Ticker]:
        """Show the progress over `total` things of this kind."""
        columns = (TextColumn(f"{kind}s"), BarColumn(), MofNCompleteColumn())
        live = self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=not live) as bar:
            task = bar.add_task(kind, total=total)

            def tick(name: str, findings: Sequence[str]) -> None:
                bar.advance(task)
                if findings or not (live or self._json):
                    self._say(f"{kind} {name}: {'not as it must be' if findings else 'ok'}")
                for finding in findings:
                    self._say(f"  {finding}")

            yield tick

    def conclude(self, summary: Summary, *, good: bool) -> None:
        """Show the numbers."""
        if self._json:
            print(json.dumps(summary), flush=True)
            return
        rows = [(name.replace("_", " "), value) for name, value in _flat(summary)]
        if self._console.is_terminal:
            table = Table("", "", show_header=False)
            for name, value in rows:
                table.add_row(name, str(value))
            self._console.print(table)
        else:
            for name, value in rows:
                self._say(f"{name}: {value}")
        self._say("Everything is as it must be." if good else "Not everything is as it must be.")

    def _say(self, text: str) -> None:
        self._console.print(escape(text), soft_wrap=True)


def _flat(summary: Summary) -> Iterator[tuple[str, Any]]:
    for name, value in summary.items():
        if isinstance(value, dict):
            for expected, got in value.items():
                counts = ", ".join(f"{number} {kind}" for kind, number in got.items())
                yield f"expected {expected}", counts
        else:
            yield name, value

"""Measures what counting a long history costs, and how fast the metrics page is then.

The last line of standard output is the result as JSON with --json; without, text. Exit code 0:
measured, whether or not the target is met.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from agent_runtime.clock import ManualClock
from agent_runtime.evaluation.evaluate import Evaluation
from agent_runtime.evaluation.keeper import Keeper
from agent_runtime.evaluation.window import Window, window
from agent_runtime.store import Store
from benchmarks.evaluation.history import invent

TARGET = 300.0
"""Milliseconds for a page of metrics over a million events."""

LOOKS = 20
DAYS = 90


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(asked.dir or folder), asked.events))
    print(json.dumps(found) if asked.json else _text(found), flush=True)
    return 0


async def measure(folder: Path, events: int) -> dict[str, Any]:
    """Write a history, count it, and look at its figures. Times of looks in milliseconds, of all
    else in seconds."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    store = Store(folder / "runtime.db", clock)
    begun = time.perf_counter()
    runs = await invent(store, clock, events, DAYS)
    written = time.perf_counter() - begun
    keeper = Keeper(store)
    begun, worked = time.perf_counter(), time.process_time()
    await keeper.keep_up("default")
    counted, spent = time.perf_counter() - begun, time.process_time() - worked
    today = clock.now().date()
    month = await _looks(store, keeper, window(None, None, today))
    whole = await _looks(store, keeper, window(date(2026, 1, 1), None, today))
    head = store.read("default").measures.head()
    store.close()
    return {
        "events": head,
        "runs": runs,
        "written_s": round(written, 1),
        "counted_s": round(counted, 1),
        "cpu_us_per_event": round(spent / head * 1e6, 1),
        "page_30_days_ms": month,
        "page_90_days_ms": whole,
        "target_ms": TARGET,
        "met": max(month["worst"], whole["worst"]) <= TARGET,
    }


async def _looks(store: Store, keeper: Keeper, days: Window) -> dict[str, float]:
    """The metrics page as the API makes it, JSON and all."""
    evaluation, taken = Evaluation(store, keeper), []
    for _ in range(LOOKS):
        begun = time.perf_counter()
        report = await evaluation.report("default", days)
        report.model_dump_json()
        taken.append((time.perf_counter() - begun) * 1e3)
    taken.sort()
    return {"median": round(taken[len(taken) // 2], 1), "worst": round(taken[-1], 1)}


def _text(found: dict[str, Any]) -> str:
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in found.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="how long a history")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--dir", type=Path, help="an empty folder on the disk to be measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Measures the console on an inbox of 500 questions, in Chromium.

Exit code 0: within the bounds, 1: something was not done as asked, or a bound is broken, 2: bad
input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.api.server import serving
from benchmarks.console.browser import CHROMIUM, browsing, cold, memory, told
from benchmarks.engine.case import WrongRun
from benchmarks.engine.governed import open_governed
from benchmarks.engine.measure import machine
from benchmarks.engine.people import seed_paused
from benchmarks.scale.usage import is_told

BOUNDS = {"usable_ms": 600.0, "cold_kb": 60.0, "told_ms": 100.0, "page_kb": 100.0}
"""What the console promises; each is the median."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    pending: int
    visits: int
    decisions: int
    pages: int


FULL = Size(500, 7, 15, 100)
QUICK = Size(80, 1, 3, 10)


def main(arguments: Sequence[str] | None = None, *, size: Size | None = None) -> int:
    """Run the benchmark; returns the exit code. `size` replaces what --quick chooses."""
    asked = _parser().parse_args(arguments)
    if not CHROMIUM.exists() or not is_told():
        sys.stderr.write(f"This needs Linux and {CHROMIUM}.\n")
        return 2
    try:
        figures = asyncio.run(_measure(size or (QUICK if asked.quick else FULL)))
    except WrongRun as error:
        sys.stderr.write(f"{error}\n")
        return 1
    broken = [name for name, bound in BOUNDS.items() if figures[name] > bound]
    if asked.json:
        sys.stdout.write(json.dumps({**figures, "bounds": BOUNDS, "broken": broken}) + "\n")
    else:
        _tell(figures)
    return 1 if broken and not asked.quick else 0


async def _measure(size: Size) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with open_governed(folder) as case:
            await seed_paused(case, size.pending)
        return await asyncio.to_thread(_at_server, folder, size)


def _at_server(folder: Path, size: Size) -> dict[str, Any]:
    with serving(folder / "project", folder / "governed") as server:

        async def look() -> dict[str, Any]:
            async with browsing() as browser:
                visits = [await cold(browser, server, size.pending) for _ in range(size.visits)]
                spent = await told(browser, server, size.decisions)
            return {
                "machine": machine(),
                "pending": size.pending,
                "usable_ms": median(visit.usable_ms for visit in visits),
                "cold_kb": round(median(visit.bytes for visit in visits) / 1024, 1),
                "told_ms": round(median(spent), 1),
                "told_worst_ms": round(max(spent), 1),
                "page_kb": round(await memory(server, size.pages), 1),
            }

        return asyncio.run(look())


def _tell(figures: dict[str, Any]) -> None:
    words = {
        "usable_ms": "ms until an inbox answers its keys, first visit",
        "cold_kb": "kB over the wire, first visit",
        "told_ms": "ms until a decision has left a colleague's list",
        "page_kb": "kB of the server's memory for each open page",
    }
    sys.stdout.write(f"The console with {figures['pending']} questions, medians:\n")
    for name, what in words.items():
        found, bound = figures[name], BOUNDS[name]
        mark = "" if found <= bound else "  MORE THAN PROMISED"
        sys.stdout.write(f"  {found:>7} of at most {bound:g} {what}{mark}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short look; bounds don't count")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())

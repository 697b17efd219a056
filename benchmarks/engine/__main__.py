"""Measures governed runs beside the bare graph, all in one run.

Exit code 0: measured, 1: a run did not pause once and act once, 2: bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine.bare import open_memory, open_own, open_stock
from benchmarks.engine.case import OpenCase, WrongRun
from benchmarks.engine.chart import draw
from benchmarks.engine.disk import commits_per_s
from benchmarks.engine.governed import open_governed_case
from benchmarks.engine.measure import Plan, machine, measure_all
from benchmarks.engine.people import decide_to_act, inbox
from benchmarks.engine.report import Waits, conclusion, summarize, table

CASES: dict[str, OpenCase] = {
    "memory": open_memory,
    "stock": open_stock,
    "saver": open_own,
    "governed": open_governed_case,
}
RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    cycles: dict[int, int]
    rounds: int
    paused: int
    looks: int
    decisions: int
    disk_seconds: float


FULL = Size({1: 150, 16: 320, 64: 512}, 3, 10_000, 60, 200, 3.0)
QUICK = Size({1: 20, 16: 48}, 1, 200, 10, 10, 0.3)


def main(arguments: Sequence[str] | None = None, *, size: Size | None = None) -> int:
    """Run the benchmark; returns the exit code. `size` replaces what --quick chooses."""
    asked = _parser().parse_args(arguments)
    if asked.dir is not None and not asked.dir.is_dir():
        _say(f"There is no folder {asked.dir}.")
        return 2
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _say(f"{asked.out} cannot be written to: {error.strerror}.")
        return 2
    try:
        document, rows = measure(size or (QUICK if asked.quick else FULL), asked.dir)
    except WrongRun as error:
        _say(f"Aborted, nothing was measured: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    (asked.out / "latest.json").write_text(json.dumps(document, indent=1) + "\n")
    (asked.out / "latest.svg").write_text(draw(rows))
    _say(f"Written: {asked.out / 'latest.json'} and latest.svg")
    _print(document, rows, as_json=asked.json)
    return 0


def measure(size: Size, folder: Path | None) -> tuple[dict[str, Any], list[Any]]:
    """The whole measurement; raises WrongRun."""
    before = machine()
    rows = measure_all(CASES, Plan(size.cycles, size.rounds, folder), _say)
    looks = asyncio.run(inbox(size.paused, size.looks, folder))
    acts = asyncio.run(decide_to_act(size.decisions, folder))
    limit = commits_per_s(size.disk_seconds, folder)
    waits = Waits(size.paused, looks[0], looks, acts)
    return summarize(rows, waits, limit, [before, machine()]), rows


def _print(document: dict[str, Any], rows: list[Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(document), flush=True)
        return
    before, after = document["machine"]
    print(f"before: {json.dumps(before)}\nafter:  {json.dumps(after)}\n")
    print(f"{table(rows)}\n\n{conclusion(document)}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a small run, to see that it works; quote none of it")
    add("--json", action="store_true", help="print the result as one line of JSON")
    add("--out", type=Path, default=RESULTS, metavar="DIR", help="where latest.json is written")
    add("--dir", type=Path, metavar="FOLDER", help="a folder on the disk to be measured")
    return parser


def _say(text: str) -> None:
    print(f"benchmarks.engine: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

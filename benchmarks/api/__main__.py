"""Measures the HTTP API: a server in one process, its clients in this one.

Exit code 0: measured, 1: something was not done as asked, 2: bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.api.cycles import Round, completed, measure
from benchmarks.api.server import serving
from benchmarks.api.waiting import inbox, readers
from benchmarks.engine.case import WrongRun
from benchmarks.engine.governed import open_governed
from benchmarks.engine.measure import machine
from benchmarks.engine.people import seed_paused
from benchmarks.scale.usage import is_told

OTHERS = {
    "Aegra 0.11.0, no Redis": {"cycles_per_s_at_16": 24.6, "cycle_p50_ms": 52},
    "langgraph dev (API 0.16.7)": {"cycles_per_s_at_16": 14.6, "cycle_p50_ms": 2002},
}
"""Quoted from ../shared/bench/README.md, measured on another day: its own workload of the same
four nodes, without policy, journal or history. Not measured here."""


@dataclass(frozen=True)
class Size:
    """How much is measured; cycles by the number of connections."""

    cycles: dict[int, int]
    rounds: int
    pending: int
    looks: int
    readers: int


FULL = Size({1: 100, 16: 320}, 3, 10_000, 200, 500)
QUICK = Size({1: 10, 16: 48}, 1, 200, 20, 20)


def main(arguments: Sequence[str] | None = None, *, size: Size | None = None) -> int:
    """Run the benchmark; returns the exit code. `size` replaces what --quick chooses."""
    asked = _parser().parse_args(arguments)
    if asked.dir is not None and not asked.dir.is_dir():
        _say(f"There is no folder {asked.dir}.")
        return 2
    if not is_told():
        _say("This system does not tell what a process uses; Linux does.")
        return 2
    try:
        document = whole(size or (QUICK if asked.quick else FULL), asked.dir)
    except WrongRun as error:
        _say(f"Aborted, nothing was measured: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    print(json.dumps(document) if asked.json else told(document), flush=True)
    return 0


def whole(size: Size, where: Path | None) -> dict[str, Any]:
    """The whole measurement; raises WrongRun."""
    before = machine()
    with tempfile.TemporaryDirectory(dir=where) as folder:
        rounds = _cycles(size, Path(folder))
    with tempfile.TemporaryDirectory(dir=where) as folder:
        waits = _waits(size, Path(folder))
    per_s = {str(n): round(median(one.per_s for one in found), 1) for n, found in rounds.items()}
    return {
        "cycles_per_s": per_s,
        "rounds": {str(n): [round(one.per_s, 1) for one in found] for n, found in rounds.items()},
        "cycle_p50_ms": round(median(one.p50_ms for one in rounds[1]), 1),
        **waits,
        "others": OTHERS,
        "machine": [before, machine()],
    }


def _cycles(size: Size, folder: Path) -> dict[int, list[Round]]:
    """Rounds of each number of connections in turn, all on one server."""
    found: dict[int, list[Round]] = {connections: [] for connections in size.cycles}

    async def run() -> None:
        await measure(server, AT_FIRST, 1)
        for number in range(size.rounds):
            for connections, cycles in size.cycles.items():
                one = await measure(server, cycles, connections)
                found[connections].append(one)
                _say(f"round {number + 1}, {connections} connections: {one.per_s:.1f} cycles/s")
        expected = AT_FIRST + size.rounds * sum(size.cycles.values())
        if await completed(server) != expected:
            raise WrongRun(f"Not all of {expected} runs were completed.")

    with serving(folder / "project", folder / "data") as server:
        asyncio.run(run())
    return found


AT_FIRST = 5
"""Cycles that warm the server up."""


def _waits(size: Size, folder: Path) -> dict[str, Any]:
    async def seed() -> None:
        async with open_governed(folder) as case:
            await seed_paused(case, size.pending)

    asyncio.run(seed())
    _say(f"{size.pending} questions wait")
    with serving(folder / "project", folder / "governed") as server:
        looks = asyncio.run(inbox(server, size.pending, size.looks))
        found = asyncio.run(readers(server, size.readers))
    return {
        "api_inbox_p95_ms": round(quantiles(looks, n=20)[-1], 1),
        "api_inbox_p50_ms": round(median(looks), 1),
        "sse_readers": {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(found).items()
        },
    }


def told(document: dict[str, Any]) -> str:
    """The same for people."""
    heard = document["sse_readers"]
    lines = [
        "cycles/s over HTTP, start → paused → approve → done:",
        *(f"  {n:>3} connections  {value}" for n, value in document["cycles_per_s"].items()),
        f"one at a time, p50: {document['cycle_p50_ms']} ms",
        f"a page of the inbox, p95: {document['api_inbox_p95_ms']} ms",
        f"{heard['count']} readers: {heard['mb']} MB; a new event reached all in"
        f" {heard['worst_s']} s",
        "others (quoted from ../shared/bench/README.md, not measured here):",
        *(
            f"  {name}: {value['cycles_per_s_at_16']} cycles/s at 16, {value['cycle_p50_ms']} ms"
            for name, value in document["others"].items()
        ),
        f"machine before and after: {json.dumps(document['machine'])}",
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a small run, to see that it works; quote none of it")
    add("--json", action="store_true", help="print the result as one line of JSON")
    add("--dir", type=Path, metavar="FOLDER", help="a folder on the disk to be measured")
    return parser


def _say(text: str) -> None:
    print(f"benchmarks.api: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Measures the layer around a model, against a local server in another process.

Exit code 0: within the limits, 1: beyond one of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from agent_runtime.lasting import lasting_loop
from benchmarks.models.measure import bare_crowd, crowd, overhead
from benchmarks.models.server import serving

T = TypeVar("T")

MOST_MS, MOST_TICK_MS = 3.0, 50.0
"""What the layer may add to a call, and how late a 10 ms timer may be in 1 of 100 cases."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    asked = _parser().parse_args(arguments)
    calls, flight = (20, 20) if asked.quick else (300, 200)
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        one = _run(overhead(Path(folder) / "one", url, calls))
        alone = _run(bare_crowd(url, flight))
        many = _run(crowd(Path(folder) / "many", url, flight))
    document = {
        "bare_ms": round(one.bare_ms, 2),
        "layer_ms": round(one.layer_ms, 2),
        "beyond_ms": round(one.beyond_ms, 2),
        "in_flight": many.in_flight,
        "seconds": round(many.seconds, 2),
        "timer_p99_ms": round(many.timer_p99_ms, 1),
        "held_p99_ms": round(many.held_p99_ms, 1),
        "bare_timer_p99_ms": round(alone.timer_p99_ms, 1),
        "bare_held_p99_ms": round(alone.held_p99_ms, 1),
    }
    if asked.json:
        print(json.dumps(document))
    else:
        print(
            f"A bare call takes {document['bare_ms']} ms, one by the executor"
            f" {document['layer_ms']}: {document['beyond_ms']} ms more (at most {MOST_MS}).\n"
            f"With {flight} calls in flight a 10 ms timer takes {document['timer_p99_ms']} ms"
            f" in the worst of 100 cases (at most {MOST_TICK_MS}); the loop was at work for"
            f" {document['held_p99_ms']} ms. With a bare client it takes"
            f" {document['bare_timer_p99_ms']} ms, {document['bare_held_p99_ms']} ms of work."
        )
    return 0 if one.beyond_ms <= MOST_MS and many.timer_p99_ms <= MOST_TICK_MS else 1


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On a loop as `serve` and `worker` have."""
    with asyncio.Runner(loop_factory=lasting_loop) as runner:
        return runner.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.models", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a few calls, for a test")
    return parser


if __name__ == "__main__":
    sys.exit(main())

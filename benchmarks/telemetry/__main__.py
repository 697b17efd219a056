"""Measures the CPU time of governed runs without telemetry, with it off, and with it exporting.

The three take turns in each round, each on an empty folder; what counts is the median over rounds
of their ratio within a round. The receiver is a process of its own, and its time is not counted.
Exit code 0: measured, whether or not a target is met.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import INVALID_SPAN, Span

from agent_runtime.run import Run
from agent_runtime.telemetry import Telemetry
from agent_runtime.telemetry.export import Patient
from benchmarks.engine.case import run_cycle
from benchmarks.engine.governed import open_governed

TARGETS = {"off": 1.02, "on": 1.15}
ABREAST = 16


class Nothing(Telemetry):
    """No telemetry at all: what the other two are held against."""

    @contextmanager
    def segment(self, run: Run) -> Iterator[Span]:  # noqa: ARG002 — the same as the other's
        yield INVALID_SPAN

    @contextmanager
    def span(self, *_: object, **__: object) -> Iterator[Span]:
        yield INVALID_SPAN


def exporting(url: str) -> Telemetry:
    """To a receiver, as the environment would have it."""
    return Telemetry(BatchSpanProcessor(Patient(OTLPSpanExporter(f"{url}/v1/traces"))))


async def measure(telemetry: Telemetry, cycles: int) -> float:
    """CPU milliseconds of a run, all threads of this process."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_governed(Path(folder), telemetry=telemetry) as case:
            await asyncio.gather(*(run_cycle(case, f"warm-{i}") for i in range(ABREAST)))
            began = time.process_time()
            for first in range(0, cycles, ABREAST):
                names = [f"run-{first + i}" for i in range(ABREAST)]
                await asyncio.gather(*(run_cycle(case, name) for name in names))
            return 1000 * (time.process_time() - began) / cycles


def rounds(url: str, count: int, cycles: int) -> list[dict[str, float]]:
    """Each round's figures, in an order that turns."""
    kinds: dict[str, Callable[[], Telemetry]] = {
        "none": Nothing,
        "off": Telemetry,
        "on": lambda: exporting(url),
    }
    found = []
    for number in range(count):
        order = [*kinds][number % 3 :] + [*kinds][: number % 3]
        found.append({kind: asyncio.run(measure(kinds[kind](), cycles)) for kind in order})
        print(f"round {number + 1} of {count}", file=sys.stderr, flush=True)
    return found


@contextmanager
def receiver() -> Iterator[str]:
    """A receiver in a process of its own; its address."""
    line = [sys.executable, "-m", "agent_runtime.testing.otlp", "--port", "0", "--quiet"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            yield url
        finally:
            process.terminate()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="the result as one line")
    options.add_argument("--quick", action="store_true", help="seconds, to see that it works")
    asked = options.parse_args(arguments)
    count, cycles = (3, 32) if asked.quick else (9, 192)
    with receiver() as url:
        found = rounds(url, count, cycles)
    none = median(one["none"] for one in found)
    ratios = {kind: median(one[kind] / one["none"] for one in found) for kind in TARGETS}
    spread = {
        kind: [round(r, 3) for r in sorted(one[kind] / one["none"] for one in found)]
        for kind in TARGETS
    }
    result = {
        "cpu_ms_without": round(none, 2),
        "off": round(ratios["off"], 3),
        "on": round(ratios["on"], 3),
        "rounds": spread,
        "targets": TARGETS,
    }
    if asked.json:
        print(json.dumps(result))
        return 0
    print(f"A governed run takes {none:.2f} ms of CPU time without telemetry.")
    for kind, target in TARGETS.items():
        met = "met" if ratios[kind] <= target else "not met"
        print(f"telemetry {kind}: {ratios[kind]:.3f} times that (target ≤ {target}: {met})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

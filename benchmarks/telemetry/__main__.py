"""Measures the CPU time of governed runs without telemetry, with it off, and with it exporting.

The three stand beside each other in one process and take turns, a second or less at a time, in an
order that turns too; what counts is the median, over many rounds, of their ratio within a round.
So whatever else the machine does falls on all three. Exporting is counted to its end, with all
threads of this process; the receiver is a process of its own, and its time is not counted.
Exit code 0: measured, whether or not a target is met.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import INVALID_SPAN, Span

from agent_runtime.run import Run
from agent_runtime.telemetry import Telemetry
from agent_runtime.telemetry.export import Patient
from benchmarks.engine.case import Case, run_cycle
from benchmarks.engine.governed import open_governed

TARGETS = {"off": 1.02, "on": 1.15}
ABREAST = 16
WARM = 3
"""Rounds that are not counted."""


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


async def measure(url: str, count: int) -> list[dict[str, float]]:
    """CPU milliseconds of a run by kind, for each round."""
    kinds = {"none": Nothing(), "off": Telemetry(), "on": exporting(url)}
    async with AsyncExitStack() as stack:
        cases = {}
        for kind, telemetry in kinds.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            opened = open_governed(Path(folder), telemetry=telemetry)
            cases[kind] = await stack.enter_async_context(opened)
        found = []
        for number in range(-WARM, count):
            order = [*kinds][number % 3 :] + [*kinds][: number % 3]
            spent = {kind: await _block(cases[kind], kinds[kind], number) for kind in order}
            if number >= 0:
                found.append(spent)
            if number % 10 == 9:
                print(f"round {number + 1} of {count}", file=sys.stderr, flush=True)
    return found


async def _block(case: Case, telemetry: Telemetry, number: int) -> float:
    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(run_cycle(case, f"run-{number}-{i}") for i in range(ABREAST)))
    telemetry.flush()
    return 1000 * (time.process_time() - began) / ABREAST


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
    with receiver() as url:
        found = asyncio.run(measure(url, 6 if asked.quick else 60))
    none = median(one["none"] for one in found)
    ratios = {kind: median(one[kind] / one["none"] for one in found) for kind in TARGETS}
    spread = {
        kind: [round(r, 3) for r in quantiles(one[kind] / one["none"] for one in found)]
        for kind in TARGETS
    }
    result = {
        "cpu_ms_without": round(none, 2),
        "off": round(ratios["off"], 3),
        "on": round(ratios["on"], 3),
        "rounds": len(found),
        "quartiles": spread,
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

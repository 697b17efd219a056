"""Measures the CPU time of governed runs without telemetry, with it off, with it exporting, and
with their events counted into the figures of evaluation.

They stand beside each other in one process and take turns, a second or less at a time, in an
order that turns too; what counts is the median, over many rounds, of their ratio within a round.
So whatever else the machine does falls on all of them. Exporting is counted to its end, with all
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import INVALID_SPAN, Span

from agent_runtime.run import Run
from agent_runtime.telemetry import Telemetry
from agent_runtime.telemetry.export import Patient
from benchmarks.engine.case import run_cycle
from benchmarks.engine.governed import GovernedCase, open_governed

TARGETS = {"off": 1.02, "on": 1.15}
ABREAST = 16
WARM = 3
"""Rounds that are not counted."""
REPEATS = 200
"""How often the calls of telemetry are made by themselves; the fastest counts."""

Call = Callable[[Telemetry], object]


class Nothing(Telemetry):
    """No telemetry at all: what the others are held against."""

    def segment(self, run: Run) -> AbstractContextManager[Span]:  # noqa: ARG002 — as the other's
        return nullcontext(INVALID_SPAN)

    def span(self, *_: object, **__: object) -> AbstractContextManager[Span]:
        return nullcontext(INVALID_SPAN)


class Noted(Telemetry):
    """Telemetry that is off, and notes what it is called for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def segment(self, run: Run) -> AbstractContextManager[Span]:
        self.calls.append(lambda other: _through(other.segment(run)))
        return super().segment(run)

    def span(self, *told: Any, **more: Any) -> AbstractContextManager[Span]:
        self.calls.append(lambda other: _through(other.span(*told, **more)))
        return super().span(*told, **more)

    def show(self, *told: Any, **content: Any) -> None:
        self.calls.append(lambda other: other.show(*told, **content))

    def asked(self, *told: Any) -> None:
        self.calls.append(lambda other: other.asked(*told))

    def answered(self, *told: Any) -> None:
        self.calls.append(lambda other: other.answered(*told))

    def waited(self, *told: Any) -> None:
        self.calls.append(lambda other: other.waited(*told))

    def ended(self, *told: Any) -> None:
        self.calls.append(lambda other: other.ended(*told))


def _through(span: AbstractContextManager[Span]) -> None:
    with span:
        pass


def exporting(url: str) -> Telemetry:
    """To a receiver, as the environment would have it."""
    return Telemetry(BatchSpanProcessor(Patient(OTLPSpanExporter(f"{url}/v1/traces"))))


async def measure(url: str, count: int) -> list[dict[str, float]]:
    """CPU milliseconds of a run by kind, for each round."""
    kinds = {"none": Nothing(), "off": Telemetry(), "on": exporting(url), "counted": Telemetry()}
    async with AsyncExitStack() as stack:
        cases = {}
        for kind, telemetry in kinds.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            opened = open_governed(Path(folder), telemetry=telemetry)
            cases[kind] = await stack.enter_async_context(opened)
        found = []
        for number in range(-WARM, count):
            turn = number % len(kinds)
            order = [*kinds][turn:] + [*kinds][:turn]
            spent = {k: await _block(cases[k], kinds[k], number, k == "counted") for k in order}
            if number >= 0:
                found.append(spent)
            if number % 10 == 9:
                print(f"round {number + 1} of {count}", file=sys.stderr, flush=True)
    return found


async def _block(case: GovernedCase, telemetry: Telemetry, number: int, counted: bool) -> float:  # noqa: FBT001 — one caller
    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(run_cycle(case, f"run-{number}-{i}") for i in range(ABREAST)))
    telemetry.flush()
    if counted:
        await case.runtime.keeper.keep_up("default")
    return 1000 * (time.process_time() - began) / ABREAST


async def measure_calls(url: str) -> dict[str, float]:
    """How often a run calls telemetry, and the milliseconds that just these calls take when it is
    off, and with their export when it is on: what the rest of the machine does can make that
    longer, never shorter."""
    noted = Noted()
    with tempfile.TemporaryDirectory() as folder:
        async with open_governed(Path(folder), telemetry=noted) as case:
            await run_cycle(case, "run")
    off, on = _fastest(noted.calls, Telemetry()), _fastest(noted.calls, exporting(url))
    return {"calls": len(noted.calls), "off": off, "on": on}


def _fastest(calls: Sequence[Call], telemetry: Telemetry) -> float:
    """CPU milliseconds of one run's calls, made for as many runs as are abreast."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.process_time()
        for call in [*calls] * ABREAST:
            call(telemetry)
        telemetry.flush()
        best = min(best, time.process_time() - began)
    return 1000 * best / ABREAST


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
        calls = asyncio.run(measure_calls(url))
    result = _result(found, calls)
    print(json.dumps(result) if asked.json else _text(result))
    return 0


def _result(found: list[dict[str, float]], calls: dict[str, float]) -> dict[str, Any]:
    none = median(one["none"] for one in found)
    ratios = {k: [one[k] / one["none"] for one in found] for k in ("off", "on", "counted")}
    return {
        "cpu_ms_without": round(none, 2),
        **{kind: round(median(each), 3) for kind, each in ratios.items()},
        "calls": calls["calls"],
        "calls_us": {kind: round(1000 * calls[kind], 1) for kind in TARGETS},
        "calls_share": {kind: round(calls[kind] / none, 6) for kind in TARGETS},
        "rounds": len(found),
        "quartiles": {k: [round(r, 3) for r in quantiles(each)] for k, each in ratios.items()},
        "targets": TARGETS,
    }


def _text(result: dict[str, Any]) -> str:
    lines = [f"A governed run takes {result['cpu_ms_without']} ms of CPU time without telemetry."]
    for kind, target in TARGETS.items():
        met = "met" if result[kind] <= target else "not met"
        lines.append(f"telemetry {kind}: {result[kind]} times that (target ≤ {target}: {met})")
    lines += [
        *(
            f"telemetry {kind}, its {result['calls']} calls by themselves:"
            f" {result['calls_us'][kind]} µs, {result['calls_share'][kind]:.3%} of a run"
            for kind in TARGETS
        ),
        f"counted into the figures of evaluation: {result['counted']} times that",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""The two measurements: time beyond a bare call, and how the loop fares with many in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_runtime.lasting import heap_at_rest
from agent_runtime.segment import Segment
from benchmarks.models.case import asked, claimed, messages

TICK = 0.01
"""Seconds between two ticks of the timer that shows whether the loop is free."""

APART = 0.003
"""Seconds between two calls' beginnings: runs come to their models one by one, and all of them are
in flight before the first answer is there."""


@dataclass(frozen=True)
class Overhead:
    """Milliseconds of one call, medians of alternating ones."""

    bare_ms: float
    layer_ms: float

    @property
    def beyond_ms(self) -> float:
        """What the layer adds."""
        return self.layer_ms - self.bare_ms


@dataclass(frozen=True)
class Crowd:
    """So many calls at once, the whole of it in seconds, and the timer's 99th percentile."""

    in_flight: int
    seconds: float
    timer_p99_ms: float


async def overhead(folder: Path, url: str, calls: int) -> Overhead:
    """Ask in turn with the layer and without, so that a noisy moment hits both."""
    bare = ChatOpenAI(model="quick", base_url=url, api_key=SecretStr("none"), max_retries=0)
    sent = messages()
    alone: list[float] = []
    layered: list[float] = []
    async with claimed(folder, url, "quick", 1) as (segment,):
        for number in range(calls + 5):
            began = perf_counter()
            await bare.ainvoke(sent)
            between = perf_counter()
            await asked(segment)
            ended = perf_counter()
            if number >= 5:  # the first ones open connections and fill caches
                alone.append(between - began)
                layered.append(ended - between)
        await segment.lane.settled()
    return Overhead(median(alone) * 1000, median(layered) * 1000)


async def crowd(folder: Path, url: str, calls: int) -> Crowd:
    """Ask many at once, whose answers come over seconds, and watch a timer meanwhile; the heap is
    as `serve` and `worker` keep it."""
    async with claimed(folder, url, "slow", calls) as segments:
        with heap_at_rest():
            return await _watched(segments)


async def _watched(segments: Sequence[Segment]) -> Crowd:
    ticks: list[float] = []
    timer = asyncio.create_task(_tick(ticks))
    began = perf_counter()
    await asyncio.gather(*(_after(n * APART, one) for n, one in enumerate(segments)))
    seconds = perf_counter() - began
    timer.cancel()
    for segment in segments:
        await segment.lane.settled()
    return Crowd(len(segments), seconds, quantiles(ticks, n=100)[98] * 1000)


async def _after(seconds: float, segment: Segment) -> None:
    await asyncio.sleep(seconds)
    await asked(segment)


async def _tick(ticks: list[float]) -> None:
    while True:
        began = perf_counter()
        await asyncio.sleep(TICK)
        ticks.append(perf_counter() - began)

"""The two measurements: time beyond a bare call, and how the loop fares with many in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, thread_time
from typing import Any

import httpx
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_runtime.lasting import heap_at_rest
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
    """So many calls at once, the whole of it in seconds. Of 100 ticks the worst but one: how long
    it took, and what of it the loop was at work, which no other process on the machine adds to."""

    in_flight: int
    seconds: float
    timer_p99_ms: float
    held_p99_ms: float


async def overhead(folder: Path, url: str, calls: int) -> Overhead:
    """Ask in turn with the layer and without, so that a noisy moment hits both."""
    sent = messages()
    alone: list[float] = []
    layered: list[float] = []
    async with _bare("quick", url) as bare, claimed(folder, url, "quick", 1) as (segment,):
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
            found = await _watched([partial(asked, segment) for segment in segments])
        for segment in segments:
            await segment.lane.settled()
    return found


async def bare_crowd(url: str, calls: int) -> Crowd:
    """The same without the layer, as a yardstick: what a client alone makes of the loop here."""
    async with _bare("slow", url) as bare:
        with heap_at_rest():
            return await _watched([partial(bare.ainvoke, messages())] * calls)


@asynccontextmanager
async def _bare(model: str, url: str) -> AsyncIterator[ChatOpenAI]:
    """With a client of its own: the default one belongs to the process's first event loop."""
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=1_000)) as http:
        options: dict[str, Any] = {"http_async_client": http, "max_retries": 0}
        yield ChatOpenAI(model=model, base_url=url, api_key=SecretStr("none"), **options)


async def _watched(calls: list[Callable[[], Coroutine[Any, Any, object]]]) -> Crowd:
    timer = _Timer()
    ticking = asyncio.create_task(timer.run())
    began = perf_counter()
    await asyncio.gather(*(_after(number * APART, call) for number, call in enumerate(calls)))
    seconds = perf_counter() - began
    ticking.cancel()
    return Crowd(len(calls), seconds, _worst(timer.took), _worst(timer.held))


async def _after(seconds: float, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
    await asyncio.sleep(seconds)
    await call()


def _worst(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98] * 1000


@dataclass
class _Timer:
    """Seconds that its ticks took, and seconds of them that the loop's thread was at work."""

    took: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            began, worked = perf_counter(), thread_time()
            await asyncio.sleep(TICK)
            self.took.append(perf_counter() - began)
            self.held.append(thread_time() - worked)

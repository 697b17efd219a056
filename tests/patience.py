"""How tests wait: for what is to come, never for a time. Only PATIENCE ends what is in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that anything of another process may take: a loaded machine stalls for many of them."""


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 — what is waited for happens in another process
            await asyncio.sleep(0.01)


async def at_best(measure: Callable[[], Awaitable[float]], enough: float) -> float:
    """The first of some measurements that is small enough, else the smallest: whatever else the
    machine does only adds to them."""
    found = [await measure()]
    while found[-1] >= enough and len(found) < 5:
        found.append(await measure())
    return min(found)


def awaited(look: Callable[[], T], fits: Callable[[T], object] = bool) -> T:
    """What a look sees, once it fits."""
    end = time.monotonic() + PATIENCE
    while not fits(seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.02)
    return seen

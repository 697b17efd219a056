"""Limits on asking one provider: how many calls at once, and how many a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic


class Limit:
    """For one provider and one event loop. `per_minute`: None for as many as there are.

    Calls are let through one interval apart once a second's worth of them has gone at once, so
    that a burst does not use up a minute's share and then stand still.
    """

    def __init__(
        self, at_once: int, per_minute: int | None = None, now: Callable[[], float] = monotonic
    ) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._door = asyncio.Lock()
        self._interval = None if per_minute is None else 60.0 / per_minute
        self._now = now
        self._next = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the places while asking."""
        async with self._free:
            wait = self.delay()
            if wait > 0:
                await asyncio.sleep(wait)
            yield

    async def turn(self) -> None:
        """Wait for the others at the door. Making a request takes milliseconds of work: of hundreds
        that begin together one is made at a time, and in between the loop does what else there
        is."""
        async with self._door:
            await asyncio.sleep(0)

    def delay(self) -> float:
        """Seconds until the next call may be made; books its turn."""
        if self._interval is None:
            return 0.0
        now = self._now()
        self._next = max(self._next, now - 1.0) + self._interval
        return max(0.0, self._next - now)

"""Rates: how much one token and one tenant may ask for in a minute, in this process."""

from __future__ import annotations

import time
from collections import OrderedDict

from agent_runtime.errors import RateLimited

KNOWN = 10_000
"""Buckets kept at most; the one that was longest unused goes, full as it is by then."""

BURST = 10.0
"""Seconds' worth that may be asked for at once."""


class Rates:
    """Token buckets: `per_minute` on average, ten seconds' worth at once."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, self._rate * BURST)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> None:
        """Take one; raises RateLimited that says when there is one again."""
        now = time.monotonic()
        left, since = self._buckets.pop(name, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        self._buckets[name] = (max(0.0, left - 1) if left >= 1 else left, now)
        if len(self._buckets) > KNOWN:
            self._buckets.popitem(last=False)
        if left < 1:
            raise RateLimited(
                f"More than {self._rate * 60:.0f} requests a minute.", (1 - left) / self._rate
            )

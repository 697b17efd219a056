"""Progress: how far a streamed answer is, told to the run's live events now and then."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

PAUSE = 0.5
"""Seconds between two events of one call at least."""

MOST = 20
"""Events of one call: each of them stands in the history for good."""


class Progress:
    """One call's; `tell` hears of characters, never of the words: they are not validated yet, and
    nobody should act on half an answer."""

    def __init__(self, tell: Callable[[int], None], now: Callable[[], float] = monotonic) -> None:
        self._tell = tell
        self._now = now
        self._told = 0
        self._last = now()

    def __call__(self, characters: int) -> None:
        """Hear how many characters there are by now."""
        now = self._now()
        if self._told < MOST and now - self._last >= PAUSE:
            self._told, self._last = self._told + 1, now
            self._tell(characters)

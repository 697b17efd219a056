"""Retrying: which failures pass by themselves, and how long to wait for that."""

from __future__ import annotations

import random
from datetime import timedelta

from agent_runtime.errors import ModelUnavailable, StoreError

MAX_TRIES = 6
"""Attempts at one segment, the first included; after them a person looks."""

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
"""Seconds before the second attempt, and before any."""

PASSING = frozenset({408, 409, 425, 429})
"""The provider's refusals that mean "later", not "never": the other 4xx repeat themselves."""

SHORTAGES = ("is locked", "is full")
"""SQLite's words for what passes: another program holds the file, or the disk has no room."""


def backoff(tries: int, rng: random.Random) -> timedelta | None:
    """How long to wait after the `tries`-th failure in a row; None when it was the last.

    The upper half of an exponentially growing span: jitter keeps runs that failed together from
    coming back together, and the lower half is left out because a delay near nothing is no delay.
    """
    if tries >= MAX_TRIES:
        return None
    span = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (tries - 1))
    return timedelta(seconds=span * rng.uniform(0.5, 1.0))


def is_transient(error: Exception) -> bool:
    """Whether the same attempt may succeed later without anybody's doing."""
    if isinstance(error, ModelUnavailable):
        status = getattr(error.__cause__, "status_code", None)
        return not isinstance(status, int) or status >= 500 or status in PASSING
    # The writer tells of a failed commit by its text.
    return isinstance(error, StoreError) and any(word in error.message for word in SHORTAGES)

"""A process that lasts: `serve` and `worker` run for weeks, every other command for a moment."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

THRESHOLDS = (10_000, 10, 10)
"""New objects before the garbage collector looks at them, and rounds before it looks at older
ones. A run makes and drops some thousands, hardly any of them in cycles."""


def lasting_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose callbacks, timers and sockets are in C."""
    return uvloop.new_event_loop()


@contextmanager
def heap_at_rest() -> Iterator[None]:
    """Keep what there is by now out of the garbage collector's sight: the libraries' hundreds of
    thousands of objects last as long as the process, and were looked through again and again."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

"""Interrupts: Ctrl-C is heard at once, whatever the process waits for, and then it ends.

Python runs a signal's handler between two steps of its own. A signal that comes in the instant
before a wait begins, or that another thread receives, does not end that wait: it is heard when
something else does. A descriptor that signals make readable is such a thing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

BESIDE = "beside"
"""What the names of threads begin with that work for the event loop."""

PATIENCE = 0.5
"""Seconds for such threads to end that have nothing left to do."""


def run_through(
    work: Coroutine[Any, Any, T],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """As `asyncio.run`, on a loop that hears signals (one of another make does so by itself); what
    a thread still does that nobody waits for any more, such as a tool that hangs, is left."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop, threads = runner.get_loop(), ThreadPoolExecutor(thread_name_prefix=BESIDE)
        loop.set_default_executor(threads)
        try:
            return runner.run(_heard(work) if loop_factory is None else work)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            loop.set_default_executor(ThreadPoolExecutor(1))  # closing waits for its threads


def leave(code: int) -> NoReturn:
    """End the process, although such a thread is still at work."""
    left = [one for one in threading.enumerate() if one.name.startswith(BESIDE)]
    for thread in left:
        thread.join(PATIENCE / len(left))
    if any(thread.is_alive() for thread in left):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextmanager
def interruptible() -> Iterator[int]:
    """Let Ctrl-C end the waiting for a line at once: asyncio's own handler would only ask the
    event loop to cancel the task, and the loop stands still while a person types.

    Yields a descriptor to wait for beside the line: a signal makes it readable.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with _waking() as heard:
            yield heard
    finally:
        signal.signal(signal.SIGINT, before)


async def _heard(work: Coroutine[Any, Any, T]) -> T:
    """The work, on a loop that signals wake: the handler that asyncio has set cancels it now, and
    not when the next timer or answer comes."""
    loop = asyncio.get_running_loop()
    with _waking() as heard:
        loop.add_reader(heard, os.read, heard, 64)
        try:
            return await work
        finally:
            loop.remove_reader(heard)


@contextmanager
def _waking() -> Iterator[int]:
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield heard
    finally:
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(told)

"""Child processes of the harness: started, watched, killed and waited for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks.crash.child import CONTEXT, NOTES
from benchmarks.crash.notes import Notes

PATIENCE = 120.0
"""Seconds that a child may take for its job before the scenario fails."""
NAP = 0.005


class Stuck(Exception):
    """A child did something else than it was told: it failed, or it did not come to an end."""


_LOCK = threading.Lock()
"""Starting a child reaps all that have ended: of two threads, one would take the other's exit code
away."""


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Tell of a scenario that is stuck which of its children failed, and with what."""
    try:
        yield
    except Stuck as stuck:
        failed = [
            f"{note['job']}: {note['error']}" for note in Notes(folder / NOTES).read("failed")
        ]
        raise Stuck(f"{stuck} Failed: {'; '.join(failed) or 'none'}.") from stuck


def spawn(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a child."""
    child = CONTEXT.Process(target=target, args=args, daemon=True)
    with _LOCK:
        child.start()
    return child


def ended(child: BaseProcess, patience: float = PATIENCE) -> int:
    """The exit code of a child, once it has ended; -9 is a kill. Raises Stuck."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with _LOCK:
            code = child.exitcode
        if code is not None:
            return code
        time.sleep(NAP)
    child.kill()
    raise Stuck(f"{child.name} did not end within {patience:.0f} s.")


def expect(child: BaseProcess, code: int, what: str) -> None:
    """Wait for a child that is to end with this code; raises Stuck."""
    found = ended(child)
    if found != code:
        raise Stuck(f"{what}: a process ended with {found} instead of {code}.")


def send(child: BaseProcess, number: signal.Signals) -> None:
    """Send a signal to a child of ours."""
    if child.pid is not None:
        os.kill(child.pid, number)


def stop(child: BaseProcess, folder: Path, what: str) -> None:
    """Tell a child to end, once it listens, and wait until it has; raises Stuck."""
    notes = Notes(folder / NOTES)
    until(lambda: {"kind": "opened", "pid": child.pid} in notes.read("opened"), what)
    send(child, signal.SIGTERM)
    expect(child, 0, what)


def until(met: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until that is so; raises Stuck."""
    end = time.monotonic() + patience
    while not met():
        if time.monotonic() > end:
            raise Stuck(f"{what}: not within {patience:.0f} s.")
        time.sleep(NAP)

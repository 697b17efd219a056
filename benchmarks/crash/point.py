"""Crash points: the named places at which a process may be told to die or to fall asleep.

They are seams of the harness, not of the product: its own tools and chat model call the trap, and
every SQLite connection of the process is made of a class that does so around COMMIT.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, get_args

from benchmarks.crash.notes import Notes

Kind = Literal[
    "commit.before", "commit.after", "model.before", "model.after", "tool.before", "tool.after"
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Point:
    """The `nth` time (from 1) that a process passes a place."""

    kind: Kind
    nth: int

    def __str__(self) -> str:
        return f"{self.kind}#{self.nth}"


@dataclass(frozen=True)
class Crash:
    """What happens to a process where: SIGKILL, or SIGSTOP until it is woken."""

    point: Point
    by: signal.Signals = signal.SIGKILL


class Trap:
    """Counts the points that a process passes, and springs at one of them.

    Commits come from the writer's thread, the others from the event loop's.
    """

    def __init__(self, notes: Notes, crash: Crash | None) -> None:
        self.passed: list[Point] = []
        self.writing = threading.Lock()
        """Held within each transaction: who is stopped inside one holds the file's own lock, and
        nobody could take anything over."""
        self._notes = notes
        self._crash = crash
        self._counts: Counter[Kind] = Counter()
        self._lock = threading.Lock()

    def __call__(self, kind: Kind) -> None:
        """Pass a place."""
        with self._lock:
            self._counts[kind] += 1
            point = Point(kind, self._counts[kind])
            self.passed.append(point)
        if self._crash is not None and self._crash.point == point:
            self._spring(self._crash)

    def _spring(self, crash: Crash) -> None:
        if crash.by is signal.SIGKILL:
            self._notes.add("struck", point=str(crash.point))
            os.kill(os.getpid(), crash.by)
        with self.writing:
            self._notes.add("struck", point=str(crash.point))
            # To this very thread: sent to the process, another one may take it, and this one go on.
            signal.pthread_kill(threading.get_ident(), crash.by)

    def watch_commits(self) -> None:
        """From now on, each COMMIT of any connection of this process is two points."""
        connect = sqlite3.connect

        def watched(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            base = kwargs.pop("factory", sqlite3.Connection)
            return connect(*args, factory=_watched(base, self), **kwargs)

        sqlite3.connect = watched  # type: ignore[assignment]  # an overload for each factory


def _watched(base: type[sqlite3.Connection], trap: Trap) -> type[sqlite3.Connection]:
    """That class of connection, with the trap around COMMIT."""

    def execute(self: sqlite3.Connection, sql: str, *given: Any) -> sqlite3.Cursor:
        match sql.strip().upper():
            case "BEGIN IMMEDIATE":
                trap.writing.acquire()
                try:
                    done = base.execute(self, sql, *given)
                except sqlite3.Error:
                    trap.writing.release()
                    raise
            case "ROLLBACK":
                done = base.execute(self, sql, *given)
                trap.writing.release()
            case "COMMIT":
                trap("commit.before")
                done = base.execute(self, sql, *given)
                trap.writing.release()
                trap("commit.after")
            case _:
                done = base.execute(self, sql, *given)
        return done

    return type(f"Watched{base.__name__}", (base,), {"execute": execute})

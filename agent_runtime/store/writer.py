"""The one writer of a process: what waits is committed together (group commit).

Requests are served first in, first out. One that fails harms no neighbour: what its batch did so
far is rolled back, and the batch is run again with a savepoint for each request, so that a request
may run twice and must only change the database. A caller's future resolves only after COMMIT; a
failed COMMIT fails its whole batch. A caller that is cancelled may have committed.

A batch's statements run on the event loop: they are quick, and a thread of their own would fight
the loop for the interpreter's lock at each of them. What waits for the disk or for another process
runs on the writer's thread: COMMIT, a file that is locked, and work that says it takes long.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from agent_runtime.errors import StoreError
from agent_runtime.store.database import BUSY_TIMEOUT, fault_of

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]
Failed = Callable[[BaseException], None]
"""Told where the request runs, before anything else is served."""

MAX_BATCH = 64
"""Requests in one transaction at most: bounds how long the first of them waits, and the loop."""


@dataclass
class _Request:
    work: Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    failed: Failed | None = None
    done: Callable[[], None] | None = None
    apart: bool = False
    result: Any = None
    error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.error = error
        if self.failed is not None:
            self.failed(error)

    def resolve(self) -> None:
        if self.done is not None and self.error is None:
            self.done()
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


@dataclass
class _Batch:
    """What one transaction is to do; `filled`: all but its COMMIT is done."""

    requests: list[_Request]
    filled: bool = False

    def resolve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the callers of one loop."""
        for request in self.requests:
            if request.loop is loop:
                request.resolve()


class Writer:
    """Owns the writing connection, used by one thread at a time.

    `begun` is called where a transaction or a request has nothing behind it that could be undone,
    `ending` before what was done so far is made to last. `patience`: seconds to wait for another
    process's lock.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        begun: Callable[[], None] = lambda: None,
        ending: Callable[[], None] = lambda: None,
        patience: float = BUSY_TIMEOUT,
    ) -> None:
        self._connection = connection
        self._begun = begun
        self._ending = ending
        self._patience = patience
        self._lock = threading.RLock()
        """Held while a batch is chosen and filled: the loop's calls are not between them."""
        self._waiting: collections.deque[_Request] = collections.deque()
        self._turn: asyncio.AbstractEventLoop | None = None
        """Whose loop is to serve what waits; it has been called."""
        self._committing = False
        self._closed = False
        self._jobs: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._wait_no_more()
        self._thread = threading.Thread(target=self._commit_all, name="store-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[sqlite3.Connection], T],
        failed: Failed | None = None,
        done: Callable[[], None] | None = None,
        *,
        apart: bool = False,
    ) -> asyncio.Future[T]:
        """Run `work` in the next transaction; its result comes once that is committed, or what
        `work` raised (its changes are rolled back), or StoreError.

        `failed` hears of a failure before any later request runs; `done` is called on the event
        loop after a commit, before the result is there. `apart`: not on the event loop, for work
        that would hold it up.
        """
        loop = asyncio.get_running_loop()
        request = _Request(work, loop, loop.create_future(), failed, done, apart)
        with self._lock:
            if self._closed:
                raise StoreError("The store is closed; nothing of this request was stored.")
            self._waiting.append(request)
            # A loop that has ended since it was called serves nobody any more.
            if not self._committing and not (self._turn and self._turn.is_running()):
                self._turn = loop
                loop.call_soon(self._serve)
        return request.future

    def close(self) -> None:
        """Finish what waits, then close the connection."""
        with self._lock:
            self._closed = True
            while self._waiting:
                self._jobs.put(self._take())
            self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        """Fill a transaction with what waits, on the event loop, and have it committed."""
        with self._lock:
            self._turn = None
            if self._committing or not self._waiting:
                return
            self._committing, batch = True, self._take()
            if not any(request.apart for request in batch.requests):
                batch.filled = self._fill_at_once(batch)
            self._jobs.put(batch)

    def _take(self) -> _Batch:
        count = min(len(self._waiting), MAX_BATCH)
        return _Batch([self._waiting.popleft() for _ in range(count)])

    def _fill_at_once(self, batch: _Batch) -> bool:
        """Whether it could be done without waiting for another process."""
        try:
            self._fill(batch.requests)
        except Exception as error:  # noqa: BLE001 — see `_fail`
            if _is_busy(error) and not self._connection.in_transaction:
                return False
            self._fail(batch, error)
        return True

    def _commit_all(self) -> None:
        """The writer's thread."""
        while (batch := self._jobs.get()) is not None:
            self._commit(batch)
            self._hand_back(batch)

    def _commit(self, batch: _Batch) -> None:
        try:
            if not batch.filled:
                self._connection.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
                self._fill(batch.requests)
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 — see `_fail`
            self._fail(batch, error)
        if not batch.filled:
            self._wait_no_more()

    def _wait_no_more(self) -> None:
        # What runs on the event loop never waits there for another process.
        self._connection.execute("PRAGMA busy_timeout = 0")

    def _fill(self, requests: Sequence[_Request]) -> None:
        """Do all that is asked, up to the COMMIT; raises sqlite3.Error where that fails whoever
        asked."""
        if not self._try_all(requests):
            self._begin()
            for request in requests:
                self._run(request)

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._begun()

    def _try_all(self, requests: Sequence[_Request]) -> bool:
        """Do a batch in which nothing fails; false, with nothing done, if something does."""
        self._begin()
        try:
            for request in requests:
                request.result = request.work(self._connection)
            self._ending()
        except BaseException as error:  # noqa: BLE001 — it belongs to the caller, who gets it
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if len(requests) > 1:
                return False
            requests[0].fail(error)
        return True

    def _run(self, request: _Request) -> None:
        self._connection.execute("SAVEPOINT request")
        try:
            request.result = request.work(self._connection)
            self._ending()
        except BaseException as error:  # noqa: BLE001 — it belongs to the caller, who gets it
            self._connection.execute("ROLLBACK TO request")
            self._begun()
            request.fail(error)
        self._connection.execute("RELEASE request")

    def _fail(self, batch: _Batch, error: Exception) -> None:
        """Tell all of a batch what was nobody's own fault. The writer goes on, whatever it is:
        everybody behind them would wait for ever."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        told = _not_stored(error) if isinstance(error, sqlite3.Error) else error
        for request in batch.requests:
            request.fail(told)

    def _hand_back(self, batch: _Batch) -> None:
        """Resolve the callers' futures: one wake-up for each event loop, not for each request.
        The first of them serves what waits by now."""
        first, *others = dict.fromkeys(request.loop for request in batch.requests)
        with self._lock:
            self._committing, self._turn = False, first
        # A loop that was closed meanwhile has nobody left to tell; the commit stands.
        for loop in others:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(batch.resolve, loop)
        with contextlib.suppress(RuntimeError):
            first.call_soon_threadsafe(self._resume, first, batch)
        if not first.is_running():
            self._go_on_here()

    def _resume(self, loop: asyncio.AbstractEventLoop, batch: _Batch) -> None:
        batch.resolve(loop)
        # Whoever was told goes on first, so that what it asks for next is in the same batch.
        loop.call_soon(self._serve)

    def _go_on_here(self) -> None:
        """Serve what waits without the loop whose turn it was."""
        with self._lock:
            self._turn = None
            if self._waiting and not self._closed:
                self._committing = True
                self._jobs.put(self._take())


def _not_stored(error: sqlite3.Error) -> StoreError:
    return fault_of(error) or StoreError(
        f"The database could not commit: {error}.",
        remedy="Nothing of this request was stored. Check disk space and locks.",
    )


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY

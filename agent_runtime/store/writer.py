"""The one writer of a process: what waits is committed together (group commit).

Requests are served first in, first out. One that fails harms no neighbour: what its batch did so
far is rolled back, and the batch is run again with a savepoint for each request, so that a request
may run twice and must only change the database. A caller's future resolves only after COMMIT; a
failed COMMIT fails its whole batch. A caller that is cancelled may have committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from agent_runtime.errors import StoreError
from agent_runtime.store.database import fault_of

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]
Failed = Callable[[BaseException], None]
"""Told on the writer's own thread, before it serves anything else."""

MAX_BATCH = 256
"""Requests in one transaction at most: bounds how long the first of them waits."""


@dataclass
class _Request:
    work: Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    failed: Failed | None = None
    done: Callable[[], None] | None = None
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


class Writer:
    """Owns the writing connection, on a thread of its own.

    `begun` is called where a transaction or a request has nothing behind it that could be undone,
    `ending` before what was done so far is made to last.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        begun: Callable[[], None] = lambda: None,
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._begun = begun
        self._ending = ending
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[sqlite3.Connection], T],
        failed: Failed | None = None,
        done: Callable[[], None] | None = None,
    ) -> asyncio.Future[T]:
        """Run `work` in the next transaction; its result comes once that is committed, or what
        `work` raised (its changes are rolled back), or StoreError.

        `failed` hears of a failure before any later request runs; `done` is called on the event
        loop after a commit, before the result is there.
        """
        if self._closed:
            raise StoreError("The store is closed; nothing of this request was stored.")
        loop = asyncio.get_running_loop()
        request = _Request(work, loop, loop.create_future(), failed, done)
        self._waiting.put(request)
        return request.future

    def close(self) -> None:
        """Finish what waits, then close the connection."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        open_ = True
        while open_:
            batch: list[_Request] = []
            request = self._waiting.get()
            while request is not None:
                batch.append(request)
                if len(batch) >= MAX_BATCH or self._waiting.empty():
                    break
                request = self._waiting.get()
            open_ = request is not None
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[_Request]) -> None:
        try:
            if not self._try_all(batch):
                self._begin()
                for request in batch:
                    self._run(request)
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for request in batch:
                request.fail(_not_stored(error))
        _tell(batch)

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._begun()

    def _try_all(self, batch: list[_Request]) -> bool:
        """Commit a batch in which nothing fails; false, with nothing stored, if something does."""
        self._begin()
        try:
            for request in batch:
                request.result = request.work(self._connection)
            self._ending()
        except BaseException as error:  # noqa: BLE001 — it belongs to the caller, who gets it
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if len(batch) > 1:
                return False
            batch[0].fail(error)
            return True
        self._connection.execute("COMMIT")
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


def _not_stored(error: sqlite3.Error) -> StoreError:
    return fault_of(error) or StoreError(
        f"The database could not commit: {error}.",
        remedy="Nothing of this request was stored. Check disk space and locks.",
    )


def _tell(batch: list[_Request]) -> None:
    """Resolve the callers' futures: one wake-up for each event loop, not for each request."""
    for loop in {request.loop for request in batch}:

        def resolve(loop: asyncio.AbstractEventLoop = loop) -> None:
            for request in batch:
                if request.loop is loop:
                    request.resolve()

        # A loop that was closed meanwhile has nobody left to tell; the commit stands.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(resolve)

"""The one writer of a process: what waits is committed together (group commit).

Requests are served first in, first out, each under a savepoint of its own, so that one failure
harms no neighbour. A caller's future resolves only after COMMIT; a failed COMMIT fails its whole
batch. A caller that is cancelled may have committed.
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

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

MAX_BATCH = 256
"""Requests in one transaction at most: bounds how long the first of them waits."""


@dataclass
class _Request:
    work: Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Owns the writing connection, on a thread of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the next transaction and return its result once that is committed.

        Raises what `work` raised (its changes are rolled back), or StoreError.
        """
        if self._closed:
            raise StoreError("The store is closed; nothing of this request was stored.")
        loop = asyncio.get_running_loop()
        request = _Request(work, loop, loop.create_future())
        self._waiting.put(request)
        result: T = await request.future
        return result

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
            self._connection.execute("BEGIN IMMEDIATE")
            for request in batch:
                self._run(request)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for request in batch:
                request.error = StoreError(
                    f"The database could not commit: {error}.",
                    remedy="Nothing of this request was stored. Check disk space and locks.",
                )
        _tell(batch)

    def _run(self, request: _Request) -> None:
        self._connection.execute("SAVEPOINT request")
        try:
            request.result = request.work(self._connection)
        except BaseException as error:  # noqa: BLE001 — it belongs to the caller, who gets it
            request.error = error
            self._connection.execute("ROLLBACK TO request")
        self._connection.execute("RELEASE request")


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

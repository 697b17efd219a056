"""The store of one database file: written through its one writer, read on a connection apart."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.clock import Clock
from agent_runtime.event import Event
from agent_runtime.store.database import BUSY_TIMEOUT, Reader, connect, faults_told, prepare
from agent_runtime.store.lane import Lane
from agent_runtime.store.session import Across, Session
from agent_runtime.store.tenants import Registry
from agent_runtime.store.transaction import Reading, Transaction
from agent_runtime.store.writer import Failed, Writer
from agent_runtime.tenant import mark_of

T = TypeVar("T")
Listener = Callable[[Event], None]


class Store:
    """An open database file. `listeners` hear each event after it is committed."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        cipher: Cipher = CLEAR,
        only: str | None = None,
    ) -> None:
        """Open and migrate the file; raises StoreError when it cannot be used.

        `busy_timeout`: seconds to wait for another program's lock. `cipher` seals content.
        `only`: the tenant whose own file it is.
        """
        prepare(path, busy_timeout, cipher)
        self.cipher = cipher
        self.path = path
        self.listeners: list[Listener] = []
        self.mark = "" if only is None else mark_of(only)
        self.clock = clock
        self.busy_timeout = busy_timeout
        self._reader = connect(path, busy_timeout, readonly=True, factory=Reader, cipher=cipher)
        writing = connect(path, busy_timeout, cipher=cipher)
        self._transaction = Transaction(writing)
        self.registry = Registry(writing, only)
        self._writer = Writer(writing, begun=self._begin, ending=self._end, patience=busy_timeout)

    def of(self, tenant: str) -> Store:  # noqa: ARG002 — here one file holds them all
        """The store of the one file that holds the tenant's rows."""
        return self

    def all(self) -> list[Store]:
        """Every file of the installation."""
        return [self]

    def marked(self, mark: str) -> Store | None:
        """The file that a credential's mark leads to, if any does."""
        return None if mark else self

    def serves(self, tenant: str) -> bool:  # noqa: ARG002 — as above
        """Whether the tenant's rows can be had."""
        return True

    async def write(
        self,
        tenant: str,
        work: Callable[[Session], T],
        failed: Failed | None = None,
        *,
        apart: bool = False,
    ) -> T:
        """Run `work` in one transaction; returns once it is committed.

        Raises what `work` raised, with nothing stored, or StoreError; `failed` hears of that
        before any later request is served. `apart`: on the writer's thread, for work that would
        hold the event loop up.
        """
        return await self.submit(tenant, work, failed, apart=apart)

    def submit(
        self,
        tenant: str,
        work: Callable[[Session], T],
        failed: Failed | None = None,
        *,
        apart: bool = False,
    ) -> asyncio.Future[T]:
        """The same without waiting. Listeners hear of its events before whoever awaits it."""
        events: list[Event] = []

        def transact(connection: sqlite3.Connection) -> T:
            if self.registry.known:
                self.registry.admit(tenant)
            session = Session(connection, tenant, self.clock.now(), self._transaction)
            with faults_told:
                result = work(session)
            events[:] = session.events.appended
            return result

        return self._writer.submit(transact, failed, lambda: self._tell(events), apart=apart)

    async def write_across(self, work: Callable[[Across], T]) -> T:
        """The same over all tenants."""
        events: list[Event] = []

        def transact(connection: sqlite3.Connection) -> T:
            across = Across(connection, self.clock.now(), self._transaction)
            with faults_told:
                result = work(across)
            events[:] = [e for s in across.sessions.values() for e in s.events.appended]
            return result

        return await self._writer.submit(transact, None, lambda: self._tell(events))

    def lane(self, tenant: str, run_id: str, epoch: int | None) -> Lane:
        """For the writes of one claim of a run, or of a thread that is none."""
        return Lane(self, tenant, run_id, epoch)

    def _begin(self) -> None:
        self._transaction.clear()
        self.registry.look()

    def _end(self) -> None:
        with faults_told:
            self._transaction.write()

    def read(self, tenant: str) -> Session:
        """A session for reading: it sees what is committed and cannot write."""
        return Session(self._reader, tenant, self.clock.now(), Reading(self._reader))

    def read_across(self) -> Across:
        """The same over all tenants."""
        return Across(self._reader, self.clock.now(), Reading(self._reader))

    def version(self) -> int:
        """A number that changes whenever anybody, here or elsewhere, has committed."""
        return self.file_version()

    def file_version(self) -> int:
        """The same of this file alone."""
        (version,) = self._reader.execute("PRAGMA data_version").fetchone()
        return int(version)

    def now(self) -> datetime:
        """The present moment, UTC."""
        return self.clock.now()

    def close(self) -> None:
        """Commit what waits and close the file."""
        # The last connection to close folds the WAL into the file, and a reader cannot.
        self._reader.close()
        self._writer.close()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            for listener in self.listeners:
                listener(event)

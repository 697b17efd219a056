"""Durable truth in one SQLite file: runs, approvals, journal, events, recordings, checkpoints.

A `Session` is one tenant's view on one connection: every query in it is scoped by the tenant.
Writes are functions over a session, committed by the one writer; reads have their own connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from agent_runtime.clock import Clock
from agent_runtime.event import Event
from agent_runtime.store.approvals import Approvals
from agent_runtime.store.checkpoints import Checkpoints
from agent_runtime.store.database import BUSY_TIMEOUT, connect, prepare
from agent_runtime.store.events import Events
from agent_runtime.store.journal import Authorization, EntryState, Journal, JournalEntry
from agent_runtime.store.recordings import Recording, Recordings
from agent_runtime.store.retention import Retention
from agent_runtime.store.runs import Runs
from agent_runtime.store.writer import Writer

__all__ = ["Across", "Authorization", "EntryState", "JournalEntry", "Recording", "Session", "Store"]

T = TypeVar("T")
Listener = Callable[[Event], None]


class Session:
    """One tenant's rows on one connection, at one moment (`now`, UTC)."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self.tenant = tenant
        self.now = now
        self.runs = Runs(connection, tenant, now)
        self.approvals = Approvals(connection, tenant, now)
        self.journal = Journal(connection, tenant, now)
        self.events = Events(connection, tenant, now)
        self.recordings = Recordings(connection, tenant, now)
        self.checkpoints = Checkpoints(connection, tenant)
        self.retention = Retention(connection, tenant, now)


class Across:
    """All tenants' rows at one moment (`now`, UTC), for the queue alone: it picks a tenant's run
    and goes on in that tenant's session."""

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.sessions: dict[str, Session] = {}

    def session(self, tenant: str) -> Session:
        """The tenant's session in the same transaction."""
        if tenant not in self.sessions:
            self.sessions[tenant] = Session(self.connection, tenant, self.now)
        return self.sessions[tenant]


class Store:
    """An open database file. `listeners` hear each event after it is committed."""

    def __init__(self, path: Path, clock: Clock, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        """Open and migrate the file; raises StoreError when it cannot be used.

        `busy_timeout`: seconds to wait for another program's lock.
        """
        prepare(path, busy_timeout)
        self.path = path
        self.listeners: list[Listener] = []
        self._clock = clock
        self.busy_timeout = busy_timeout
        self._reader = connect(path, busy_timeout, readonly=True)
        self._writer = Writer(connect(path, busy_timeout))

    async def write(self, tenant: str, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction; returns once it is committed.

        Raises what `work` raised, with nothing stored, or StoreError.
        """
        events: list[Event] = []

        def transact(connection: sqlite3.Connection) -> T:
            session = Session(connection, tenant, self._clock.now())
            result = work(session)
            events.extend(session.events.appended)
            return result

        result = await self._writer.write(transact)
        self._tell(events)
        return result

    async def write_across(self, work: Callable[[Across], T]) -> T:
        """The same over all tenants."""
        events: list[Event] = []

        def transact(connection: sqlite3.Connection) -> T:
            across = Across(connection, self._clock.now())
            result = work(across)
            for session in across.sessions.values():
                events.extend(session.events.appended)
            return result

        result = await self._writer.write(transact)
        self._tell(events)
        return result

    def read(self, tenant: str) -> Session:
        """A session for reading: it sees what is committed and cannot write."""
        return Session(self._reader, tenant, self._clock.now())

    def read_across(self) -> Across:
        """The same over all tenants."""
        return Across(self._reader, self._clock.now())

    def now(self) -> datetime:
        """The present moment, UTC."""
        return self._clock.now()

    def close(self) -> None:
        """Commit what waits and close the file."""
        # The last connection to close folds the WAL into the file, and a reader cannot.
        self._reader.close()
        self._writer.close()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            for listener in self.listeners:
                listener(event)

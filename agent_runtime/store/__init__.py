"""Durable truth in one SQLite file: runs, approvals, journal, events, recordings, checkpoints.

A `Session` is one tenant's view on one connection: every query in it is scoped by the tenant.
Writes are functions over a session, committed by the one writer; reads have their own connection.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.clock import Clock
from agent_runtime.event import Event
from agent_runtime.store.answers import Answers
from agent_runtime.store.approvals import Approvals
from agent_runtime.store.checkpoints import Checkpoints
from agent_runtime.store.comments import Comments
from agent_runtime.store.database import BUSY_TIMEOUT, Reader, connect, faults_told, prepare
from agent_runtime.store.events import Events
from agent_runtime.store.inbox import Inbox
from agent_runtime.store.journal import Authorization, EntryState, Journal, JournalEntry
from agent_runtime.store.lane import Lane
from agent_runtime.store.messages import Messages
from agent_runtime.store.notices import Notices
from agent_runtime.store.policies import PolicyChanges
from agent_runtime.store.recordings import Content, Recording, Recordings, Stored
from agent_runtime.store.retention import Retention
from agent_runtime.store.runs import Runs
from agent_runtime.store.schedules import Schedules
from agent_runtime.store.subscriptions import Subscriptions
from agent_runtime.store.timers import Timers
from agent_runtime.store.tokens import Tokens, token_by_hash
from agent_runtime.store.transaction import Reading, Transaction
from agent_runtime.store.writer import Failed, Writer
from agent_runtime.token import Token

__all__ = [
    "Across",
    "Authorization",
    "Content",
    "EntryState",
    "JournalEntry",
    "Lane",
    "Recording",
    "Session",
    "Store",
    "Stored",
]

T = TypeVar("T")
Listener = Callable[[Event], None]


class Session:
    """One tenant's rows on one connection, at one moment (`now`, UTC)."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        tenant: str,
        now: datetime,
        transaction: Transaction | None = None,
    ) -> None:
        """`transaction`: where it is shared with other requests; a session with one of its own
        ends with `flush`."""
        self._connection = connection
        self._transaction = transaction or Transaction(connection)
        self.tenant = tenant
        self.now = now
        self.events = Events(connection, tenant, now, self._transaction)

    def flush(self) -> None:
        """Write what is collected."""
        self._transaction.write()

    # Made when first used: most sessions need one or two of them.

    @cached_property
    def runs(self) -> Runs:
        """Runs, and who owns them."""
        return Runs(self._connection, self.tenant, self.now)

    @cached_property
    def approvals(self) -> Approvals:
        """Questions to people and their answers."""
        return Approvals(self._connection, self.tenant, self.now)

    @cached_property
    def journal(self) -> Journal:
        """Side effects and the rights to them."""
        return Journal(self._connection, self.tenant, self.now)

    @cached_property
    def recordings(self) -> Recordings:
        """What models and tools were asked and answered."""
        return Recordings(self._connection, self.tenant, self.now, self._transaction)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Graph states."""
        return Checkpoints(self._connection, self.tenant, self._transaction)

    @cached_property
    def retention(self) -> Retention:
        """What may be erased."""
        self._transaction.write()
        return Retention(self._connection, self.tenant, self.now)

    @cached_property
    def comments(self) -> Comments:
        """What people said about questions."""
        return Comments(self._connection, self.tenant, self.now)

    @cached_property
    def inbox(self) -> Inbox:
        """Questions as lists."""
        return Inbox(self._connection, self.tenant, self.now)

    @cached_property
    def tokens(self) -> Tokens:
        """What programs sign in with."""
        return Tokens(self._connection, self.tenant, self.now)

    @cached_property
    def answers(self) -> Answers:
        """What requests with a key were answered."""
        return Answers(self._connection, self.tenant, self.now)

    @cached_property
    def policies(self) -> PolicyChanges:
        """Changes to policies."""
        return PolicyChanges(self._connection, self.tenant)

    @cached_property
    def messages(self) -> Messages:
        """What triggers took lately."""
        return Messages(self._connection, self.tenant, self.now)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """Who is told what."""
        return Subscriptions(self._connection, self.tenant, self._transaction)

    @cached_property
    def notices(self) -> Notices:
        """What is to be told."""
        return Notices(self._connection, self.tenant, self.now, self._transaction)

    @cached_property
    def timers(self) -> Timers:
        """What time alone makes happen."""
        return Timers(self._connection, self.tenant, self.now)

    @cached_property
    def schedules(self) -> Schedules:
        """What starts runs again and again."""
        return Schedules(self._connection, self.tenant, self.now)


class Across:
    """All tenants' rows at one moment (`now`, UTC). For the queue, which picks a tenant's run and
    goes on in that tenant's session, and for tokens, which say what tenant a caller is of."""

    def __init__(
        self, connection: sqlite3.Connection, now: datetime, transaction: Transaction
    ) -> None:
        self.connection = connection
        self.now = now
        self.sessions: dict[str, Session] = {}
        self._transaction = transaction

    def session(self, tenant: str) -> Session:
        """The tenant's session in the same transaction."""
        if tenant not in self.sessions:
            self.sessions[tenant] = Session(self.connection, tenant, self.now, self._transaction)
        return self.sessions[tenant]

    def token(self, hashed: str) -> Token | None:
        """The token with that hash, valid or not: its secret is what names the tenant."""
        return token_by_hash(self.connection, hashed)


class Store:
    """An open database file. `listeners` hear each event after it is committed."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        cipher: Cipher = CLEAR,
    ) -> None:
        """Open and migrate the file; raises StoreError when it cannot be used.

        `busy_timeout`: seconds to wait for another program's lock. `cipher` seals content.
        """
        prepare(path, busy_timeout, cipher)
        self.cipher = cipher
        self.path = path
        self.listeners: list[Listener] = []
        self._clock = clock
        self.busy_timeout = busy_timeout
        self._reader = connect(path, busy_timeout, readonly=True, factory=Reader, cipher=cipher)
        writing = connect(path, busy_timeout, cipher=cipher)
        self._transaction = Transaction(writing)
        self._writer = Writer(writing, begun=self._transaction.clear, ending=self._end)

    async def write(
        self, tenant: str, work: Callable[[Session], T], failed: Failed | None = None
    ) -> T:
        """Run `work` in one transaction; returns once it is committed.

        Raises what `work` raised, with nothing stored, or StoreError; `failed` hears of that
        before any later request is served.
        """
        return await self.submit(tenant, work, failed)

    def submit(
        self, tenant: str, work: Callable[[Session], T], failed: Failed | None = None
    ) -> asyncio.Future[T]:
        """The same without waiting. Listeners hear of its events before whoever awaits it."""
        events: list[Event] = []

        def transact(connection: sqlite3.Connection) -> T:
            session = Session(connection, tenant, self._clock.now(), self._transaction)
            with faults_told:
                result = work(session)
            events[:] = session.events.appended
            return result

        return self._writer.submit(transact, failed, lambda: self._tell(events))

    async def write_across(self, work: Callable[[Across], T]) -> T:
        """The same over all tenants."""
        events: list[Event] = []

        def transact(connection: sqlite3.Connection) -> T:
            across = Across(connection, self._clock.now(), self._transaction)
            with faults_told:
                result = work(across)
            events[:] = [e for s in across.sessions.values() for e in s.events.appended]
            return result

        return await self._writer.submit(transact, None, lambda: self._tell(events))

    def lane(self, tenant: str, run_id: str, epoch: int | None) -> Lane:
        """For the writes of one claim of a run, or of a thread that is none."""
        return Lane(self, tenant, run_id, epoch)

    def _end(self) -> None:
        with faults_told:
            self._transaction.write()

    def read(self, tenant: str) -> Session:
        """A session for reading: it sees what is committed and cannot write."""
        return Session(self._reader, tenant, self._clock.now(), Reading(self._reader))

    def read_across(self) -> Across:
        """The same over all tenants."""
        return Across(self._reader, self._clock.now(), Reading(self._reader))

    def version(self) -> int:
        """A number that changes whenever anybody, here or elsewhere, has committed."""
        (version,) = self._reader.execute("PRAGMA data_version").fetchone()
        return int(version)

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

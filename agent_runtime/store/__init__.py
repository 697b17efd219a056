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
from agent_runtime.signin import SignIn
from agent_runtime.store.alerts import Alerts
from agent_runtime.store.answers import Answers
from agent_runtime.store.approvals import Approvals
from agent_runtime.store.calls import Calls
from agent_runtime.store.checkpoints import Checkpoints
from agent_runtime.store.comments import Comments
from agent_runtime.store.database import BUSY_TIMEOUT, Reader, connect, faults_told, prepare
from agent_runtime.store.events import Events
from agent_runtime.store.grades import Grades
from agent_runtime.store.inbox import Inbox
from agent_runtime.store.journal import Authorization, EntryState, Journal, JournalEntry
from agent_runtime.store.knowledge import Knowledge
from agent_runtime.store.labels import Labels
from agent_runtime.store.lane import Lane
from agent_runtime.store.measures import Measures
from agent_runtime.store.messages import Messages
from agent_runtime.store.notices import Notices
from agent_runtime.store.outcomes import Outcomes
from agent_runtime.store.policies import PolicyChanges
from agent_runtime.store.pseudonyms import Pseudonyms
from agent_runtime.store.recordings import Content, Recording, Recordings, Stored
from agent_runtime.store.retention import Retention
from agent_runtime.store.rollouts import Rollouts
from agent_runtime.store.runs import Runs
from agent_runtime.store.schedules import Schedules
from agent_runtime.store.signins import SignIns, sign_in_by_hash
from agent_runtime.store.subscriptions import Subscriptions
from agent_runtime.store.tenants import Registry
from agent_runtime.store.timers import Timers
from agent_runtime.store.tokens import Tokens, token_by_hash
from agent_runtime.store.transaction import Reading, Transaction
from agent_runtime.store.triggers import Triggers
from agent_runtime.store.versions import Versions
from agent_runtime.store.writer import Failed, Writer
from agent_runtime.tenant import mark_of
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
    def calls(self) -> Calls:
        """What models were asked, and what it took."""
        return Calls(self._connection, self.tenant, self.now, self._transaction)

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
    def sign_ins(self) -> SignIns:
        """Who is signed in at a browser."""
        return SignIns(self._connection, self.tenant, self.now)

    @cached_property
    def answers(self) -> Answers:
        """What requests with a key were answered."""
        return Answers(self._connection, self.tenant, self.now)

    @cached_property
    def policies(self) -> PolicyChanges:
        """Changes to policies."""
        return PolicyChanges(self._connection, self.tenant)

    @cached_property
    def versions(self) -> Versions:
        """What workflows were when runs were started."""
        return Versions(self._connection, self.tenant, self.now)

    @cached_property
    def measures(self) -> Measures:
        """Sums over the history."""
        return Measures(self._connection, self.tenant, self.now)

    @cached_property
    def outcomes(self) -> Outcomes:
        """What came of runs."""
        return Outcomes(self._connection, self.tenant, self.now)

    @cached_property
    def labels(self) -> Labels:
        """What people said of runs."""
        return Labels(self._connection, self.tenant, self.now)

    @cached_property
    def grades(self) -> Grades:
        """What graders said of runs."""
        return Grades(self._connection, self.tenant, self.now)

    @cached_property
    def alerts(self) -> Alerts:
        """Which alerts stand."""
        return Alerts(self._connection, self.tenant, self.now)

    @cached_property
    def rollouts(self) -> Rollouts:
        """What a share of runs gets."""
        return Rollouts(self._connection, self.tenant)

    @cached_property
    def messages(self) -> Messages:
        """What triggers took lately."""
        return Messages(self._connection, self.tenant, self.now)

    @cached_property
    def triggers(self) -> Triggers:
        """Whose events start runs."""
        return Triggers(self._connection, self.tenant)

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

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """What stands for persons' data, and for what."""
        return Pseudonyms(self._connection, self.tenant, self._transaction)

    @cached_property
    def knowledge(self) -> Knowledge:
        """Documents, and the index over their passages."""
        self._transaction.write()
        return Knowledge(self._connection, self.tenant, self.now)


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

    def sign_in(self, hashed: str) -> SignIn | None:
        """The sign-in with that hash, likewise."""
        return sign_in_by_hash(self.connection, hashed, self.now)


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

"""A session: one tenant's view on one connection, every query in it scoped by the tenant."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from functools import cached_property

from agent_runtime.signin import SignIn
from agent_runtime.store.alerts import Alerts
from agent_runtime.store.answers import Answers
from agent_runtime.store.approvals import Approvals
from agent_runtime.store.calls import Calls
from agent_runtime.store.checkpoints import Checkpoints
from agent_runtime.store.comments import Comments
from agent_runtime.store.events import Appended, Events, appended_after
from agent_runtime.store.grades import Grades
from agent_runtime.store.inbox import Inbox
from agent_runtime.store.journal import Journal
from agent_runtime.store.knowledge import Knowledge
from agent_runtime.store.labels import Labels
from agent_runtime.store.measures import Measures
from agent_runtime.store.messages import Messages
from agent_runtime.store.notices import Notices
from agent_runtime.store.outcomes import Outcomes
from agent_runtime.store.policies import PolicyChanges
from agent_runtime.store.pseudonyms import Pseudonyms
from agent_runtime.store.recordings import Recordings
from agent_runtime.store.retention import Retention
from agent_runtime.store.rollouts import Rollouts
from agent_runtime.store.runs import Runs
from agent_runtime.store.schedules import Schedules
from agent_runtime.store.signins import SignIns, sign_in_by_hash
from agent_runtime.store.subscriptions import Subscriptions
from agent_runtime.store.timers import Timers
from agent_runtime.store.tokens import Tokens, token_by_hash
from agent_runtime.store.traces import Traces
from agent_runtime.store.transaction import Transaction
from agent_runtime.store.triggers import Triggers
from agent_runtime.store.versions import Versions
from agent_runtime.token import Token


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
    def traces(self) -> Traces:
        """What no receiver of traces has acknowledged yet."""
        return Traces(self._connection, self.tenant, self.now)

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

    def appended(self, after: int, most: int) -> list[Appended]:
        """See `appended_after`: whom events of any tenant concern, and nothing of what they say."""
        return appended_after(self.connection, after, most)

    def sign_in(self, hashed: str) -> SignIn | None:
        """The sign-in with that hash, likewise."""
        return sign_in_by_hash(self.connection, hashed, self.now)

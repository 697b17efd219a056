"""The outbox in the store: notices, written in the transaction of the event that they tell of."""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import datetime, timedelta
from typing import Any

from agent_runtime.clock import from_text, to_text
from agent_runtime.errors import Conflict, NotFound
from agent_runtime.event import Event
from agent_runtime.notice import TOLD, Notice, NoticeState, Subscription, Topic, status_of, topic_of
from agent_runtime.store.subscriptions import Subscriptions
from agent_runtime.store.timers import Timers
from agent_runtime.store.transaction import Transaction

KEPT = timedelta(days=7)
"""How long it can be looked up that a notice was delivered."""

_COLUMNS = "id, tenant, subscription, state, body, tries, why, changed_at"

# A timer that seems to have been set later than now was set before the clock went back. CROSS, so
# that timers are looked at first: of notices there are many that were delivered.
_DUE = (
    "timers AS t CROSS JOIN notices AS n ON n.id = t.subject AND n.tenant = t.tenant"
    " WHERE t.tenant = :tenant AND t.kind = 'notice' AND (t.due_at <= :now OR t.set_at > :now)"
)


class Notices:
    """One tenant's notices, on one connection."""

    def __init__(
        self, connection: sqlite3.Connection, tenant: str, now: datetime, transaction: Transaction
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._timers = Timers(connection, tenant, now)
        self._subscriptions = Subscriptions(connection, tenant, transaction)

    def tell(self, event: Event) -> None:
        """Have an event told to whoever asked for it."""
        if event.type not in TOLD:
            return
        known = self._subscriptions.known()
        topic = topic_of(event) if known else None
        if topic is None:
            return
        workflow = self._workflow(event)
        for subscription in known:
            if topic in subscription.topics and subscription.workflow in (None, workflow):
                self._add(subscription, event, topic, workflow)

    def _workflow(self, event: Event) -> str:
        """Whose event it is: its run's workflow, or the one that it names."""
        if event.run_id is None:
            return str((event.body or {}).get("workflow", ""))
        row = self._connection.execute(
            "SELECT workflow FROM runs WHERE tenant = ? AND id = ?", (self._tenant, event.run_id)
        ).fetchone()
        return str(row[0]) if row else ""

    def _add(self, subscription: Subscription, event: Event, topic: Topic, workflow: str) -> None:
        notice = Notice(
            # In the order of the history, also within one moment.
            id=f"ntc-{event.number:011x}{secrets.token_hex(5)[:9]}",
            tenant=self._tenant,
            subscription=subscription.id,
            state="due",
            topic=topic,
            event=event.number,
            event_hash=event.hash,
            at=event.at,
            run=event.run_id or "",
            workflow=workflow,
            status=status_of(event),
            approval=(event.body or {}).get("approval"),
            changed_at=self._now,
        )
        self._connection.execute(
            "INSERT INTO notices (id, tenant, subscription, state, body, changed_at)"
            " VALUES (?,?,?,?,?,?)",
            (notice.id, self._tenant, subscription.id, "due", _body(notice), to_text(self._now)),
        )
        self._timers.set("notice", notice.id, self._now)

    def get(self, notice_id: str) -> Notice:
        """The notice of that id; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM notices WHERE tenant = ? AND id = ?",  # noqa: S608 — constant
            (self._tenant, notice_id),
        ).fetchone()
        if row is None:
            remedy = "List them with: agent-runtime notices dead"
            raise NotFound("notice", notice_id, remedy=remedy)
        return _notice(row)

    def find(self, state: NoticeState, *, after: str = "", limit: int = -1) -> list[Notice]:
        """Notices in that state in the order they were made, with an id above `after`; a negative
        limit means no limit."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM notices"  # noqa: S608 — constant
            " WHERE tenant = ? AND state = ? AND id > ? ORDER BY id LIMIT ?",
            (self._tenant, state, after, limit),
        )
        return [_notice(row) for row in rows.fetchall()]

    def whose_due(self) -> list[str]:
        """The subscriptions that something is due to."""
        rows = self._connection.execute(
            f"SELECT DISTINCT n.subscription FROM {_DUE} ORDER BY 1",  # noqa: S608 — constant
            {"tenant": self._tenant, "now": to_text(self._now)},
        )
        return [subscription for (subscription,) in rows.fetchall()]

    def due(self, subscription: str, limit: int) -> list[Notice]:
        """What is due to one subscription, the earliest first."""
        columns = ", ".join(f"n.{name}" for name in _COLUMNS.split(", "))
        rows = self._connection.execute(
            f"SELECT {columns} FROM {_DUE} AND n.subscription = :subscription"  # noqa: S608 — constant
            " ORDER BY t.due_at, n.id LIMIT :limit",
            {
                "tenant": self._tenant,
                "now": to_text(self._now),
                "subscription": subscription,
                "limit": limit,
            },
        )
        return [_notice(row) for row in rows.fetchall()]

    def take(self, notice_id: str, until: datetime) -> Notice | None:
        """Take a due notice to deliver it; whoever takes it has until then before another may.
        None when it is not due any more."""
        if self._timers.fire("notice", notice_id) is None:
            return None
        notice = self._found(notice_id)
        if notice is None:
            return None
        self._timers.set("notice", notice_id, until)
        return self._mark(notice, "due", notice.why, tries=notice.tries + 1)

    def delivered(self, notice: Notice) -> None:
        """It got there. What got there long ago is forgotten."""
        self._timers.drop("notice", notice.id)
        self._mark(notice, "delivered", "", tries=notice.tries)
        self._connection.execute(
            "DELETE FROM notices WHERE tenant = ? AND state = 'delivered' AND id IN"
            " (SELECT id FROM notices WHERE tenant = ? AND state = 'delivered'"
            " ORDER BY id LIMIT 10) AND changed_at < ?",
            (self._tenant, self._tenant, to_text(self._now - KEPT)),
        )

    def again(self, notice: Notice, why: str, at: datetime) -> None:
        """It did not get there, and is tried again then, if it is still wanted."""
        if self._found(notice.id) is not None:
            self._timers.set("notice", notice.id, at)
            self._mark(notice, "due", why, tries=notice.tries)

    def bury(self, notice: Notice, why: str) -> None:
        """It is given up."""
        self._timers.drop("notice", notice.id)
        self._mark(notice, "dead", why, tries=notice.tries)

    def resend(self, notice_id: str) -> Notice:
        """Have a dead notice delivered after all, as the same message; raises Conflict for one that
        is not dead."""
        notice = self.get(notice_id)
        if notice.state != "dead":
            raise Conflict(f"Notice {notice_id} is {notice.state}; only dead ones are sent again.")
        self._timers.set("notice", notice_id, self._now)
        return self._mark(notice, "due", notice.why, tries=0)

    def forget(self, subscription_id: str) -> None:
        """Drop all that a subscription would have been told."""
        rows = self._connection.execute(
            "DELETE FROM notices WHERE tenant = ? AND subscription = ? RETURNING id",
            (self._tenant, subscription_id),
        )
        for (notice_id,) in rows.fetchall():
            self._timers.drop("notice", notice_id)

    def count(self) -> dict[str, int]:
        """How many there are in each state."""
        rows = self._connection.execute(
            "SELECT state, count(*) FROM notices WHERE tenant = ? GROUP BY state", (self._tenant,)
        )
        return dict(rows.fetchall())

    def _mark(self, notice: Notice, state: NoticeState, why: str, *, tries: int) -> Notice:
        self._connection.execute(
            "UPDATE notices SET state = ?, why = ?, tries = ?, changed_at = ?"
            " WHERE tenant = ? AND id = ?",
            (state, why, tries, to_text(self._now), self._tenant, notice.id),
        )
        changes = {"state": state, "why": why, "tries": tries, "changed_at": self._now}
        return notice.model_copy(update=changes)

    def _found(self, notice_id: str) -> Notice | None:
        try:
            return self.get(notice_id)
        except NotFound:
            return None


_OWN = frozenset({"id", "tenant", "subscription", "state", "tries", "why", "changed_at"})
"""Fields that have a column."""


def _body(notice: Notice) -> str:
    return notice.model_dump_json(exclude=set(_OWN))


def _notice(row: tuple[Any, ...]) -> Notice:
    notice_id, tenant, subscription, state, body, tries, why, changed_at = row
    own = {"id": notice_id, "tenant": tenant, "subscription": subscription, "state": state}
    more = {"tries": tries, "why": why, "changed_at": from_text(changed_at)}
    return Notice.model_validate({**json.loads(body), **own, **more})

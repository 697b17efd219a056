"""Subscriptions in the store: who is told what. Their addresses are sealed where content is."""

from __future__ import annotations

import sqlite3

from agent_runtime.errors import NotFound
from agent_runtime.notice import Subscription
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.transaction import Transaction

TABLE = "subscriptions"


class Subscriptions:
    """One tenant's subscriptions, on one connection."""

    def __init__(
        self, connection: sqlite3.Connection, tenant: str, transaction: Transaction
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._transaction = transaction
        self._cipher = cipher_of(connection)

    def add(self, subscription: Subscription) -> None:
        """Store a new one; from this transaction on it is told."""
        body = self._cipher.seal(
            subscription.model_dump_json(), self._tenant, TABLE, subscription.id
        )
        self._connection.execute(
            "INSERT INTO subscriptions (id, tenant, body) VALUES (?,?,?)",
            (subscription.id, self._tenant, body),
        )
        self._transaction.subscriptions.pop(self._tenant, None)

    def remove(self, subscription_id: str) -> None:
        """Forget it."""
        self._connection.execute(
            "DELETE FROM subscriptions WHERE tenant = ? AND id = ?", (self._tenant, subscription_id)
        )
        self._transaction.subscriptions.pop(self._tenant, None)

    def get(self, subscription_id: str) -> Subscription:
        """The subscription of that id; raises NotFound, also for another tenant's."""
        for found in self.find():
            if found.id == subscription_id:
                return found
        remedy = "List them with: agent-runtime notices subscriptions"
        raise NotFound("subscription", subscription_id, remedy=remedy)

    def find(self) -> list[Subscription]:
        """All of them, in the order they were made."""
        rows = self._connection.execute(
            "SELECT id, body FROM subscriptions WHERE tenant = ? ORDER BY id", (self._tenant,)
        )
        return [
            Subscription.model_validate_json(
                self._cipher.open(body, self._tenant, TABLE, subscription_id)
            )
            for subscription_id, body in rows.fetchall()
        ]

    def known(self) -> tuple[Subscription, ...]:
        """The same, read once in a transaction."""
        found = self._transaction.subscriptions.get(self._tenant)
        if found is None:
            found = tuple(self.find())
            self._transaction.subscriptions[self._tenant] = found
        return found

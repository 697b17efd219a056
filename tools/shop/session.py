"""The shop's records as they are seen and changed inside one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agent_runtime.errors import InvalidInput, ToolRefused

Record = dict[str, Any]
"""One order, user or product as plain JSON, in the shape of `db.json`."""

_RANKED = """
    SELECT passages.id, passages.title, passages.text, passages.version
    FROM passages_fts JOIN passages ON passages.position = passages_fts.rowid
    WHERE passages_fts MATCH :words
      AND (passages.valid_from IS NULL OR passages.valid_from <= :today)
      AND (passages.valid_to IS NULL OR passages.valid_to >= :today)
    ORDER BY bm25(passages_fts), passages.id, passages.version LIMIT :limit
"""


@dataclass(frozen=True)
class Row:
    """A record and its version, an integer that every change of that record raises."""

    record: Record
    version: int


def encode(value: Any) -> str:
    """JSON text that decodes to the same value; ValueError for NaN, which has no JSON form."""
    return json.dumps(value, allow_nan=False)


def is_gift_card(method: Record) -> bool:
    """Whether a payment method holds a balance of its own."""
    return bool(method.get("source") == "gift_card")


def split_balances(user: Record) -> tuple[Record, dict[str, float]]:
    """The user with each gift-card balance emptied, and those balances in USD by method id.

    A balance has one home, the table gift_cards; the emptied field keeps its place in the record.
    Raises InvalidInput for a gift card without a numeric balance.
    """
    methods = dict(user.get("payment_methods", {}))
    balances: dict[str, float] = {}
    for method_id, method in methods.items():
        if not is_gift_card(method):
            continue
        balance = method.get("balance")
        if isinstance(balance, bool) or not isinstance(balance, int | float):
            raise InvalidInput(f"users.{method_id}.balance", balance, "is not a number")
        balances[method_id] = float(balance)
        methods[method_id] = {**method, "balance": None}
    stored = {**user, "payment_methods": methods} if balances else user
    return stored, balances


def fold_balances(user: Record, balances: Iterable[tuple[str, float]]) -> Record:
    """The inverse of `split_balances`; fills `user` and returns it."""
    for method_id, balance in balances:
        user["payment_methods"][method_id]["balance"] = balance
    return user


class Session:
    """One open transaction. Look-ups raise ToolRefused for a record that does not exist."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def order(self, order_id: str) -> Row:
        """One order."""
        return self._row("SELECT record, version FROM orders WHERE order_id = ?", order_id, "Order")

    def user(self, user_id: str) -> Row:
        """One user, gift-card balances included."""
        row = self._row("SELECT record, version FROM users WHERE user_id = ?", user_id, "User")
        cards = self._connection.execute(
            "SELECT payment_method_id, balance FROM gift_cards WHERE user_id = ?", (user_id,)
        )
        return Row(fold_balances(row.record, cards), row.version)

    def product(self, product_id: str) -> Record:
        """One product with all its variants."""
        return self._row(
            "SELECT record, 0 FROM products WHERE product_id = ?", product_id, "Product"
        ).record

    def product_of_item(self, item_id: str) -> Record:
        """The first product that has a variant of that id."""
        return self._row(
            "SELECT record, 0 FROM items JOIN products USING (product_id) "
            "WHERE item_id = ? ORDER BY products.position LIMIT 1",
            item_id,
            "Item",
        ).record

    def product_ids(self) -> dict[str, str]:
        """Product name → product id."""
        return dict(
            self._connection.execute("SELECT name, product_id FROM products ORDER BY position")
        )

    def user_id_by_email(self, email: str) -> str | None:
        """The first user with this address, compared without regard to case."""
        found = self._connection.execute(
            "SELECT user_id FROM users WHERE email = ? ORDER BY position LIMIT 1", (email.lower(),)
        ).fetchone()
        return None if found is None else str(found[0])

    def users_in_zip(self, zip_code: str) -> list[Record]:
        """The users whose present address has that zip, balances emptied."""
        found = self._connection.execute(
            "SELECT record FROM users WHERE json_extract(record, '$.address.zip') = ? "
            "ORDER BY position",
            (zip_code,),
        )
        return [json.loads(text) for (text,) in found]

    def payment_method(self, user_id: str, method_id: str) -> Record:
        """One payment method of one user."""
        try:
            methods = self.user(user_id).record.get("payment_methods", {})
        except ToolRefused:
            methods = {}
        if method_id not in methods:
            raise ToolRefused("Payment method not found")
        found: Record = methods[method_id]
        return found

    def usage(self, order_id: str) -> Record | None:
        """What is known of an order's use, or None when nothing is recorded."""
        found = self._connection.execute(
            "SELECT record FROM usage WHERE order_id = ?", (order_id,)
        ).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def passages(self, words: list[str], today: str, limit: int) -> list[tuple[str, ...]]:
        """(id, title, text, version) of the passages in force on `today` (ISO date), best first.

        A passage is found by any of the words; equal ranks are ordered by id.
        """
        quoted = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
        return self._connection.execute(
            _RANKED, {"words": quoted, "today": today, "limit": limit}
        ).fetchall()

    def save_order(self, order: Record) -> Row:
        """Store a changed order and return it with its version, raised if anything differs."""
        self._connection.execute(
            "UPDATE orders SET record = :record, status = :status, version = version + 1 "
            "WHERE order_id = :id AND record <> :record",
            {"record": encode(order), "status": order["status"], "id": order["order_id"]},
        )
        return self.order(order["order_id"])

    def save_user(self, user: Record) -> Row:
        """Store a changed user; balances are left alone, `add_to_gift_card` changes those."""
        stored, _ = split_balances(user)
        self._connection.execute(
            "UPDATE users SET record = :record, version = version + 1 "
            "WHERE user_id = :id AND record <> :record",
            {"record": encode(stored), "id": user["user_id"]},
        )
        return self.user(user["user_id"])

    def add_to_gift_card(self, user_id: str, method_id: str, amount: float) -> None:
        """Raise a gift card's balance by `amount` USD (negative: lower it), rounded to cents.

        Other payment methods hold no balance here: nothing happens to them.
        """
        method = self.payment_method(user_id, method_id)
        if not is_gift_card(method):
            return
        balance = round(method["balance"] + amount, 2)
        if balance == method["balance"]:
            return
        self._connection.execute(
            "UPDATE gift_cards SET balance = ? WHERE user_id = ? AND payment_method_id = ?",
            (balance, user_id, method_id),
        )
        self._connection.execute(
            "UPDATE users SET version = version + 1 WHERE user_id = ?", (user_id,)
        )

    def recorded(self, key: str, tool: str) -> Record | None:
        """The result of the call that was made under this key, or None.

        Raises ToolRefused when the key belongs to a call of another tool.
        """
        found = self._connection.execute(
            "SELECT tool, result FROM calls WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            return None
        if found[0] != tool:
            raise ToolRefused(f"The key of this call was used for {found[0]} already.")
        return dict(json.loads(found[1]))

    def record_call(self, key: str, tool: str, result: Record) -> None:
        """Enter a call in the ledger, in the transaction of the change it made."""
        self._connection.execute(
            "INSERT INTO calls (key, tool, result) VALUES (?, ?, ?)", (key, tool, encode(result))
        )

    def _row(self, sql: str, name: str, kind: str) -> Row:
        found = self._connection.execute(sql, (name,)).fetchone()
        if found is None:
            raise ToolRefused(f"{kind} not found")
        return Row(json.loads(found[0]), int(found[1]))

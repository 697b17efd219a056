"""The shop's database: one SQLite file, its schema, its transactions, import and export."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlite_utils import Database
from sqlite_utils.db import Table

from agent_runtime.errors import InvalidInput, StoreError, ToolRefused, ToolUnavailable
from agent_runtime.tool import ToolCall
from tools.shop.session import Record, Session, encode, fold_balances, split_balances

SCHEMA_VERSION = 1

BUSY_TIMEOUT_MS = 1_000
"""How long another process's transaction is waited for. SQLite waits in the event loop's own
thread, so this stays short; the shop's transactions take milliseconds."""

# `position` is the order of import: look-ups that may find several take the first. It is a
# declared key because SQLite may renumber an undeclared rowid, which would also break the index.
_SCHEMA = (
    """CREATE TABLE orders (position INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE,
         user_id TEXT NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1,
         record TEXT NOT NULL)""",
    """CREATE TABLE users (position INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE,
         email TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1, record TEXT NOT NULL)""",
    "CREATE INDEX users_email ON users (email)",
    "CREATE INDEX users_zip ON users (json_extract(record, '$.address.zip'))",
    """CREATE TABLE products (position INTEGER PRIMARY KEY, product_id TEXT NOT NULL UNIQUE,
         name TEXT NOT NULL, record TEXT NOT NULL)""",
    """CREATE TABLE items (item_id TEXT NOT NULL,
         product_id TEXT NOT NULL REFERENCES products (product_id),
         PRIMARY KEY (item_id, product_id)) WITHOUT ROWID""",
    """CREATE TABLE gift_cards (user_id TEXT NOT NULL REFERENCES users (user_id),
         payment_method_id TEXT NOT NULL, balance REAL NOT NULL,
         PRIMARY KEY (user_id, payment_method_id)) WITHOUT ROWID""",
    "CREATE TABLE usage (order_id TEXT PRIMARY KEY, record TEXT NOT NULL)",
    """CREATE TABLE passages (position INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL,
         text TEXT NOT NULL, version TEXT NOT NULL, valid_from TEXT, valid_to TEXT,
         UNIQUE (id, version))""",
    "CREATE TABLE calls (key TEXT PRIMARY KEY, tool TEXT NOT NULL, result TEXT NOT NULL)",
)

_UPSERT_PRODUCT = """
    INSERT INTO products (product_id, name, record) VALUES (?, ?, ?) ON CONFLICT (product_id)
    DO UPDATE SET name = excluded.name, record = excluded.record"""
_UPSERT_USER = """
    INSERT INTO users (user_id, email, record) VALUES (?, ?, ?) ON CONFLICT (user_id)
    DO UPDATE SET email = excluded.email, record = excluded.record, version = version + 1"""
_UPSERT_ORDER = """
    INSERT INTO orders (order_id, user_id, status, record) VALUES (?, ?, ?, ?)
    ON CONFLICT (order_id) DO UPDATE SET user_id = excluded.user_id, status = excluded.status,
    record = excluded.record, version = version + 1"""
_UPSERT_USAGE = """
    INSERT INTO usage (order_id, record) VALUES (?, ?)
    ON CONFLICT (order_id) DO UPDATE SET record = excluded.record"""
_UPSERT_PASSAGE = """
    INSERT INTO passages (id, title, text, version, valid_from, valid_to)
    VALUES (:id, :title, :text, :version, :valid_from, :valid_to)
    ON CONFLICT (id, version) DO UPDATE SET title = excluded.title, text = excluded.text,
    valid_from = excluded.valid_from, valid_to = excluded.valid_to"""


class PolicyText(BaseModel):
    """One text of the policy knowledge base; `valid_from` and `valid_to` are both inclusive."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    id: str
    title: str
    text: str
    version: str = "1"
    valid_from: date | None = None
    valid_to: date | None = None


class Shop:
    """The shop as its tools reach it: one connection, one transaction at a time.

    The SQLite calls run in the event loop's thread; each transaction is short. Every method
    raises ToolUnavailable when another process keeps the database longer than the busy time-out.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Shop:
        """Open the file, made with its schema when new (mode 0600).

        Raises StoreError for a file that is no shop database, or newer than this code.
        """
        try:
            return cls(_connect(path))
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} cannot be used as the shop's database: {error}") from error

    async def aclose(self) -> None:
        """Close the connection; the write-ahead log is folded into the file."""
        self._connection.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """One consistent view of the records, for look-ups."""
        async with self._transaction("BEGIN") as session:
            yield session

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Session]:
        """A transaction for changes: all of them are kept, or none when the block raises."""
        async with self._transaction("BEGIN IMMEDIATE") as session:
            yield session

    async def once(
        self, call: ToolCall, tool: str, order_id: str, change: Callable[[Session], Record]
    ) -> Record:
        """Make a change under the call's idempotency key and return its result (plain JSON).

        Where the call was decided on a version of the order, another version refuses it: nothing
        can slip in between the runtime's last look and the change.

        Change and ledger entry commit together: the same key again returns the recorded result
        and changes nothing. Raises what `change` raises, and then nothing is recorded.
        """
        async with self.changing() as session:
            earlier = session.recorded(call.key, tool)
            if earlier is not None:
                return earlier
            _expect_version(session, order_id, call.facts.get("version"))
            result = change(session)
            session.record_call(call.key, tool, result)
            return result

    async def load(self, document: Mapping[str, Any]) -> None:
        """Import `{"products", "users", "orders"}` (each by id, as in db.json), `"usage"` (by
        order id, or a list of records with an order_id) and the list `"policies"`; every part
        may be left out.

        A usage record is {"credits_used"?, "first_used"?, "unavailable"?}; a policy is a
        `PolicyText`. A record that exists already is replaced and its version raised.
        Raises InvalidInput for an unknown part or a malformed record; then nothing is imported.
        """
        for part in document:
            if part not in _PARTS:
                raise InvalidInput("document", part, f"is none of {', '.join(_PARTS)}")
        async with self.changing():
            for part, (load, empty) in _PARTS.items():
                try:
                    load(self._connection, document.get(part, empty()))
                except KeyError as error:
                    raise InvalidInput(part, error.args[0], "a record lacks this field") from error
                except (TypeError, AttributeError, ValueError) as error:
                    raise InvalidInput(part, str(error), "a record is malformed") from error

    async def amend(self, order_id: str, fields: Mapping[str, Any]) -> None:
        """Change an order's fields as somebody else in the shop would, version and all.

        Raises ToolRefused for an unknown order.
        """
        async with self.changing() as session:
            row = session.order(order_id)
            session.save_order({**row.record, **fields})

    async def dump(self) -> dict[str, dict[str, Record]]:
        """Everything as `{"products", "users", "orders"}`, in exactly the shape of db.json."""
        async with self.reading():
            products = self._records("SELECT product_id, record FROM products ORDER BY position")
            users = self._records("SELECT user_id, record FROM users ORDER BY position")
            orders = self._records("SELECT order_id, record FROM orders ORDER BY position")
            cards = self._connection.execute(
                "SELECT user_id, payment_method_id, balance FROM gift_cards"
            )
            for user_id, method_id, balance in cards:
                fold_balances(users[user_id], [(method_id, balance)])
        return {"products": products, "users": users, "orders": orders}

    def _records(self, sql: str) -> dict[str, Record]:
        return {name: json.loads(text) for name, text in self._connection.execute(sql)}

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[Session]:
        async with self._lock:
            try:
                self._connection.execute(begin)
                yield Session(self._connection)
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise ToolUnavailable(f"The shop's database does not answer: {error}.") from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")


def _expect_version(session: Session, order_id: str, decided_on: int | None) -> None:
    """Refuse when the order is no longer the one that was decided on."""
    if decided_on is None:
        return
    present = session.order(order_id).version
    if present != decided_on:
        raise ToolRefused(f"Order changed: version was {decided_on}, is {present}")


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        # A change that was reported as done must survive a power cut: the runtime never repeats
        # a call whose outcome it has journalled.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _create_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_schema(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StoreError(f"The shop's database has version {version}, newer than this code.")
    if version == 0:
        for statement in _SCHEMA:
            connection.execute(statement)
        passages = Table(Database(connection, recursive_triggers=False), "passages")
        passages.enable_fts(["title", "text"], create_triggers=True, tokenize="porter unicode61")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _load_products(connection: sqlite3.Connection, products: Mapping[str, Record]) -> None:
    rows = [(name, product["name"], encode(product)) for name, product in products.items()]
    connection.executemany(_UPSERT_PRODUCT, rows)
    connection.executemany("DELETE FROM items WHERE product_id = ?", [(p,) for p in products])
    variants = [(item, name) for name, product in products.items() for item in product["variants"]]
    connection.executemany("INSERT INTO items (item_id, product_id) VALUES (?, ?)", variants)


def _load_users(connection: sqlite3.Connection, users: Mapping[str, Record]) -> None:
    split = {user_id: split_balances(user) for user_id, user in users.items()}
    rows = [
        (user_id, str(user.get("email", "")).lower(), encode(user))
        for user_id, (user, _) in split.items()
    ]
    connection.executemany(_UPSERT_USER, rows)
    connection.executemany("DELETE FROM gift_cards WHERE user_id = ?", [(u,) for u in users])
    cards = [
        (user_id, method_id, balance)
        for user_id, (_, balances) in split.items()
        for method_id, balance in balances.items()
    ]
    connection.executemany(
        "INSERT INTO gift_cards (user_id, payment_method_id, balance) VALUES (?, ?, ?)", cards
    )


def _load_orders(connection: sqlite3.Connection, orders: Mapping[str, Record]) -> None:
    rows = [
        (order_id, order["user_id"], order["status"], encode(order))
        for order_id, order in orders.items()
    ]
    connection.executemany(_UPSERT_ORDER, rows)


def _load_usage(connection: sqlite3.Connection, usage: Mapping[str, Record] | list[Record]) -> None:
    by_order = usage if isinstance(usage, Mapping) else {row["order_id"]: row for row in usage}
    rows = [(order_id, encode(row)) for order_id, row in by_order.items()]
    connection.executemany(_UPSERT_USAGE, rows)


def _load_policies(connection: sqlite3.Connection, policies: list[Record]) -> None:
    try:
        texts = [PolicyText.model_validate(policy) for policy in policies]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput("policies", first["input"], f"{first['loc']}: {first['msg']}") from error
    connection.executemany(_UPSERT_PASSAGE, [text.model_dump(mode="json") for text in texts])


_PARTS: dict[str, tuple[Callable[[sqlite3.Connection, Any], None], type]] = {
    "products": (_load_products, dict),
    "users": (_load_users, dict),
    "orders": (_load_orders, dict),
    "usage": (_load_usage, list),
    "policies": (_load_policies, list),
}

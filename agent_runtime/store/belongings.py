"""Belongings: what a file holds of a tenant, table by table, to be handed out or erased whole.

`TABLES` names every table that holds rows of tenants, children before what they hang on. A test
holds it against the schema: a new table is in it, or in `NOBODYS`.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_runtime.store.connection import cipher_of

SLICE = 1_000
"""Rows that are erased in one commit: bounds how long other tenants of the file wait."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Sealed:
    """A column that is sealed where there is a content key, and the place that it is sealed for:
    the columns of `keys` behind `place`. `type`: the column with the type of a serialized value."""

    column: str
    place: str
    keys: tuple[str, ...]
    type: str | None = None


@dataclass(frozen=True)
class Table:
    """One table. `through`: the table that says whose its rows are, where it has no tenant itself,
    with the columns that join the two. `derived`: made from others, so that nobody needs a copy."""

    name: str
    sealed: tuple[Sealed, ...] = ()
    through: tuple[str, str, str] | None = None
    derived: bool = False

    @property
    def rows(self) -> str:
        """FROM and WHERE of a tenant's rows; its one parameter is the tenant."""
        if self.through is None:
            return f"FROM {self.name} AS t WHERE t.tenant = ?"
        other, own, theirs = self.through
        return f"FROM {self.name} AS t JOIN {other} AS o ON o.{theirs} = t.{own} WHERE o.tenant = ?"


def _body(table: str, *keys: str, column: str = "body") -> tuple[Sealed, ...]:
    return (Sealed(column, table, keys),)


def _typed(table: str, column: str, *keys: str) -> tuple[Sealed, ...]:
    return (Sealed(column, table, keys, type="type"),)


_CHANGED = ("approval_id", "field")
_STEP = ("run_id", "step", "visit")
_THREAD = ("thread_id", "ns")

TABLES: tuple[Table, ...] = (
    Table("event_bodies", _body("event_bodies", "number"), through=("events", "seq", "seq")),
    Table("notices"),
    Table("subscriptions", _body("subscriptions", "id")),
    Table("messages"),
    Table("triggers"),
    Table("timers"),
    Table("schedules", _body("schedules", "id", column="input")),
    Table("rates"),
    Table("answers", _body("answers", "operator", "key")),
    Table("sign_ins"),
    Table("tokens"),
    Table("policy_changes"),
    Table("comments", _body("comments", "id", column="text")),
    Table("approval_looks"),
    Table(
        "approval_changes",
        (Sealed("old", "approval_changes", _CHANGED), Sealed("new", "approval_changes", _CHANGED)),
    ),
    Table("decisions", _body("decisions", "approval_id", "operator")),
    Table("journal", _body("journal", "key", column="result")),
    Table("authorizations", _body("authorizations", *_STEP)),
    Table("approvals", _body("approvals", "id")),
    Table("recordings"),
    Table("model_answers", _body("model_answers", "request")),
    Table("model_calls"),
    Table("batch_lines", _body("batch_lines", *_STEP)),
    Table("batches"),
    Table("spendings"),
    Table(
        "checkpoint_writes",
        _typed("checkpoint_writes", "value", *_THREAD, "checkpoint_id", "task_id", "idx"),
    ),
    Table(
        "checkpoint_values", _typed("checkpoint_values", "value", *_THREAD, "channel", "version")
    ),
    Table("checkpoints", _typed("checkpoints", "body", *_THREAD, "checkpoint_id")),
    Table("contents", _body("contents", "hash")),
    Table("passage_words", through=("passages", "rowid", "row"), derived=True),
    Table("passages", _body("passages", "source", "id")),
    Table("vectors", _typed("vectors", "body", "model", "hash")),
    Table("source_labels"),
    Table("sources", _body("sources", "id")),
    Table("knowledge_states"),
    Table("pseudonyms", _body("pseudonyms", "name")),
    Table("pseudonym_keys", _body("pseudonym_keys")),
    Table("grades", _body("grades", "run_id", "grader")),
    Table("labels"),
    Table("outcomes"),
    Table("courses"),
    Table("measures"),
    Table("measured"),
    Table("rollouts"),
    Table("traces_owed"),
    Table("alerts"),
    Table("workflow_versions"),
    Table("events"),
    Table(
        "runs",
        tuple(Sealed(name, f"runs.{name}", ("id",)) for name in ("input", "documents", "reason")),
    ),
)

NOBODYS: Mapping[str, str] = {
    "seals": "which keys the file's content may be sealed with",
    "passage_word_counts": "a view of passage_words, which stores nothing itself",
    "tenants": "who is registered; of an erased tenant its row is what remains",
}
"""Tables whose rows are no tenant's to take along, and what they are for."""


def rows(connection: sqlite3.Connection, tenant: str, table: Table) -> Iterator[Row]:
    """A tenant's rows of one table, one by one, their content opened."""
    more = ", o.number" if table.name == "event_bodies" else ""
    cursor = connection.execute(f"SELECT t.*{more} {table.rows}", (tenant,))
    names = [column[0] for column in cursor.description]
    for values in cursor:
        yield _opened(connection, tenant, table, dict(zip(names, values, strict=True)))


def count(connection: sqlite3.Connection, tenant: str) -> dict[str, int]:
    """How many rows there are of a tenant, by table."""
    return {
        table.name: int(
            connection.execute(f"SELECT count(*) {table.rows}", (tenant,)).fetchone()[0]
        )
        for table in TABLES
    }


def erase_some(connection: sqlite3.Connection, tenant: str, table: Table) -> int:
    """Erase a slice of a tenant's rows of one table; how many, 0 when there are none left."""
    connection.execute("PRAGMA secure_delete = ON")  # what was there is overwritten, not left free
    try:
        return _erase(connection, tenant, table)
    finally:
        connection.execute("PRAGMA secure_delete = OFF")


def holds(connection: sqlite3.Connection, tenant: str) -> bool:
    """Whether there is any row of a tenant."""
    return any(
        connection.execute(f"SELECT 1 {table.rows} LIMIT 1", (tenant,)).fetchone()
        for table in TABLES
        if table.through is None
    )


def _erase(connection: sqlite3.Connection, tenant: str, table: Table) -> int:
    info = connection.execute(f"PRAGMA table_info({table.name})").fetchall()
    keys = [name for _, name, *_, place in sorted(info, key=lambda column: column[5]) if place]
    keys = keys or ["rowid"]
    named, own = ", ".join(keys), ", ".join(f"t.{key}" for key in keys)
    done = connection.execute(
        f"DELETE FROM {table.name} WHERE ({named}) IN (SELECT {own} {table.rows} LIMIT {SLICE})",  # noqa: S608 — constants
        (tenant,),
    )
    return done.rowcount


def stop_runs(connection: sqlite3.Connection, tenant: str) -> None:
    """Take every claim and alarm of a tenant away, so that no worker takes anything up."""
    connection.execute(
        "UPDATE runs SET state = 'cancelled', epoch = epoch + 1, owner = NULL, lease_until = NULL"
        " WHERE tenant = ? AND state IN ('queued', 'running')",
        (tenant,),
    )
    connection.execute("DELETE FROM timers WHERE tenant = ?", (tenant,))


def running(connection: sqlite3.Connection, tenant: str) -> list[str]:
    """The runs of a tenant that somebody works on."""
    found = connection.execute(
        "SELECT id FROM runs WHERE tenant = ? AND state = 'running' ORDER BY id", (tenant,)
    )
    return [run_id for (run_id,) in found.fetchall()]


def _opened(connection: sqlite3.Connection, tenant: str, table: Table, row: Row) -> Row:
    cipher = cipher_of(connection)
    for sealed in table.sealed:
        value, place = row[sealed.column], [sealed.place, *(row[key] for key in sealed.keys)]
        if value is None:
            continue
        if sealed.type is None:
            row[sealed.column] = cipher.open(value, tenant, *place)
        else:
            typed = cipher.open_typed((row[sealed.type], value), tenant, *place)
            row[sealed.type], row[sealed.column] = typed
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

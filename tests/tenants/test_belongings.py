"""Belongings: no table is forgotten when a tenant is exported or erased."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.store import Store
from agent_runtime.store.belongings import NOBODYS, TABLES


@pytest.fixture
def schema(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    Store(tmp_path / "runtime.db", SystemClock()).close()
    with closing(sqlite3.connect(tmp_path / "runtime.db")) as connection:
        yield connection


def columns(schema: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in schema.execute(f"PRAGMA table_info({table})")}


def tables(schema: sqlite3.Connection) -> list[str]:
    """Every table but SQLite's own and those in which a virtual table keeps its rows."""
    rows = schema.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
    return [n for n, kind in rows if kind in ("table", "virtual") and not n.startswith("sqlite_")]


def test_every_table_is_exported_and_erased_or_nobody_s(schema: sqlite3.Connection) -> None:
    """A new table gets its line in `TABLES`, or says in `NOBODYS` why it has none."""
    known = {table.name for table in TABLES} | NOBODYS.keys()
    assert set(tables(schema)) == known


def test_what_is_nobody_s_has_no_tenant(schema: sqlite3.Connection) -> None:
    """But for the list of tenants itself."""
    having = {name for name in NOBODYS if "tenant" in columns(schema, name)}
    assert having == {"tenants"}


def test_a_table_without_a_tenant_says_whose_its_rows_are(schema: sqlite3.Connection) -> None:
    """By the one that it is joined to; every column that is named is there."""
    for table in TABLES:
        if table.through is None:
            assert "tenant" in columns(schema, table.name), table.name
        else:
            other, own, theirs = table.through
            assert "tenant" in columns(schema, other)
            assert theirs in {*columns(schema, other), "rowid"}
            assert own in {*columns(schema, table.name), "rowid"}


def test_rows_go_before_what_they_hang_on(schema: sqlite3.Connection) -> None:
    """A slice that is committed leaves no row that refers to nothing."""
    order = {table.name: place for place, table in enumerate(TABLES)}
    for table in TABLES:
        for _, _, parent, *_ in schema.execute(f"PRAGMA foreign_key_list({table.name})"):
            assert order[table.name] < order[parent], f"{table.name} before {parent}"
        if table.through is not None:
            assert order[table.name] < order[table.through[0]]

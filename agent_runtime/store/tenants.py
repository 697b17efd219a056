"""Tenants in the store: who is registered in a file, and whose rows it may take.

A main file holds the rows of every tenant that has no file of its own; such a file holds those of
one tenant. Each write is held against what its file says at that moment, so that nothing gets into
the wrong one, or in for a tenant that is being erased, whichever process made or erased it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from agent_runtime.clock import from_text, to_text
from agent_runtime.errors import StoreError
from agent_runtime.tenant import Tenant

_FIELDS = "region, state, created_by, created_at, erased_by, erased_at, head_number, head_hash"


def registered(connection: sqlite3.Connection) -> dict[str, Tenant]:
    """The tenants that a file knows, by name; none in a file from before there were any."""
    if connection.execute("PRAGMA user_version").fetchone()[0] < SINCE:
        return {}
    rows = connection.execute(f"SELECT tenant, {_FIELDS} FROM tenants ORDER BY tenant")  # noqa: S608 — constant
    return {row[0]: _tenant(row) for row in rows.fetchall()}


SINCE = 11
"""The schema that has them."""


def put(connection: sqlite3.Connection, tenant: Tenant) -> None:
    """Register a tenant, or change what is said of it."""
    erased = None if tenant.erased_at is None else to_text(tenant.erased_at)
    connection.execute(
        f"INSERT OR REPLACE INTO tenants (tenant, {_FIELDS}) VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608 — constant
        (tenant.name, tenant.region, tenant.state, tenant.created_by, to_text(tenant.created_at))
        + (tenant.erased_by, erased, tenant.head_number, tenant.head_hash),
    )


def owner_of(connection: sqlite3.Connection) -> str | None:
    """The tenant whose own file it is; None for a main file, in which the installation's own
    history says of each tenant that it was made."""
    known = list(registered(connection).values())
    if len(known) != 1 or known[0].region is None:
        return None
    theirs = "SELECT 1 FROM events WHERE tenant <> ? LIMIT 1"
    found = connection.execute(theirs, (known[0].name,)).fetchone()
    return None if found else known[0].name


def claim(connection: sqlite3.Connection, tenant: Tenant) -> bool:
    """Make a file the tenant's own; false where it is another's."""
    connection.execute("BEGIN IMMEDIATE")
    known = registered(connection)
    taken = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    if not known and not taken:
        put(connection, tenant)
        known = {tenant.name: tenant}
    connection.execute("COMMIT")
    return list(known) == [tenant.name] and known[tenant.name].region == tenant.region


class Registry:
    """What one file's writer knows of its tenants; `only`: whose own file it is."""

    def __init__(self, connection: sqlite3.Connection, only: str | None = None) -> None:
        self._connection = connection
        self._only = only
        self._version: int | None = None
        self.known: Mapping[str, Tenant] = {}
        self.look()

    def look(self) -> None:
        """Read again what another process may have changed; where nobody can meanwhile."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self.known = registered(self._connection)
            self._version = version

    def put(self, tenant: Tenant) -> None:
        """Register or change a tenant in this transaction; whatever follows in it knows."""
        put(self._connection, tenant)
        self.known = {**self.known, tenant.name: tenant}
        self._version = None  # should it be undone, the next transaction reads again

    def admit(self, tenant: str) -> None:
        """Raises TenantErased or StoreError unless the file takes that tenant's rows."""
        found = self.known.get(tenant)
        if found is None:
            if self._only is not None:
                raise _of_another(self._only, tenant)
        elif found.state != "active":
            raise found.gone
        elif self._only is None and found.region is not None:
            raise StoreError(
                f"The tenant {tenant!r} has a file of its own since just now.",
                remedy="Nothing was stored; send it again.",
            )


def _of_another(owner: str, tenant: str) -> StoreError:
    return StoreError(
        f"The file of tenant {owner!r} takes nothing of {tenant!r}.",
        remedy="Was a file moved or renamed? See: agent-runtime doctor",
    )


def _tenant(row: tuple[Any, ...]) -> Tenant:
    name, region, state, by, at, erased_by, erased_at, number, head = row
    return Tenant(
        name=name,
        region=region,
        state=state,
        created_by=by,
        created_at=from_text(at),
        erased_by=erased_by,
        erased_at=None if erased_at is None else from_text(erased_at),
        head_number=number,
        head_hash=head,
    )

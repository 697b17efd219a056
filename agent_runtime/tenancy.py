"""Tenancy: tenants are made, listed and erased.

Erasing goes from mark to mark, so that it can be taken up wherever a process died: *erasing* means
that nobody reads, writes or drives anything of the tenant any more, *erased* that no row of it is
left. What remains is its row among the tenants, and the event that says so in the installation's
own history: who, when, and the head of the chain that is gone.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent_runtime.errors import Conflict, NotFound
from agent_runtime.store import Across, Store, upkeep
from agent_runtime.store.belongings import TABLES, Table, erase_some, holds, running, stop_runs
from agent_runtime.store.files import Files
from agent_runtime.tenant import HOME, Tenant, file_of

LIST = "List them with: agent-runtime tenants list"
LOOKS = 5
"""How often emptying the log is tried while readers are in the way."""


class Erasure(BaseModel):
    """What erasing a tenant did. `rows`: by table. `emptied`: no earlier text is left in the log
    of the file that it shared; if not, the next checkpoint without a reader empties it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Tenant
    rows: dict[str, int]
    emptied: bool


class Tenancy:
    """The tenants of one installation."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def find(self) -> list[Tenant]:
        """All tenants, by name: those that were made, and those that share the main file."""
        self._files.follow()
        known = dict(self._files.tenants)
        for name in {HOME, *upkeep.with_history(self._files.read_across().connection)}:
            known.setdefault(name, self._unregistered(name))
        return [known[name] for name in sorted(known)]

    def get(self, name: str) -> Tenant:
        """One tenant, in whatever state; raises NotFound."""
        for tenant in self.find():
            if tenant.name == name:
                return tenant
        raise NotFound("tenant", name, remedy=LIST)

    def erased(self, name: str) -> Tenant | None:
        """What remains of a tenant that was erased, or is being."""
        self._files.follow()
        found = self._files.tenants.get(name)
        return None if found is None or found.state == "active" else found

    async def create(self, name: str, region: str | None, by: str) -> Tenant:
        """Register a tenant, with a file of its own in a region or without one.

        Raises InvalidInput for a name or region that cannot be, Conflict where there is one of
        that name or data of it in the main file, TenantErased where there was one.
        """
        files = self._files
        files.residency.admit(name, region)
        tenant = Tenant(
            name=name, region=region, state="active", created_by=by, created_at=files.now()
        )
        if region is not None:
            _require_new(files, name, own_file=True)
            await asyncio.to_thread(files.claim, tenant)

        def register(across: Across) -> None:
            _require_new(files, name, own_file=region is not None)
            if region is not None and holds(across.connection, name):
                raise _shares(name)
            files.registry.put(tenant)
            body = {"tenant": name, "region": region, "by": by}
            across.session(HOME).events.append("tenant.created", None, **body)

        await files.write_across(register)
        files.follow()
        return tenant

    async def erase(self, name: str, by: str, *, force: bool = False) -> Erasure:
        """Erase all of a tenant; `force`: also while its runs are being worked on.

        Begun and left off by a process that died, it is taken up where that was. Raises NotFound,
        TenantErased where it is done, Conflict for a tenant that is at work or the installation's.
        """
        if name == HOME:
            raise Conflict(
                f"{HOME!r} is the installation's own tenant: its policies hold for all.",
                remedy="To erase the installation, remove its data folder.",
            )
        tenant = self.get(name)
        if tenant.state == "erased":
            raise tenant.gone
        if tenant.state == "active":
            tenant = await self._mark(tenant, by, force=force)
        rows = await self._drop(tenant)
        done = await self._finish(tenant, sum(rows.values()))
        return Erasure(tenant=done, rows=rows, emptied=await self._empty(done))

    async def _mark(self, tenant: Tenant, by: str, *, force: bool) -> Tenant:
        """From here on nothing of it is read, written or driven."""
        files = self._files
        store = files.at(tenant)

        def mark(across: Across) -> Tenant:
            at_work = running(across.connection, tenant.name)
            if at_work and not force:
                raise Conflict(
                    f"{len(at_work)} runs of {tenant.name!r} are at work, such as {at_work[0]}.",
                    remedy="Let them end, or add --force: what they do meanwhile is in no record.",
                )
            stop_runs(across.connection, tenant.name)
            head = across.session(tenant.name).events.head()
            known = {"number": head.number, "hash": head.hash}
            update = {"state": "erasing", "erased_by": by, "erased_at": across.now}
            update |= {f"head_{field}": value for field, value in known.items()}
            marked = tenant.model_copy(update=update)
            store.registry.put(marked)
            return marked

        marked = await store.write_across(mark)
        if store is not files:
            await files.write_across(lambda _: files.registry.put(marked))
        files.follow()
        return marked

    async def _drop(self, tenant: Tenant) -> dict[str, int]:
        """Erase its rows, a slice in a commit."""
        rows = {table.name: 0 for table in TABLES}
        if tenant.region is not None and not self._path(tenant).is_file():
            return rows  # the process that died had come to the file itself
        store = self._files.at(tenant)
        for table in TABLES:
            rows[table.name] = await _drop_all(store, tenant.name, table)
        return rows

    async def _finish(self, tenant: Tenant, rows: int) -> Tenant:
        """Say that it is done, here and in the installation's history."""
        files = self._files
        if tenant.region is not None:
            files.let_go(tenant)
            await asyncio.to_thread(upkeep.remove, self._path(tenant))
        done = tenant.model_copy(update={"state": "erased"})

        def finish(across: Across) -> None:
            files.registry.put(done)
            body = {"tenant": done.name, "region": done.region, "by": done.erased_by, "rows": rows}
            head = {"number": done.head_number, "hash": done.head_hash}
            across.session(HOME).events.append("tenant.erased", None, **body, head=head)

        await files.write_across(finish)
        files.follow()
        return done

    async def _empty(self, tenant: Tenant) -> bool:
        """Leave nothing of it in the free pages and the log of a file that others share."""
        if tenant.region is not None:
            return True
        for _ in range(LOOKS):
            if await asyncio.to_thread(upkeep.give_back, self._files.path):
                return True
        return False

    def _unregistered(self, name: str) -> Tenant:
        first = self._files.read_across().session(name).events.find(limit=1)
        since = first[0].at if first else self._files.now()
        return Tenant(name=name, region=None, state="active", created_by="", created_at=since)

    def _path(self, tenant: Tenant) -> Path:
        return file_of(self._files.path.parent, tenant.region or "", tenant.name)


async def _drop_all(store: Store, tenant: str, table: Table) -> int:
    dropped = 0
    while True:
        erased = await store.write_across(partial(_slice, tenant, table))
        if not erased:
            return dropped
        dropped += erased


def _slice(tenant: str, table: Table, across: Across) -> int:
    return erase_some(across.connection, tenant, table)


def _require_new(files: Files, name: str, *, own_file: bool) -> None:
    """Raises TenantErased or Conflict where there is or was a tenant of that name."""
    found = files.registry.known.get(name)
    if found is not None and found.state != "active":
        raise found.gone
    if found is not None:
        where = "the main file" if found.region is None else found.region
        raise Conflict(f"There is a tenant {name!r} already, in {where}.", remedy=LIST)
    if name == HOME and own_file:
        raise Conflict(f"{HOME!r} is the installation's own tenant: it stays in the main file.")


def _shares(name: str) -> Conflict:
    return Conflict(
        f"The tenant {name!r} has data in the main file already.",
        remedy="Export it and erase it, and make one of another name.",
    )

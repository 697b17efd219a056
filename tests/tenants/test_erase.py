"""Erasing a tenant: nothing of it is left but who did it, when, and where its history ended."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import tenancy
from agent_runtime.errors import AgentRuntimeError, Conflict, TenantErased
from agent_runtime.event import Head
from agent_runtime.identity import create_token
from agent_runtime.store import upkeep
from agent_runtime.store.belongings import count
from agent_runtime.tenancy import Tenancy
from tests.office import Office
from tests.tenants.conftest import OWN_WORDS, OpenOffice, holding, settings
from tests.tenants.rich import furnish

both = pytest.mark.parametrize("tenant", ["acme", "corp"], ids=["own file", "shared file"])
"""acme has a file of its own, corp shares the main one."""


def left(office: Office, tenant: str) -> dict[str, int]:
    """What rows there are of a tenant in all files together."""
    found: dict[str, int] = {}
    for path in sorted(office.data.rglob("*.db")):
        if path.name != "bank.db":
            with upkeep.reading(path) as connection:
                for table, rows in count(connection, tenant).items():
                    found[table] = found.get(table, 0) + rows
    return {table: rows for table, rows in found.items() if rows}


@both
async def test_no_row_and_no_byte_is_left(regional: Office, tenant: str) -> None:
    """Neither in tables nor in free pages nor in the log; other tenants keep what they have."""
    await furnish(regional, tenant)
    await furnish(regional, "bolt")
    await furnish(regional, "default")
    before, others = left(regional, tenant), [left(regional, t) for t in ("bolt", "default")]
    assert before.pop("timers") > 0  # gone with the first step, so that nothing more happens
    assert holding(regional.data, f"{OWN_WORDS} {tenant}") != []
    done = await regional.runtime.tenancy.erase(tenant, "ada")
    assert done.emptied
    assert {table: rows for table, rows in done.rows.items() if rows} == before
    assert left(regional, tenant) == {}
    assert holding(regional.data, f"{OWN_WORDS} {tenant}") == []
    assert left(regional, "bolt") == others[0]
    assert left(regional, "default")["runs"] == others[1]["runs"]
    assert not (regional.data / "eu" / "acme.db").exists() or tenant != "acme"


@both
async def test_what_remains_says_who_when_and_where_it_ended(regional: Office, tenant: str) -> None:
    """In the list, and in the installation's own history, which is anchored."""
    await furnish(regional, tenant)
    head = regional.runtime.store.read(tenant).events.head()
    done = await regional.runtime.tenancy.erase(tenant, "ada")
    assert (done.tenant.state, done.tenant.erased_by) == ("erased", "ada")
    assert (done.tenant.head_number, done.tenant.head_hash) == (head.number, head.hash)
    said = regional.runtime.store.read("default").events.find()[-1]
    assert said.body is not None
    assert (said.type, said.body["head"]["hash"]) == ("tenant.erased", head.hash)
    assert regional.runtime.tenancy.get(tenant) == done.tenant


async def test_verifying_says_that_it_was_erased(regional: Office) -> None:
    """Against the anchor and against a head kept elsewhere; one beyond the end gives it away."""
    await furnish(regional, "acme")
    head = regional.runtime.store.read("acme").events.head()
    await regional.runtime.tenancy.erase("acme", "ada")
    found = regional.runtime.audit("acme")
    assert found.holds
    assert found.anchored
    assert found.erased.endswith("by ada")
    beyond = Head(tenant="acme", number=head.number + 1, hash=head.hash)
    other = Head(tenant="acme", number=head.number, hash="sha256:" + "0" * 64)
    assert "was exported" in regional.runtime.verify("acme", beyond).problem
    assert "another hash" in regional.runtime.verify("acme", other).problem


@both
async def test_nothing_comes_back(regional: Office, tenant: str) -> None:
    """Its tokens open nothing, nothing is taken for it, and its name is not given again."""
    await furnish(regional, tenant)
    runtime = regional.runtime
    await runtime.tenancy.erase(tenant, "ada")
    regional.tenant = tenant
    with pytest.raises(TenantErased, match=f"'{tenant}' was erased on 2026-03-30 by ada"):
        await regional.start()
    with pytest.raises(TenantErased):
        runtime.store.read(tenant)
    with pytest.raises(TenantErased):
        await create_token(
            runtime.store, regional.person("lena"), by="x", lifetime=timedelta(days=1)
        )
    for region in ("eu", None):
        with pytest.raises(TenantErased):
            await runtime.tenancy.create(tenant, region, "ada")
    with pytest.raises(TenantErased):
        await runtime.tenancy.erase(tenant, "ada")


@both
async def test_a_tenant_at_work_is_not_erased_unless_forced(regional: Office, tenant: str) -> None:
    """And then its worker can write nothing more."""
    regional.tenant = tenant
    segment = await regional.claim(await regional.start())
    with pytest.raises(Conflict, match="1 runs of "):
        await regional.runtime.tenancy.erase(tenant, "ada")
    assert regional.runtime.tenancy.get(tenant).state == "active"
    await regional.runtime.tenancy.erase(tenant, "ada", force=True)
    with pytest.raises(AgentRuntimeError):
        await segment.write(lambda s: s.events.append("tool.called", segment.run.id))
    assert left(regional, tenant) == {}


async def test_the_installation_s_own_tenant_stays(regional: Office) -> None:
    """Its policies hold for all."""
    with pytest.raises(Conflict, match="remove its data folder"):
        await regional.runtime.tenancy.erase("default", "ada")


@both
@pytest.mark.parametrize("step", ["_drop_all", "remove", "put"])
async def test_an_erasure_that_was_broken_off_is_taken_up(
    regional: Office,
    open_office: OpenOffice,
    monkeypatch: pytest.MonkeyPatch,
    tenant: str,
    step: str,
) -> None:
    """Wherever its process died; until it is done nothing of the tenant is read."""
    await furnish(regional, tenant)
    with monkeypatch.context() as patch:
        die_at(patch, step, regional)
        with suppress(Died):
            await regional.runtime.tenancy.erase(tenant, "ada")
    again = await open_office(settings=settings())
    if again.runtime.tenancy.get(tenant).state == "erasing":
        with pytest.raises(TenantErased):
            again.runtime.store.read(tenant)
        await again.runtime.tenancy.erase(tenant, "luis")
    assert again.runtime.tenancy.get(tenant).erased_by == "ada"
    assert left(again, tenant) == {}


class Died(BaseException):
    """The process is gone."""


def die_at(patch: pytest.MonkeyPatch, step: str, office: Office) -> None:
    def die(*_: Any, **__: Any) -> Any:
        raise Died

    if step == "_drop_all":
        real, calls = tenancy._drop_all, iter(range(100))

        async def some(*given: Any) -> int:
            if next(calls) == 20:
                raise Died
            return await real(*given)

        patch.setattr(tenancy, "_drop_all", some)
    elif step == "remove":
        patch.setattr(upkeep, "remove", die)
    else:
        patch.setattr(Tenancy, "_empty", die)


async def test_history_of_others_can_still_not_be_deleted(regional: Office) -> None:
    """Only the tenant that is being erased loses its events."""
    await furnish(regional, "corp")
    await furnish(regional, "default")
    await regional.runtime.tenancy.erase("corp", "ada")
    with (
        closing(sqlite3.connect(regional.data / "runtime.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute("DELETE FROM events WHERE tenant = 'default'")


async def test_a_reader_that_keeps_the_log_is_told_of(
    regional: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then earlier text may still be in it, until it is folded in."""
    await furnish(regional, "corp")
    monkeypatch.setattr(upkeep, "HOLD_TIMEOUT", 0.05)
    with closing(sqlite3.connect(Path(regional.data / "runtime.db"))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        done = await regional.runtime.tenancy.erase("corp", "ada")
        assert not done.emptied
    assert await asyncio.to_thread(upkeep.give_back, regional.data / "runtime.db")
    assert holding(regional.data, f"{OWN_WORDS} corp") == []

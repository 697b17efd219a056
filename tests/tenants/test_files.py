"""Tenants with files of their own: all of one is in its file, and leads there."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from agent_runtime.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    SettingsError,
    StoreError,
)
from agent_runtime.identity import Identity, create_token
from agent_runtime.service import Service
from agent_runtime.tenant import Residency
from agent_runtime.verdict import Operator
from tests.office import Office
from tests.tenants.conftest import OWN_WORDS, OpenOffice, holding, settings

DAY = timedelta(days=1)


def ask(office: Office) -> None:
    """Let runs pause for a lead."""
    office.bank.put("a1", amount="500.00")


async def test_all_of_a_tenant_is_in_its_own_file(regional: Office) -> None:
    """A run that was asked about and paid leaves nothing in anybody else's file."""
    ask(regional)
    record = await regional.flow("lena approve", message=OWN_WORDS)
    assert record.run.state == "completed"
    assert set(holding(regional.data)) <= {"eu/acme.db", "eu/acme.db-wal"} != set()
    assert regional.runtime.store.read("bolt").runs.find() == []


async def test_a_token_leads_to_its_tenant_s_file(regional: Office) -> None:
    """Before the tenant is known; the same secret with another's mark, or none, proves nothing."""
    store, identity = regional.runtime.store, Identity(regional.runtime.store)
    _, acme = await create_token(
        store, Operator(name="ann", tenant="acme"), by="test", lifetime=DAY
    )
    _, bolt = await create_token(
        store, Operator(name="bob", tenant="bolt"), by="test", lifetime=DAY
    )
    assert (await identity.identify(f"Bearer {acme}")).tenant == "acme"
    head, _, rest = acme.partition(".")
    for forged in (f"art_{rest}", f"{bolt.partition('.')[0]}.{rest}", f"{head}x.{rest}"):
        with pytest.raises(NotAuthenticated):
            await identity.identify(f"Bearer {forged}")


async def test_one_worker_serves_all_files(regional: Office) -> None:
    """What is ready in any of them, and what time makes happen there."""
    ask(regional)
    runs = {}
    for tenant in ("default", "acme", "bolt"):
        regional.tenant = tenant
        runs[tenant] = await regional.start(account="a1")
    await Service(regional.runtime).run(asyncio.Event(), once=True)
    for tenant, run in runs.items():
        regional.tenant = tenant
        assert regional.read(run).state == "paused"
    regional.clock.move(timedelta(days=5))
    await Service(regional.runtime).run(asyncio.Event(), once=True)
    for tenant, run in runs.items():
        regional.tenant = tenant
        assert regional.read(run).state == "expired"


async def test_a_limit_on_a_workflow_counts_all_files(regional: Office) -> None:
    """Two tenants' runs of it are not worked on at once where one at a time is allowed."""
    from agent_runtime.queue import Limits
    from agent_runtime.queue.files import FilesQueue

    for tenant in ("acme", "bolt"):
        regional.tenant = tenant
        await regional.start(account="a1")
    queue, one = FilesQueue(regional.runtime.store, 30.0), Limits(workflows={"ledger": 1})
    assert await queue.claim("here:1", one) is not None
    assert await queue.claim("here:1", one) is None


async def test_what_another_process_makes_is_followed(
    regional: Office, open_office: OpenOffice
) -> None:
    """A server that runs already serves a new tenant, and puts nothing of it elsewhere."""
    other = await open_office(settings=settings())
    await regional.runtime.tenancy.create("corp", "us", "ada")
    with pytest.raises(StoreError, match="own since just now"):
        await other.runtime.store.write("corp", lambda s: s.events.append("run.queued"))
    other.runtime.store.version()  # what the worker and the API look at several times a second
    other.tenant = "corp"
    run = await other.start(account="a1")
    assert regional.runtime.store.read("corp").runs.get(run.id) == run
    assert set(holding(other.data, run.id)) <= {"us/corp.db", "us/corp.db-wal"}


@pytest.mark.parametrize(
    ("name", "region", "says"),
    [
        ("../acme", "eu", "is no name of a tenant"),
        ("Acme", "eu", "cannot be the name of a file"),
        ("a.b", "eu", "cannot be the name of a file"),
        ("corp", "mars", "is no region of this installation"),
        ("dora", "us", "has to stay in 'eu'"),
        ("dora", None, "has to stay in 'eu'"),
    ],
)
async def test_what_cannot_be_is_refused(
    open_office: OpenOffice, name: str, region: str | None, says: str
) -> None:
    """With the field, the value and what would be right; nothing is made."""
    office = await open_office(settings=settings(residency={"dora": "eu"}))
    with pytest.raises(InvalidInput, match=says):
        await office.runtime.tenancy.create(name, region, "ada")
    assert [t.name for t in office.runtime.tenancy.find()] == ["default"]
    assert not (office.data / "eu").exists()


async def test_data_that_has_to_stay_somewhere_is_taken_nowhere_else(
    open_office: OpenOffice,
) -> None:
    """Before the tenant's file is made, the main file takes nothing of it."""
    office = await open_office(settings=settings(residency={"dora": "eu"}))
    office.tenant = "dora"
    with pytest.raises(StoreError, match="has to stay in 'eu'"):
        await office.start(account="a1")
    await office.runtime.tenancy.create("dora", "eu", "ada")
    assert (await office.start(account="a1")).state == "queued"


@pytest.mark.parametrize(
    ("regions", "pinned", "says"),
    [
        (("../eu",), {}, "no name of a folder"),
        (("eu",), {"dora": "us"}, "which is no region"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    regions: tuple[str, ...], pinned: dict[str, str], says: str
) -> None:
    """At the start, before any file is opened."""
    with pytest.raises(SettingsError, match=says):
        Residency(regions, pinned).check()


async def test_a_tenant_with_data_in_the_main_file_stays_there(regional: Office) -> None:
    """Moving it is exporting and erasing; half of it in each file would be in neither."""
    regional.tenant = "corp"
    await regional.start(account="a1")
    with pytest.raises(Conflict, match="has data in the main file already"):
        await regional.runtime.tenancy.create("corp", "eu", "ada")
    with pytest.raises(Conflict, match="already, in eu"):
        await regional.runtime.tenancy.create("acme", "us", "ada")


async def test_a_file_that_is_another_s_is_not_opened(
    regional: Office, open_office: OpenOffice
) -> None:
    """One tenant's file under another's name would show the one to the other."""
    data = regional.data
    shutil.copy(data / "eu" / "acme.db", data / "us" / "swapped.db")
    (data / "us" / "bolt.db").unlink()
    (data / "us" / "swapped.db").rename(data / "us" / "bolt.db")
    office = await open_office(settings=settings())
    with pytest.raises(StoreError, match="is not of tenant 'bolt'"):
        office.runtime.store.read("bolt")
    assert office.runtime.store.read("acme").runs.find() == []


async def test_a_file_that_is_missing_fails_its_tenant_alone(
    regional: Office, open_office: OpenOffice
) -> None:
    """It is not made anew, and not looked for in the main file; others go on."""
    run = await regional.start(account="a1")
    missing(regional.data / "us" / "bolt.db")
    office = await open_office(settings=settings())
    with pytest.raises(StoreError, match="is not there"):
        await office.runtime.store.write("bolt", lambda s: s.events.append("run.queued"))
    assert not (office.data / "us" / "bolt.db").exists()
    office.tenant = "acme"
    assert office.read(run) == run
    await Service(office.runtime).run(asyncio.Event(), once=True)


async def test_a_region_that_is_not_served_here_is_said(
    regional: Office, open_office: OpenOffice
) -> None:
    """An installation without the US has nothing of a tenant there."""
    office = await open_office(settings=settings(regions=("eu",)))
    with pytest.raises(StoreError, match="lies in 'us', not here"):
        office.runtime.store.read("bolt")
    assert office.runtime.store.read("acme").runs.find() == []


def missing(path: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


async def test_a_damaged_file_keeps_nobody_else_waiting(
    regional: Office, open_office: OpenOffice
) -> None:
    """The worker serves the others; the tenant's own people are told."""
    ask(regional)
    regional.tenant = "bolt"
    await regional.start()
    regional.tenant = "acme"
    run = await regional.start()
    regional.runtime.store.close()
    damaged = regional.data / "us" / "bolt.db"
    content = bytearray(damaged.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    damaged.write_bytes(content)
    office = await open_office(settings=settings())
    office.tenant = "acme"
    await Service(office.runtime).run(asyncio.Event(), once=True)
    assert office.read(run).state == "paused"

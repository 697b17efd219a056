"""Upkeep of tenants' own files: backed up, restored and examined as the main one is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent_runtime.anchor import open_anchor
from agent_runtime.backup import make_backup, restore_backup
from agent_runtime.doctor import examine
from agent_runtime.errors import InvalidInput, NotFound, TenantErased
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import Office
from tests.tenants.conftest import OWN_WORDS, OpenOffice, holding, settings
from tests.tenants.rich import furnish
from tests.tenants.test_erase import left

APP = make_app(pay_workflow(make_pay()))


def codes(office: Office) -> list[str]:
    anchor = open_anchor(office.data, None, office.clock)
    office.runtime.anchor.flush()
    return [finding.code for finding in examine(office.data, anchor, office.clock.now())]


def back_up(office: Office, file: Path, tenant: str | None = None) -> None:
    make_backup(office.data, file, office.runtime.anchor.file, force=False, tenant=tenant)


def restore(office: Office, file: Path, tenant: str | None = None) -> None:
    """As a command does it: nobody else holds the file."""
    office.runtime.store.close()
    anchor, now = office.runtime.anchor.file, office.clock.now()
    restore_backup(office.data, file, APP, anchor, by="root", now=now, tenant=tenant)


async def test_a_tenant_s_file_is_backed_up_and_restored(
    regional: Office, open_office: OpenOffice, tmp_path: Path
) -> None:
    """With its history verified; what came after the backup is gone, others keep theirs."""
    early = await regional.start()
    back_up(regional, tmp_path / "acme.db", "acme")
    late = await regional.start()
    regional.tenant = "bolt"
    other = await regional.start()
    restore(regional, tmp_path / "acme.db", "acme")
    again = await open_office(settings=settings())
    assert [run.id for run in again.runtime.store.read("acme").runs.find()] == [early.id]
    assert again.runtime.store.read("bolt").runs.get(other.id) == other
    assert late.id not in holding(regional.data / "eu", late.id)
    assert again.runtime.audit("acme").problem == ""


async def test_one_file_is_not_restored_as_another(regional: Office, tmp_path: Path) -> None:
    """A tenant's as the main one would be everybody's, and another's would show it to them."""
    back_up(regional, tmp_path / "acme.db", "acme")
    back_up(regional, tmp_path / "main.db")
    for file, tenant in (("acme.db", None), ("acme.db", "bolt"), ("main.db", "acme")):
        with pytest.raises(InvalidInput, match="is a backup of"):
            restore(regional, tmp_path / file, tenant)
    with pytest.raises(NotFound, match="file of tenant 'corp'"):
        back_up(regional, tmp_path / "corp.db", "corp")


async def test_a_restore_brings_no_erased_tenant_back(
    regional: Office, open_office: OpenOffice, tmp_path: Path
) -> None:
    """Nor does it forget one that was made since."""
    await furnish(regional, "corp")
    await furnish(regional, "acme")
    back_up(regional, tmp_path / "main.db")
    back_up(regional, tmp_path / "acme.db", "acme")
    for tenant in ("corp", "acme"):
        await regional.runtime.tenancy.erase(tenant, "ada")
    await regional.runtime.tenancy.create("dora", "us", "ada")
    with pytest.raises(TenantErased):
        restore(regional, tmp_path / "acme.db", "acme")
    restore(regional, tmp_path / "main.db")
    again = await open_office(settings=settings())
    states = {tenant.name: tenant.state for tenant in again.runtime.tenancy.find()}
    assert states == {
        "acme": "erased", "bolt": "active", "corp": "erased", "default": "active", "dora": "active"
    }  # fmt: skip
    assert left(again, "corp") == {}
    assert "runtime.db" not in holding(again.data, f"{OWN_WORDS} corp")


async def test_the_doctor_examines_every_file(regional: Office) -> None:
    """One that others may read, one that is missing, and one that nothing refers to."""
    await furnish(regional, "acme")
    assert codes(regional) == []
    (regional.data / "eu" / "acme.db").chmod(0o644)
    assert codes(regional) == ["mode"]
    (regional.data / "eu" / "acme.db").chmod(0o600)
    shutil.copy(regional.data / "eu" / "acme.db", regional.data / "us" / "copy.db")
    assert codes(regional) == ["stray_file"]
    (regional.data / "us" / "copy.db").unlink()
    for suffix in ("-wal", "-shm", ""):
        (regional.data / "us" / f"bolt.db{suffix}").unlink(missing_ok=True)
    assert codes(regional) == ["no_file"]

"""Exporting a tenant: all of it at one moment, readable, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import export
from agent_runtime.errors import InvalidInput, StoreError
from agent_runtime.export import Manifest
from agent_runtime.store import upkeep
from agent_runtime.store.belongings import TABLES, count
from tests.office import Office
from tests.tenants.conftest import OWN_WORDS, OpenOffice, holding, settings
from tests.tenants.rich import furnish

both = pytest.mark.parametrize("tenant", ["acme", "corp"], ids=["own file", "shared file"])


def exported(office: Office, tenant: str, folder: Path) -> Manifest:
    store = office.runtime.store
    return export.write_folder(folder, export.lines(store, tenant, "eu", "ada"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text().splitlines()]


@both
async def test_every_row_is_there_and_nobody_else_s(
    regional: Office, tmp_path: Path, tenant: str
) -> None:
    """The manifest counts them, and its hashes are those of the files."""
    await furnish(regional, tenant)
    await furnish(regional, "default")
    manifest = exported(regional, tenant, tmp_path / "out")
    with upkeep.reading(regional.runtime.store.of(tenant).path) as connection:
        stored = count(connection, tenant)
    assert {name: part.rows for name, part in manifest.tables.items()} == {
        table.name: stored[table.name] for table in TABLES if not table.derived
    }
    for table, part in manifest.tables.items():
        content = (tmp_path / "out" / f"{table}.jsonl").read_bytes()
        assert hashlib.sha256(content).hexdigest() == part.sha256
        assert {row["tenant"] for row in rows(tmp_path / "out", table) if "tenant" in row} <= {
            tenant
        }
    assert holding(tmp_path / "out", f"{OWN_WORDS} default") == []
    assert manifest.head == regional.runtime.store.read(tenant).events.head()


async def test_sealed_content_is_opened_for_its_owner(
    open_office: OpenOffice, tmp_path: Path
) -> None:
    """No value of the copy is sealed any more, in whatever table it stands."""
    key = base64.b64encode(b"k" * 32).decode()
    office = await open_office(settings=settings(content_key=key))
    await office.runtime.tenancy.create("acme", "eu", "ada")
    await furnish(office, "acme")
    assert holding(office.data, OWN_WORDS) == []
    exported(office, "acme", tmp_path / "out")
    assert {"comments.jsonl", "runs.jsonl", "schedules.jsonl", "answers.jsonl"} <= set(
        holding(tmp_path / "out", OWN_WORDS)
    )
    assert holding(tmp_path / "out", "sealed:") == []


async def test_the_copy_is_private_and_whole_or_not_there(regional: Office, tmp_path: Path) -> None:
    """A copy that is cut short or altered on its way leaves nothing behind."""
    await furnish(regional, "acme")
    found = list(export.lines(regional.runtime.store, "acme", "eu", "ada"))
    changed = [("runs", {"tenant": "acme", "id": "run-x"}), *found]
    for given, says in ((found[:-1], "cut short"), (changed, "not what its manifest says")):
        with pytest.raises(StoreError, match=says):
            export.write_folder(tmp_path / "out", given)
        assert names(tmp_path) == [regional.data.name]
    export.write_folder(tmp_path / "out", found)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}


async def test_a_folder_that_is_there_is_left_as_it_is(regional: Office, tmp_path: Path) -> None:
    """Also one behind a link; and none is made in a folder that is not there."""
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, says in (
        ("out", "there already"),
        ("link", "there already"),
        ("no/out", "not there"),
    ):
        with pytest.raises(InvalidInput, match=says):
            exported(regional, "acme", tmp_path / name)
    assert list((tmp_path / "out").iterdir()) == []


async def test_the_stream_says_the_same(regional: Office, tmp_path: Path) -> None:
    """What a server sends line by line makes the same folder."""
    await furnish(regional, "acme")
    lines = export.lines(regional.runtime.store, "acme", "eu", "ada")
    sent = b"".join(export.told(line) for line in lines).decode()
    streamed = export.write_folder(tmp_path / "sent", export.heard(sent.splitlines()))
    local = exported(regional, "acme", tmp_path / "local")
    assert streamed.tables == local.tables


async def test_it_is_a_copy_of_one_moment(regional: Office, tmp_path: Path) -> None:
    """What is stored while it is written is in no table of it."""
    await furnish(regional, "acme")
    before = regional.runtime.store.read("acme").events.head()
    lines = export.lines(regional.runtime.store, "acme", "eu", "ada")
    first = next(lines)
    regional.tenant = "acme"
    run = await regional.start()
    manifest = export.write_folder(tmp_path / "out", [first, *lines])
    assert manifest.head == before
    assert run.id not in {row["id"] for row in rows(tmp_path / "out", "runs")}

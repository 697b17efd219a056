"""Fixtures: an office whose installation has regions, with tenants in files of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.settings import Settings
from tests.office import OFFLINE, Office

OWN_WORDS = "Mara Molina owes 4711"
"""A text that a tenant's content holds, to be looked for where it must not be."""

OpenOffice = Callable[..., Awaitable[Office]]


def settings(**given: Any) -> Settings:
    """An installation with two regions."""
    return Settings.model_validate({**OFFLINE, "regions": ("eu", "us"), **given})


@pytest.fixture
async def regional(open_office: OpenOffice) -> Office:
    """An office in which `acme` has a file in the EU and `bolt` one in the US, while `corp` shares
    the main one; short forms work in acme."""
    office = await open_office(settings=settings())
    await office.runtime.tenancy.create("acme", "eu", "ada")
    await office.runtime.tenancy.create("bolt", "us", "ada")
    office.tenant = "acme"
    return office


def bytes_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, with all that is in it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


def holding(folder: Path, text: str = OWN_WORDS) -> list[str]:
    """The files below a folder in which a text stands."""
    found = (path for path, content in bytes_of(folder) if text.encode() in content)
    return [str(path.relative_to(folder)) for path in found]

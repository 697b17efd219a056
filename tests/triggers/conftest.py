"""Fixtures: an office that takes events."""

from __future__ import annotations

import pytest

from agent_runtime.settings import Settings
from tests.conftest import OpenOffice
from tests.office import OFFLINE, Office
from tests.triggers.sender import OLDER, SECRET, workflow

SECRETS = {"default/mail": f"{SECRET} {OLDER}", "default/shop": SECRET}


@pytest.fixture
async def taking(open_office: OpenOffice) -> Office:
    """An office whose two triggers have their secrets."""
    settings = Settings.model_validate({**OFFLINE, "secrets": SECRETS})
    return await open_office(workflow=workflow(), settings=settings)

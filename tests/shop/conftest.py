"""Fixtures: a factory for shops that are closed when the test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.shop.desk import Desk, OpenDesk, opened


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[OpenDesk]:
    """Opens a desk on a new shop with the given orders; keyword arguments are further parts."""
    numbers = count()
    async with AsyncExitStack() as stack:

        async def open_one(*orders: dict[str, Any], **extra: Any) -> Desk:
            path = tmp_path / f"shop-{next(numbers)}.db"
            return await stack.enter_async_context(opened(path, *orders, **extra))

        yield open_one

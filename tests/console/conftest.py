"""Fixtures: one Chromium and one server for all of the console's tests in a process."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.api.served import Served, serving_project
from tests.console.browser import CHROMIUM, Visit, launch, visiting
from tests.console.project import write_project
from tests.patience import PATIENCE

HERE = Path(__file__).parent

SignIn = Callable[..., Awaitable[Visit]]

expect.set_options(timeout=PATIENCE * 1_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for all tests here, since a browser belongs to the loop that started it; and no
    test of a page where there is no browser."""
    for item in items:
        if HERE not in item.path.parents:
            continue
        if inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        if not CHROMIUM.exists() and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(f"needs {CHROMIUM}: apt-get install chromium"))


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, started once."""
    async with async_playwright() as playwright:
        started = await launch(playwright)
        yield started
        await started.close()


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the console and a worker, in a process of its own."""
    folder = tmp_path_factory.mktemp("desk")
    with serving_project(write_project, folder) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def sign_in(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[SignIn]:
    """Signs people in, each in a browser of their own, closed when the test ends; at the desk,
    which is not started for those who name a server."""
    async with AsyncExitStack() as stack:

        async def one(
            name: str | None = "lena", server: Served | None = None, **options: Any
        ) -> Visit:
            where = server or request.getfixturevalue("desk")
            return await stack.enter_async_context(visiting(browser, where, name, **options))

        yield one

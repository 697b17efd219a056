"""Fixtures: one server for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.served import Served, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a worker, in a process of its own."""
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield served

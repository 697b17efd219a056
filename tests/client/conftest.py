"""Fixtures: a server on the sample shop, in which three runs wait for people, and its clients."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_runtime.client import Client
from tests.api.served import Served
from tests.cli.conftest import PROJECT, Said, Say, asked_made, clean_environment, say

__all__ = ["asked_made", "clean_environment", "say"]

PEOPLE = {
    "lena": ("support", "support_lead", "on_call"),
    "desk": ("starter",),
    "ada": ("administrator",),
    "olga": ("on_call", "starter"),
    "petra": ("policy_owner",),
    "paul": ("policy_owner",),
}


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, asked_made: Path) -> Iterator[Served]:
    """A server with a worker, in a process of its own."""
    folder = tmp_path_factory.mktemp("shop")
    for name in ("graphs", "tools", "policies"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(asked_made, folder / "data")
    server = Served(folder)
    try:
        server.start()
        yield server
    finally:
        server.close()


@dataclass(frozen=True)
class Both:
    """The same command on the folder and on the server that stands on it."""

    shop: Served
    say: Say
    tokens: dict[str, str]

    def here(self, *words: str) -> Said:
        place = [] if words[0] == "workflows" else ["--data", str(self.shop.data)]
        return self.say(*words, "--app", str(PROJECT), *place)

    def there(self, *words: str, who: str = "lena") -> Said:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AGENT_RUNTIME_TOKEN", self.tokens[who])
            return self.say(*words, "--url", self.shop.url)

    def asked(self, amount: str) -> str:
        """The id of the open question about this amount."""
        rows = self.there("approvals", "list", "--json").json
        return next(str(row["id"]) for row in rows if row["amount"] == amount)


@pytest.fixture(scope="session")
def tokens(shop: Served) -> dict[str, str]:
    return {name: shop.token(name, roles=roles) for name, roles in PEOPLE.items()}


@pytest.fixture
def both(shop: Served, say: Say, tokens: dict[str, str]) -> Both:
    return Both(shop, say, tokens)


@pytest.fixture
def lena(shop: Served, tokens: dict[str, str]) -> Iterator[Client]:
    with Client(shop.url, tokens["lena"]) as client:
        yield client

"""A library on empty data, and documents of every kind to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.clock import ManualClock
from agent_runtime.knowledge.folder import files, media_of
from agent_runtime.knowledge.index import Entry, Incoming, Library
from agent_runtime.knowledge.reader import Reader
from agent_runtime.knowledge.retrieve import Answer, Asked, Embedder, Retriever, within
from agent_runtime.store import Store
from tests.office import NOON

TODAY = NOON.date()


@dataclass
class Shelf:
    """A library with its search, in one tenant unless another is named."""

    store: Store
    clock: ManualClock
    library: Library
    retriever: Retriever

    async def put(
        self, name: str, text: str | bytes, tenant: str = "default", **about: Any
    ) -> Entry:
        raw = text if isinstance(text, bytes) else text.encode()
        return await self.library.add(tenant, "ada", Incoming(name, media_of(name), raw, about))

    async def take(self, *paths: Path, **about: Any) -> list[Entry]:
        found = [file for path in paths for file in files(path, about)]
        return [entry async for entry in self.library.add_files("default", "ada", found)]

    async def look(
        self,
        query: str,
        *labels: str,
        tenant: str = "default",
        day: date = TODAY,
        limit: int = 5,
    ) -> Answer:
        return await self.retriever.search(tenant, Asked(query, within(day, labels), limit))

    async def texts(self, query: str, *labels: str, **how: Any) -> list[str]:
        return [found.passage.text for found in (await self.look(query, *labels, **how)).found]

    def names(self, tenant: str = "default") -> list[str]:
        return [source.name for source in self.store.read(tenant).knowledge.sources()]

    def ids(self, name: str) -> list[str]:
        knowledge = self.store.read("default").knowledge
        return [passage.id for passage in knowledge.passages(knowledge.source(name).id)]


OpenShelf = Callable[..., Shelf]


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """One process that reads for all shelves."""
    reader = Reader()
    yield reader
    reader.close()


@pytest.fixture
def open_shelf(tmp_path: Path, reader: Reader) -> Iterator[OpenShelf]:
    """Opens a shelf; a second one works on the same file."""
    opened: list[Store] = []

    def open_one(embedder: Embedder | None = None, cipher: Cipher = CLEAR) -> Shelf:
        clock = ManualClock(NOON)
        store = Store(tmp_path / "runtime.db", clock, cipher=cipher)
        opened.append(store)
        library = Library(store, clock, reader)
        return Shelf(store, clock, library, Retriever(store, embedder))

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def shelf(open_shelf: OpenShelf) -> Shelf:
    return open_shelf()


def states(entries: Sequence[Entry]) -> dict[str, str]:
    return {entry.name: entry.state for entry in entries}

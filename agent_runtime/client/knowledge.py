"""A server's knowledge base, typed: its sources, their passages, and what a search finds."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from agent_runtime.client.answer import as_, items, path_of
from agent_runtime.client.wire import Wire
from agent_runtime.source import About, KnownPassage, Source, source_id

if TYPE_CHECKING:  # what stands beside these is heavy, and needed by few
    from agent_runtime.knowledge.bundle import KeptBundle
    from agent_runtime.knowledge.index import Entry
    from agent_runtime.knowledge.retrieve import Answer

PAGE = 200
"""How many a list reads at a time."""


class Knowledge:
    """The knowledge base of the tenant that the token is for. A source is named by its id or its
    name."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def sources(self) -> Iterator[Source]:
        """All of them, by name."""
        return self._pages(Source, path_of("knowledge", "sources"))

    def source(self, name: str) -> Source:
        """One source."""
        return as_(Source, self._wire.get(self._path(name)))

    def passages(self, name: str) -> Iterator[KnownPassage]:
        """A source's passages, in the order of the document."""
        return self._pages(KnownPassage, self._path(name) + "/passages")

    def add(self, name: str, content: bytes, about: Mapping[str, Any]) -> Entry:
        """Take a document in, in place of what has its name. Its file stays with the caller: the
        server does not look at it again."""
        from agent_runtime.knowledge.index import Entry

        given = About.model_validate(about).model_dump(mode="json", exclude_unset=True)
        body = {"name": name, "base64": base64.b64encode(content).decode(), "about": given}
        return as_(Entry, self._wire.post(path_of("knowledge", "sources"), body))

    def remove(self, name: str) -> Entry:
        """Forget a source."""
        from agent_runtime.knowledge.index import Entry

        return as_(Entry, self._wire.delete(self._path(name)))

    def search(
        self, query: str, *, labels: Sequence[str] = (), on: date | None = None, limit: int = 5
    ) -> Answer:
        """The passages that answer best, among those in force on a day (default: today)."""
        from agent_runtime.knowledge.retrieve import Answer, Found

        body: dict[str, Any] = {"query": query, "labels": list(labels), "limit": limit}
        body |= {} if on is None else {"on": on.isoformat()}
        told = self._wire.post(path_of("knowledge", "search"), body)
        found = tuple(
            Found(
                as_(KnownPassage, one["passage"]),
                as_(Source, one["source"]),
                one["why"]["rank"],
                one["why"]["score"],
                one["why"]["words_rank"],
                one["why"]["vector_rank"],
            )
            for one in told["items"]
        )
        return Answer(found, warnings=tuple(told["warnings"]))

    def bundle(self, digest: str) -> KeptBundle:
        """What some step was shown, by its digest."""
        from agent_runtime.knowledge.bundle import KeptBundle

        return as_(KeptBundle, self._wire.get(path_of("bundles", digest)))

    def _path(self, name: str) -> str:
        named = name if name.startswith("src-") else source_id(name)
        return path_of("knowledge", "sources", named)

    def _pages(self, kind: type[Any], path: str) -> Iterator[Any]:
        more: dict[str, Any] = {}
        while True:
            page = self._wire.get(path, {**more, "limit": PAGE})
            yield from items(kind, page)
            if page["next"] is None:
                return
            more = {"cursor": page["next"]}

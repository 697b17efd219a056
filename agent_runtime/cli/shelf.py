"""The shelf: the knowledge base that a command works on, here or behind a URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Protocol

from agent_runtime.access import a_tenant
from agent_runtime.cli.opening import Place, admit
from agent_runtime.client.knowledge import Knowledge
from agent_runtime.errors import Conflict, InvalidInput, ModelUnavailable
from agent_runtime.knowledge.folder import File
from agent_runtime.knowledge.index import Entry
from agent_runtime.knowledge.retrieve import Answer, Asked, within
from agent_runtime.operators import channel, user
from agent_runtime.runtime import Runtime
from agent_runtime.source import KnownPassage, Source

TENANT = "default"
Tell = Callable[[Entry], None]
"""Is told of each document as it is done."""


class Shelf(Protocol):
    """What commands ask for. A source is named by its id or its name."""

    def sources(self) -> list[Source]:
        """All of them, by name."""
        ...

    def source(self, name: str) -> tuple[Source, list[KnownPassage]]:
        """One of them, with its passages."""
        ...

    def search(self, query: str, labels: Sequence[str], limit: int, on: date | None) -> Answer:
        """What answers best."""
        ...

    def add(self, files: Sequence[File], tell: Tell) -> list[Entry]:
        """Take files in."""
        ...

    def refresh(self, tell: Tell, *, due_only: bool) -> list[Entry]:
        """Look at files again."""
        ...

    def remove(self, name: str) -> Entry:
        """Forget one."""
        ...


class Here:
    """The data folder of this machine; `who`: the person chosen with --as, if one was."""

    def __init__(self, place: Place, who: str) -> None:
        self._place = place
        self._who = who

    def sources(self) -> list[Source]:
        """Read here."""

        async def work(runtime: Runtime) -> list[Source]:
            return runtime.store.read(TENANT).knowledge.sources()

        return self._place.work(work)

    def source(self, name: str) -> tuple[Source, list[KnownPassage]]:
        """Read here."""

        async def work(runtime: Runtime) -> tuple[Source, list[KnownPassage]]:
            knowledge = runtime.store.read(TENANT).knowledge
            source = knowledge.source(name)
            return source, knowledge.passages(source.id)

        return self._place.work(work)

    def search(self, query: str, labels: Sequence[str], limit: int, on: date | None) -> Answer:
        """Search here."""

        async def work(runtime: Runtime) -> Answer:
            day = on or runtime.clock.now().date()
            return await runtime.retriever.search(TENANT, Asked(query, within(day, labels), limit))

        return self._place.work(work)

    def add(self, files: Sequence[File], tell: Tell) -> list[Entry]:
        """A few at a time."""
        return self._change(lambda runtime, by: runtime.library.add_files(TENANT, by, files), tell)

    def refresh(self, tell: Tell, *, due_only: bool) -> list[Entry]:
        """Where they were added from."""
        return self._change(
            lambda runtime, by: runtime.library.refresh(TENANT, by, due_only=due_only), tell
        )

    def remove(self, name: str) -> Entry:
        """Forget it here."""

        async def work(runtime: Runtime) -> Entry:
            return await runtime.library.remove(TENANT, await self._by(runtime), name)

        return self._place.work(work)

    def _change(
        self, entries: Callable[[Runtime, str], AsyncIterator[Entry]], tell: Tell
    ) -> list[Entry]:
        async def work(runtime: Runtime) -> list[Entry]:
            done = []
            async for entry in entries(runtime, await self._by(runtime)):
                done.append(entry)
                tell(entry)
            with suppress(ModelUnavailable):  # found by words until the endpoint answers
                await runtime.retriever.embed_missing(TENANT)
            return done

        return self._place.work(work, create=True)

    async def _by(self, runtime: Runtime) -> str:
        """Who is recorded; a person who is named must be one who may."""
        if not self._who:
            return f"cli:{user()}"
        operator = self._place.operator(self._who)
        await admit(runtime, operator, "administer", a_tenant(operator.tenant))
        return channel(operator.name)


class There:
    """A server's, in the name of whom the token speaks for."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._ask = knowledge

    def sources(self) -> list[Source]:
        """Page by page."""
        return list(self._ask.sources())

    def source(self, name: str) -> tuple[Source, list[KnownPassage]]:
        """From two resources."""
        return self._ask.source(name), list(self._ask.passages(name))

    def search(self, query: str, labels: Sequence[str], limit: int, on: date | None) -> Answer:
        """Searched there."""
        return self._ask.search(query, labels=labels, on=on, limit=limit)

    def add(self, files: Sequence[File], tell: Tell) -> list[Entry]:
        """One after the other; a refused one harms no other."""
        done = []
        for file in files:
            done.append(self._add(file))
            tell(done[-1])
        return done

    def _add(self, file: File) -> Entry:
        given: Mapping[str, Any] = {k: v for k, v in file.given.items() if k != "refresh"}
        try:
            return self._ask.add(file.name, file.read(), given)
        except (InvalidInput, Conflict) as error:
            return Entry(name=file.name, state="refused", problem=str(error))

    def refresh(self, tell: Tell, *, due_only: bool) -> list[Entry]:  # noqa: ARG002 — the protocol's
        """Never: a server's worker looks at the server's files when they are due."""
        raise InvalidInput(
            "--url",
            "refresh",
            "is not for a server",
            remedy="Its worker does it: see knowledge list.",
        )

    def remove(self, name: str) -> Entry:
        """At once."""
        return self._ask.remove(name)

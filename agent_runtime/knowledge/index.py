"""The library: documents come in, are refreshed and go, each whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agent_runtime.action import canonical
from agent_runtime.clock import Clock
from agent_runtime.errors import CallerError, Conflict, InvalidInput
from agent_runtime.knowledge.cut import cut
from agent_runtime.knowledge.folder import File, about, front, media_of
from agent_runtime.knowledge.reader import Reader
from agent_runtime.source import About, KnownPassage, Name, Source, source_id
from agent_runtime.store import Session, Store

EDITION = "1"
"""Raised when documents are parsed or cut differently, so that all are indexed again."""

TIMER = "knowledge"
"""The subject of a tenant's upkeep timer: it fires when a source's file is to be looked at."""
AGAIN = timedelta(minutes=5)
"""How long a file that is gone or refused is left alone, and a turn that was broken off."""

TOGETHER = 8
"""Documents at work at a time: their commits are grouped, and no more of them are in memory."""

State = Literal["added", "changed", "unchanged", "removed", "missing", "refused"]
"""What became of a document. missing: its file is gone, what is known of it stays; refused: it
cannot be read, and nothing of it was stored."""


class Entry(BaseModel):
    """What became of one document. `new`: passages that were not there before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    state: State
    source: str = ""
    passages: int = 0
    new: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Incoming:
    """A document as it comes in. `path`: the file that it is read from again; empty: none."""

    name: str
    media: str
    raw: bytes
    given: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""

    @classmethod
    def from_file(cls, file: File) -> Incoming:
        """Read a file; raises InvalidInput that names it."""
        return cls(file.name, file.media, file.read(), file.given, str(file.path))


@dataclass(frozen=True)
class _Read:
    """A document that was understood."""

    source: Source
    passages: Sequence[KnownPassage]


class Library:
    """The knowledge base of an installation; every call is about one tenant."""

    def __init__(self, store: Store, clock: Clock, reader: Reader | None = None) -> None:
        self.store = store
        self.clock = clock
        self._reader = reader or Reader()

    def close(self) -> None:
        """End the process that reads documents."""
        self._reader.close()

    async def add_files(self, tenant: str, by: str, files: Iterable[File]) -> AsyncIterator[Entry]:
        """Take files in, a few at a time; a refused one harms no other. Gives each one's entry."""
        waiting: list[File] = []
        for file in files:
            waiting.append(file)
            if len(waiting) == TOGETHER:
                for entry in await self._together(tenant, by, waiting):
                    yield entry
                waiting = []
        for entry in await self._together(tenant, by, waiting):
            yield entry

    async def add(self, tenant: str, by: str, incoming: Incoming) -> Entry:
        """Take one document in; raises InvalidInput for what cannot be read, Conflict where
        another file has its name."""
        _check_name(incoming.name)
        known = self.store.read(tenant).knowledge.find_source(incoming.name)
        if known is not None and incoming.path and known.path not in ("", incoming.path):
            raise Conflict(
                f"{incoming.name} is another file already: {known.path}.",
                remedy="Remove that source, or rename the folder.",
            )
        given = about(incoming.given, {})
        own, text = front(incoming.media, incoming.raw)
        declared = about(incoming.given, own)
        named = _hash(incoming, declared)
        if known is not None and known.hash == named:
            return await self._look_again(tenant, known)
        read = await asyncio.to_thread(self._read, incoming, text, given, declared, named)
        return await self._store(tenant, by, known, read)

    async def remove(self, tenant: str, by: str, name: str) -> Entry:
        """Forget a source; raises NotFound. What runs were shown of it stays in their history."""

        def work(session: Session) -> Entry:
            source = session.knowledge.source(name)
            session.knowledge.remove(source.id)
            body = {"source": source.id, "name": source.name, "hash": source.hash, "by": by}
            session.events.append("knowledge.removed", None, **body)
            return Entry(
                name=source.name, state="removed", source=source.id, passages=source.passages
            )

        return await self.store.write(tenant, work)

    async def refresh(self, tenant: str, by: str, *, due_only: bool = True) -> AsyncIterator[Entry]:
        """Look at files again: those whose time has come, or all."""
        now = self.clock.now()
        for source in self.store.read(tenant).knowledge.sources():
            due = source.due_at is not None and source.due_at <= now
            if not source.path or (due_only and not due):
                continue
            file = File(Path(source.path), source.name, source.given.model_dump(exclude_unset=True))
            if not file.path.is_file():
                yield Entry(name=source.name, state="missing", source=source.id)
            else:
                yield await self._one(tenant, by, file)

    async def take_turn(self, tenant: str) -> bool:
        """Whether something is due, and no other process looks at it already."""

        def take(session: Session) -> bool:
            if session.timers.fire("upkeep", TIMER) is None:
                return False
            session.timers.set("upkeep", TIMER, session.now + AGAIN)
            return True

        return await self.store.write(tenant, take)

    async def end_turn(self, tenant: str) -> None:
        """Set the timer to when the next source is due; a tenant without any needs none."""

        def put(session: Session) -> None:
            due = [source.due_at for source in session.knowledge.sources() if source.due_at]
            session.timers.drop("upkeep", TIMER)
            if due:
                session.timers.set("upkeep", TIMER, max(min(due), session.now + AGAIN))

        await self.store.write(tenant, put)

    async def _together(self, tenant: str, by: str, files: Sequence[File]) -> list[Entry]:
        return list(await asyncio.gather(*(self._one(tenant, by, file) for file in files)))

    async def _one(self, tenant: str, by: str, file: File) -> Entry:
        try:
            incoming = await asyncio.to_thread(Incoming.from_file, file)
            return await self.add(tenant, by, incoming)
        except (InvalidInput, Conflict) as error:
            return Entry(name=file.name, state="refused", problem=told(error))

    def _read(
        self, incoming: Incoming, text: bytes, given: About, declared: About, named: str
    ) -> _Read:
        name, now = source_id(incoming.name), self.clock.now()
        passages = cut(name, self._reader.read(incoming.name, incoming.media, text))
        source = Source(
            id=name,
            name=incoming.name,
            media=incoming.media,
            path=incoming.path,
            given=given,
            about=declared,
            hash=named,
            size=len(incoming.raw),
            passages=len(passages),
            added_at=now,
            checked_at=now,
        )
        return _Read(source, passages)

    async def _look_again(self, tenant: str, known: Source) -> Entry:
        """Note that a source was looked at and is as it was."""
        looked = known.model_copy(update={"checked_at": self.clock.now()})

        def work(session: Session) -> None:
            session.knowledge.touch(looked)
            _remind(session, looked)

        await self.store.write(tenant, work)
        return Entry(name=known.name, state="unchanged", source=known.id, passages=known.passages)

    async def _store(self, tenant: str, by: str, known: Source | None, read: _Read) -> Entry:
        source = read.source

        def work(session: Session) -> Entry:
            new = session.knowledge.put(source, read.passages)
            _remind(session, source)
            body = {"source": source.id, "name": source.name, "hash": source.hash, "by": by}
            session.events.append(
                "knowledge.added", None, **body, passages=len(read.passages), new=new
            )
            return Entry(
                name=source.name,
                state="changed" if known else "added",
                source=source.id,
                passages=len(read.passages),
                new=new,
            )

        return await self.store.write(tenant, work)


def told(error: CallerError) -> str:
    """Why a document was refused, where its name stands beside it."""
    if isinstance(error, InvalidInput) and error.field == "document":
        return f"{error.problem}. {error.remedy}".strip()
    return str(error)


def incoming_text(name: str, content: bytes, given: Mapping[str, Any]) -> Incoming:
    """A document that came without a file; raises InvalidInput for a kind that cannot be read."""
    return Incoming(name, media_of(name), content, given)


def _remind(session: Session, source: Source) -> None:
    """See that the tenant's timer fires no later than this source is due."""
    known = session.timers.get("upkeep", TIMER)
    if source.due_at is not None and (known is None or source.due_at < known):
        session.timers.set("upkeep", TIMER, source.due_at)


def _check_name(name: str) -> None:
    try:
        _NAMES.validate_python(name)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"].lower()
        raise InvalidInput("name", name, problem, remedy="Rename it.") from error


_NAMES: TypeAdapter[str] = TypeAdapter(Name)


def _hash(incoming: Incoming, declared: About) -> str:
    """Over all that decides what is indexed of a document."""
    known = [EDITION, incoming.media, incoming.path, declared.model_dump(mode="json")]
    return "sha256:" + hashlib.sha256(canonical(known) + b"\0" + incoming.raw).hexdigest()

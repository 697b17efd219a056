"""Knowledge: add, list, search, show, remove, refresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from agent_runtime.access import a_tenant
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.visible import short
from agent_runtime.errors import InvalidInput, ModelUnavailable
from agent_runtime.knowledge.folder import about, files
from agent_runtime.knowledge.index import Entry
from agent_runtime.knowledge.retrieve import Answer, Asked, Found, within
from agent_runtime.operators import channel, user
from agent_runtime.runtime import Runtime
from agent_runtime.source import NO_BEGIN, NO_END, KnownPassage, Source

TENANT = "default"
WIDTH = 300
"""Characters of a passage in a list."""
LOUD = frozenset({"added", "changed", "removed", "missing", "refused"})


def add(
    place: Place, screen: Screen, paths: Sequence[Path], given: Mapping[str, Any], who: str
) -> int:
    """Take documents in; 2 where one of them was refused."""
    about(given, {})
    found = [file for path in paths for file in files(path, given)]

    def entries(runtime: Runtime, by: str) -> AsyncIterator[Entry]:
        return runtime.library.add_files(TENANT, by, found)

    return _tell(screen, _changed(place, screen, who, entries, len(found)))


def refresh(place: Place, screen: Screen, who: str, *, due_only: bool) -> int:
    """Look at files again; 2 where one of them was refused or is gone."""

    def entries(runtime: Runtime, by: str) -> AsyncIterator[Entry]:
        return runtime.library.refresh(TENANT, by, due_only=due_only)

    return _tell(screen, _changed(place, screen, who, entries, None))


def remove(place: Place, screen: Screen, source: str, who: str) -> None:
    """Forget a source."""

    async def work(runtime: Runtime) -> Entry:
        return await runtime.library.remove(TENANT, await _by(place, runtime, who), source)

    gone = place.work(work)
    screen.document(gone.model_dump(mode="json"))
    screen.line(f"{gone.name} is removed, with {gone.passages} passages")


def show_list(place: Place, screen: Screen) -> None:
    """List sources."""

    async def work(runtime: Runtime) -> tuple[datetime, list[Source]]:
        return runtime.clock.now(), runtime.store.read(TENANT).knowledge.sources()

    now, found = place.work(work)
    screen.document([source.model_dump(mode="json") for source in found])
    rows = [
        (
            source.id,
            source.name,
            str(source.passages),
            ",".join(source.about.labels) or "-",
            source.about.version or "-",
            in_force(source),
            freshness(source, now),
        )
        for source in found
    ]
    columns = ("source", "name", "passages", "labels", "version", "in force", "freshness")
    screen.table(columns, rows, empty="The knowledge base is empty.")


def search(
    place: Place, screen: Screen, query: str, labels: Sequence[str], limit: int, on: str
) -> None:
    """Find passages."""

    async def work(runtime: Runtime) -> Answer:
        day = _day(on) if on else runtime.clock.now().date()
        return await runtime.retriever.search(TENANT, Asked(query, within(day, labels), limit))

    answer = place.work(work)
    screen.document(
        {"found": [told(found) for found in answer.found], "warnings": list(answer.warnings)}
    )
    for warning in answer.warnings:
        screen.note(f"warning: {warning}")
    if not answer.found:
        screen.note("Nothing was found.")
    for found in answer.found:
        place_in = f" · {found.passage.place}" if found.passage.place else ""
        screen.line(f"{found.rank}. {found.name}{place_in}", style="bold")
        screen.line(f"   {short(' '.join(found.passage.text.split()), WIDTH)}")


def show(place: Place, screen: Screen, name: str) -> None:
    """Show one source."""

    async def work(runtime: Runtime) -> tuple[datetime, Source, list[KnownPassage]]:
        knowledge = runtime.store.read(TENANT).knowledge
        source = knowledge.source(name)
        return runtime.clock.now(), source, knowledge.passages(source.id)

    now, source, passages = place.work(work)
    screen.document(
        {**source.model_dump(mode="json"), "texts": [p.model_dump(mode="json") for p in passages]}
    )
    screen.line(f"{source.name} · {source.id}", style="bold")
    screen.line(f"version {source.about.version or '-'}, {in_force(source)}")
    screen.line(f"labels: {', '.join(source.about.labels) or 'none, so that no step sees it'}")
    screen.line(f"{freshness(source, now)}, {source.hash}")
    for passage in passages:
        screen.line()
        screen.line(f"#{passage.id} {passage.place}", style="bold")
        screen.lines(passage.text.splitlines())


def told(found: Found) -> dict[str, Any]:
    """A passage that was found, as JSON."""
    return {
        "rank": found.rank,
        "source": found.source.id,
        "name": found.source.name,
        "version": found.source.about.version,
        "cited": found.name,
        "passage": found.passage.id,
        "place": found.passage.place,
        "text": found.passage.text,
        "score": found.score,
        "words_rank": found.words_rank,
        "vector_rank": found.vector_rank,
    }


def in_force(source: Source) -> str:
    """When a source is valid, in words."""
    begin, end = source.about.valid_from, source.about.valid_to
    words = [f"from {begin}"] if begin != NO_BEGIN else []
    words += [f"until {end}"] if end != NO_END else []
    return " ".join(words) or "always in force"


def freshness(source: Source, now: datetime) -> str:
    """How a source stands by its own rules, in words."""
    checked = f"checked {source.checked_at:%Y-%m-%d %H:%M}"
    if source.stale_at is not None and source.stale_at <= now:
        return f"stale, {checked}"
    if source.due_at is not None and source.due_at <= now:
        return f"due, {checked}"
    return f"fresh, {checked}"


def _changed(
    place: Place,
    screen: Screen,
    who: str,
    entries: Callable[[Runtime, str], AsyncIterator[Entry]],
    total: int | None,
) -> list[Entry]:
    async def work(runtime: Runtime) -> list[Entry]:
        by = await _by(place, runtime, who)
        done = []
        with screen.progress("reading documents", total) as advance:
            async for entry in entries(runtime, by):
                done.append(entry)
                advance()
                if entry.state in LOUD:
                    screen.line(_line(entry))
        with suppress(ModelUnavailable):  # found by words until the endpoint answers
            await runtime.retriever.embed_missing(TENANT)
        return done

    return place.work(work, create=True)


def _tell(screen: Screen, entries: Sequence[Entry]) -> int:
    counts = Counter(entry.state for entry in entries)
    new = sum(entry.new for entry in entries)
    screen.document({"sources": [e.model_dump(mode="json") for e in entries], "new_passages": new})
    words = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    screen.line(f"{words or 'nothing to do'}; {new} new passages")
    return 2 if counts["refused"] or counts["missing"] else 0


def _line(entry: Entry) -> str:
    if entry.problem:
        return f"{entry.state}: {entry.problem}"
    return f"{entry.state}: {entry.name} ({entry.passages} passages, {entry.new} new)"


async def _by(place: Place, runtime: Runtime, who: str) -> str:
    """Who is recorded; a person who is named must be one who may."""
    if not who:
        return f"cli:{user()}"
    operator = place.operator(who)
    await admit(runtime, operator, "administer", a_tenant(operator.tenant))
    return channel(operator.name)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("--on", text, "is no day", remedy="Write 2026-03-30.") from error

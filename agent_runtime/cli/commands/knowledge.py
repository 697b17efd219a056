"""Knowledge: add, list, search, show, remove, refresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from agent_runtime.cli.screen import Screen
from agent_runtime.cli.shelf import Shelf, Tell
from agent_runtime.cli.visible import short
from agent_runtime.clock import SystemClock
from agent_runtime.errors import InvalidInput
from agent_runtime.knowledge.folder import about, files
from agent_runtime.knowledge.index import Entry
from agent_runtime.knowledge.retrieve import Found
from agent_runtime.source import NO_BEGIN, NO_END, Source

WIDTH = 300
"""Characters of a passage in a list."""
LOUD = frozenset({"added", "changed", "removed", "missing", "refused"})


def add(shelf: Shelf, screen: Screen, paths: Sequence[Path], given: Mapping[str, Any]) -> int:
    """Take documents in; 2 where one of them was refused."""
    about(given, {})
    found = [file for path in paths for file in files(path, given)]
    return _tell(screen, _telling(screen, len(found), lambda tell: shelf.add(found, tell)))


def refresh(shelf: Shelf, screen: Screen, *, due_only: bool) -> int:
    """Look at files again; 2 where one of them was refused or is gone."""
    return _tell(
        screen, _telling(screen, None, lambda tell: shelf.refresh(tell, due_only=due_only))
    )


def remove(shelf: Shelf, screen: Screen, source: str) -> None:
    """Forget a source."""
    gone = shelf.remove(source)
    screen.document(gone.model_dump(mode="json"))
    screen.line(f"{gone.name} is removed, with {gone.passages} passages")


def show_list(shelf: Shelf, screen: Screen) -> None:
    """List sources."""
    now, found = SystemClock().now(), shelf.sources()
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
    shelf: Shelf, screen: Screen, query: str, labels: Sequence[str], limit: int, on: str
) -> None:
    """Find passages."""
    answer = shelf.search(query, labels, limit, _day(on) if on else None)
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


def show(shelf: Shelf, screen: Screen, name: str) -> None:
    """Show one source."""
    now, (source, passages) = SystemClock().now(), shelf.source(name)
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


def _telling(screen: Screen, total: int | None, work: Callable[[Tell], list[Entry]]) -> list[Entry]:
    with screen.progress("reading documents", total) as advance:

        def tell(entry: Entry) -> None:
            advance()
            if entry.state in LOUD:
                screen.line(_line(entry))

        return work(tell)


def _tell(screen: Screen, entries: Sequence[Entry]) -> int:
    counts = Counter(entry.state for entry in entries)
    new = sum(entry.new for entry in entries)
    screen.document({"sources": [e.model_dump(mode="json") for e in entries], "new_passages": new})
    words = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    screen.line(f"{words or 'nothing to do'}; {new} new passages")
    return 2 if counts["refused"] or counts["missing"] else 0


def _line(entry: Entry) -> str:
    if entry.problem:
        return f"{entry.state}: {entry.name}: {entry.problem}"
    count = "1 passage" if entry.passages == 1 else f"{entry.passages} passages"
    return f"{entry.state}: {entry.name} ({count}, {entry.new} new)"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("--on", text, "is no day", remedy="Write 2026-03-30.") from error

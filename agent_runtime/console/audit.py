"""The audit: who did what, when and why; filtered, exported, and held against its chain."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from agent_runtime.access import Caller, a_tenant
from agent_runtime.api import verification
from agent_runtime.api.page import After, cursor_of, read_cursor
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Reader, Site
from agent_runtime.clock import to_text
from agent_runtime.console.audit_view import GROUPS, Entry, entry_of, who_of
from agent_runtime.console.form import Posted, SignedIn
from agent_runtime.console.page import head_of, show
from agent_runtime.errors import InvalidInput
from agent_runtime.event import Event, EventType
from agent_runtime.store.events import Days

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

PAGE = 50
CHUNK = 200
REACH = 50_000
"""Events that one page looks through at most, where a filter hits few."""

Word = Annotated[str, Query(max_length=200)]
Format = Literal["csv", "json"]

COLUMNS = ("number", "at", "who", "channel", "did", "item", "reason", "changes", "hash")


@dataclass(frozen=True)
class Sought:
    """What was asked for, as it is typed."""

    what: str = "people"
    who: str = ""
    run: str = ""
    since: str = ""
    until: str = ""

    @property
    def query(self) -> str:
        """The same as a link's query."""
        return urlencode({name: value for name, value in asdict(self).items() if value})

    @property
    def narrowed(self) -> bool:
        """Whether anything but the kind was chosen."""
        return bool(self.who or self.run or self.since or self.until)

    def fits(self, event: Event) -> bool:
        """Whether the event is about the person and the run that were asked for."""
        mine = not self.who or who_of(event).casefold() == self.who.casefold()
        return mine and (not self.run or event.run_id == self.run)


@router.get("/audit")
async def audit(
    request: Request,
    site: Here,
    caller: Reader,
    what: Word = "people",
    who: Word = "",
    run: Word = "",
    since: Word = "",
    until: Word = "",
    cursor: After = None,
) -> Response:
    """The newest lines first."""
    sought = Sought(what, who.strip(), run.strip(), since, until)
    head = head_of(request, caller)
    question = ["audit", sought.query]
    below = read_cursor(cursor, question, int) or head + 1
    found, reached = await _page(site, caller, sought, below)
    return show(
        request,
        "audit.html",
        sought=sought,
        groups=tuple(GROUPS),
        entries=[entry_of(event) for event in found],
        next=cursor_of(reached, question) if reached > 1 else None,
        first=cursor is None,
        may_verify=_may_verify(site, caller),
    )


@router.post("/audit/verify")
async def verify(request: Request, site: Here, _: Posted) -> Response:
    """Recompute the whole chain and hold it against the exported head."""
    caller = await OnTenant("administer")(request)
    head_of(request, caller)
    return show(request, "audit_chain.html", found=await verification.verify(site, caller))


@router.get("/audit/export")
async def export(
    site: Here,
    caller: Reader,
    format: Format = "csv",  # noqa: A002 — the query's name
    what: Word = "people",
    who: Word = "",
    run: Word = "",
    since: Word = "",
    until: Word = "",
) -> Response:
    """All lines that fit, as a file, the newest first."""
    sought = Sought(what, who.strip(), run.strip(), since, until)
    days = _days(sought)
    _kinds(sought)
    media = "text/csv" if format == "csv" else "application/x-ndjson"
    ending = "csv" if format == "csv" else "jsonl"
    named = {"content-disposition": f'attachment; filename="audit.{ending}"'}
    lines = _lines(site, caller, sought, days, format)
    return StreamingResponse(lines, media_type=media, headers=named)


def _may_verify(site: Site, caller: Caller) -> bool:
    return site.runtime.app.access.ask(caller, "administer", a_tenant(caller.tenant)).counts


async def _lines(
    site: Site, caller: Caller, sought: Sought, days: Days, kind: Format
) -> AsyncIterator[str]:
    if kind == "csv":
        yield _row(COLUMNS)
    below = site.read(caller).events.head().number + 1
    while below > 1:
        found, below = _chunk(site, caller, sought, days, below)
        yield "".join(map(_row, map(_cells, found)) if kind == "csv" else map(_document, found))
        await asyncio.sleep(0)


async def _page(site: Site, caller: Caller, sought: Sought, below: int) -> tuple[list[Event], int]:
    """Up to a page of events, and the number below which the next page begins."""
    days, end = _days(sought), max(1, below - REACH)
    found: list[Event] = []
    while below > end and len(found) <= PAGE:
        more, below = _chunk(site, caller, sought, days, below)
        found += more
        await asyncio.sleep(0)
    if len(found) > PAGE:
        return found[:PAGE], found[PAGE - 1].number
    return found, below


def _chunk(
    site: Site, caller: Caller, sought: Sought, days: Days, below: int
) -> tuple[list[Event], int]:
    """The next events that fit, and how far down they reach."""
    above = max(0, below - 1 - REACH // 10)
    events = site.read(caller).events
    found = events.backwards(_kinds(sought), above=above, below=below, days=days, limit=CHUNK)
    reached = found[-1].number if len(found) == CHUNK else above + 1
    return [event for event in found if sought.fits(event)], reached


def _kinds(sought: Sought) -> tuple[EventType, ...]:
    if sought.what not in GROUPS:
        remedy = f"There are: {', '.join(GROUPS)}."
        raise InvalidInput("what", sought.what, "is none of these", remedy=remedy)
    return GROUPS[sought.what]


def _days(sought: Sought) -> Days:
    """From the beginning of the first day until the end of the last one, UTC."""
    first = _day("since", sought.since) if sought.since else date(2000, 1, 1)
    last = _day("until", sought.until) if sought.until else date(2199, 12, 31)
    return _midnight(first), _midnight(last + timedelta(days=1))


def _day(field: str, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(field, text, "is no day", remedy="Write it as 2026-11-21.") from error
    if not 2000 <= found.year < 2200:
        raise InvalidInput(field, text, "is no day of these times")
    return found


def _midnight(day: date) -> str:
    return to_text(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _cells(event: Event) -> Iterator[str]:
    entry = entry_of(event)
    for name in COLUMNS:
        value = getattr(entry, name)
        match value:
            case datetime():
                yield to_text(value)
            case tuple():
                yield "; ".join(f"{one.field}: {one.before} → {one.after}" for one in value)
            case _:
                yield _harmless(str(value))


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _document(event: Event) -> str:
    entry: Entry = entry_of(event)
    plain = {**asdict(entry), "at": to_text(entry.at)}
    return json.dumps(plain, ensure_ascii=False) + "\n"

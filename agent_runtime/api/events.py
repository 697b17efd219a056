"""Events over HTTP: the history in pages, and live."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from agent_runtime.access import a_tenant
from agent_runtime.api.live import of_tenant
from agent_runtime.api.page import Limit
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Number, Reader, Site, credentials
from agent_runtime.errors import InvalidInput, NotAuthenticated, NotPermitted
from agent_runtime.event import Event, EventType

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=Route)

CHUNK = 100
"""Events read at a time: what a reader holds in memory at most."""

HEARTBEAT = 15.0
"""Seconds after which an idle stream says that it is still there."""

PATIENCE = 60.0
"""Seconds that a reader may take to accept one chunk."""

RECHECK = 1.0
"""Seconds after which a stream asks again whether its reader may still read, before it tells
anything more: a token may have been revoked meanwhile."""

TOO_OLD = 10_000
"""Events that a stream hands over late at most; who missed more reads the lists again."""

RunId = Annotated[str | None, Query(max_length=100, description="Only this run's.")]
Types = Annotated[tuple[EventType, ...], Query(max_length=50, description="Only of these types.")]


@dataclass(frozen=True)
class Wanted:
    """Which events of which tenant. `brief`: without their content."""

    tenant: str
    run: str | None
    types: frozenset[str]
    brief: bool = False

    def of(self, found: Sequence[Event]) -> list[Event]:
        """Those of them that are wanted."""
        return [event for event in found if not self.types or event.type in self.types]

    def line(self, event: Event) -> bytes:
        """One of them, as streams tell it."""
        if self.brief:  # of one kind for browsers, which hear only the kinds that they name
            return f"id: {event.number}\ndata: {json.dumps(_brief(event))}\n\n".encode()
        data = event.model_dump_json()
        return f"id: {event.number}\nevent: {event.type}\ndata: {data}\n\n".encode()


class EventPage(BaseModel):
    """Some of the history. `next`: the `after` of what follows; null: this is the end, for now.
    `head`: the number of the tenant's newest event."""

    model_config = ConfigDict(extra="forbid")

    items: list[Event]
    next: int | None
    head: int


@router.get("")
async def find(
    site: Here,
    caller: Reader,
    after: Number = 0,
    run: RunId = None,
    type: Types = (),  # noqa: A002 — the query's name
    limit: Limit = 50,
) -> EventPage:
    """The tenant's history above `after`, in order."""
    wanted = Wanted(caller.tenant, run, frozenset(type))
    items: list[Event] = []
    head = site.read(caller).events.head().number
    while len(items) <= limit:
        found = _read(site, wanted, after)
        items += wanted.of(found)
        if len(found) < CHUNK:
            break
        after = found[-1].number
        await asyncio.sleep(0)  # a filter that hits nothing reads the whole history
    more = items[limit - 1].number if len(items) > limit else None
    return EventPage(items=items[:limit], next=more, head=head)


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    site: Here,
    caller: Reader,
    request: Request,
    after: Number | None = None,
    run: RunId = None,
    type: Types = (),  # noqa: A002 — the query's name
    brief: Annotated[bool, Query(description="Without the events' content.")] = False,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Server-sent events: each with its number as id. Default: from now on.

    `reset` says that more was missed than is handed over; its data holds the number to go on from.
    """
    wanted = Wanted(caller.tenant, run, frozenset(type), brief)
    return Stream(site, wanted, _start(last_event_id, after), credentials(request))


class Stream(Response):
    """One reader. It reads the store from where it stands, and waits to be woken when it is
    through; while it is slow in taking what it was sent, nothing is kept for it."""

    media_type = "text/event-stream"

    def __init__(
        self,
        site: Site,
        wanted: Wanted,
        after: int | None,
        credentials: tuple[str | None, str | None],
    ) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._site = site
        self._wanted = wanted
        self._after = after
        self._credentials = credentials
        self._checked = time.monotonic()

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        telling = asyncio.create_task(self._tell(send))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, gone):
                task.cancel()
            await asyncio.gather(telling, gone, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for chunk in self._chunks():
            async with asyncio.timeout(PATIENCE):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncIterator[bytes]:
        head, topic = self._head(), of_tenant(self._wanted.tenant)
        after = head if self._after is None else self._after
        yield b": connected\nretry: 1000\n\n"
        if after > head or head - after > TOO_OLD:
            after = head
            yield f"event: reset\nid: {head}\ndata: {json.dumps({'head': head})}\n\n".encode()
        while not self._site.live.closing:
            found = _read(self._site, self._wanted, after)
            if found and not await self._may_go_on():
                return
            if found:
                after = found[-1].number
                chunk = b"".join(map(self._wanted.line, self._wanted.of(found)))
                yield chunk or f"id: {after}\n: skipped\n\n".encode()
            elif not await self._site.live.wait(topic, HEARTBEAT):
                yield b": heartbeat\n\n"

    async def _may_go_on(self) -> bool:
        """Whether the reader's credential still lets them read."""
        if time.monotonic() - self._checked < RECHECK:
            return True
        self._checked = time.monotonic()
        try:
            caller = await self._site.identity.identify(*self._credentials)
            await self._site.require(caller, "read", a_tenant(self._wanted.tenant))
        except (NotAuthenticated, NotPermitted):
            return False
        return True

    def _head(self) -> int:
        return self._site.store.read(self._wanted.tenant).events.head().number


def _read(site: Site, wanted: Wanted, after: int) -> list[Event]:
    events = site.store.read(wanted.tenant).events
    return events.find(wanted.run, after=after, limit=CHUNK)


def _brief(event: Event) -> dict[str, Any]:
    """What lists need to know about it: which run, which question, who."""
    body = event.body or {}
    names: tuple[str, ...] = ("approval", "operator", "by", "to")
    named = {name: body[name] for name in names if name in body}
    return {"number": event.number, "type": event.type, "run": event.run_id, **named}


def _start(last_event_id: str | None, after: int | None) -> int | None:
    """Where a reader stands: what its browser remembers goes before what its page was given."""
    if last_event_id is None:
        return after
    if not last_event_id.isascii() or not last_event_id.isdigit():
        raise InvalidInput("Last-Event-ID", last_event_id, "is no number of an event")
    return int(last_event_id)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

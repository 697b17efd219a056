"""Events: tail, verify."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from agent_runtime.cli.explain import event_line
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.event import Head
from agent_runtime.runtime import Runtime

POLL = 0.25
"""Seconds between two looks for new events."""


def tail(place: Place, screen: Screen, run_id: str | None, last: int, *, follow: bool) -> None:
    """Print the newest events, and with `follow` what comes."""
    if last < 0:
        raise InvalidInput("--last", last, "is negative")

    async def work(runtime: Runtime) -> None:
        session = runtime.store.read("default")
        if run_id is not None:
            session.runs.get(run_id)
        head = session.events.head().number
        after = 0 if run_id else max(0, head - last)
        found = session.events.find(run_id, after=after)
        after = found[-1].number if found else head
        for event in found[max(0, len(found) - last) :]:
            screen.document(event.model_dump(mode="json"))
            screen.line(event_line(event, with_run=run_id is None))
        while follow and not screen.closed:
            await asyncio.sleep(POLL)
            for event in runtime.store.read("default").events.find(run_id, after=after):
                after = event.number
                screen.document(event.model_dump(mode="json"))
                screen.line(event_line(event, with_run=run_id is None))

    place.work(work)


def verify(place: Place, screen: Screen, head: str | None) -> int:
    """Verify the chain; 0 when it holds."""
    anchor = _head(head)
    began = time.monotonic()

    async def work(runtime: Runtime) -> dict[str, Any]:
        with screen.progress("recomputing the chain", None):
            return runtime.verify(anchor=anchor).model_dump()

    found = place.work(work)
    screen.document({**found, "seconds": round(time.monotonic() - began, 3)})
    if found["problem"]:
        screen.line(f"The chain is broken: {found['problem']}.", style="bold red")
        return 1
    against = " and reaches the head that you kept" if found["anchored"] else ""
    screen.line(f"The chain of {found['events']} events holds{against}.", style="green")
    if not found["anchored"]:
        screen.line(f"Its head: {found['events']}:{found['head']}")
        screen.line("Keep the head elsewhere: only --head HEAD tells whether the end was cut off.")
    return 0


def _head(text: str | None) -> Head | None:
    if text is None:
        return None
    number, _, hashed = text.partition(":")
    if not (number.isascii() and number.isdigit() and hashed) or len(number) > 18:
        raise InvalidInput(
            "--head", text, "is not NUMBER:HASH", remedy="events verify prints the present one."
        )
    return Head(tenant="default", number=int(number), hash=hashed)

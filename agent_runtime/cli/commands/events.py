"""Events: tail, verify."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent_runtime.anchor import Audit
from agent_runtime.cli.explain import event_line
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.station import Station
from agent_runtime.errors import InvalidInput
from agent_runtime.event import Event, Head

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration


def tail(station: Station, screen: Screen, run_id: str | None, last: int, *, follow: bool) -> None:
    """Print the newest events, and with `follow` what comes."""
    if last < 0:
        raise InvalidInput("--last", last, "is negative")

    def tell(event: Event) -> None:
        screen.document(event.model_dump(mode="json"))
        screen.line(event_line(event, with_run=run_id is None))

    station.tail(run_id, last, tell, lambda: follow and not screen.closed)


def verify(office: Administration, screen: Screen, head: str | None, tenant: str | None) -> int:
    """Verify the chain against the head that was kept, else against the anchor's; 0 when it
    holds."""
    kept = _head(head, tenant or "default")
    began = time.monotonic()
    with screen.progress("recomputing the chain", None):
        found = office.verify(tenant, kept)
    screen.document({**found.model_dump(), "seconds": round(time.monotonic() - began, 3)})
    if found.problem:
        screen.line(f"The chain is broken: {found.problem}.", style="bold red")
        return 1
    if found.erased:
        screen.line(f"All of {found.tenant} was erased {found.erased}.")
        screen.line(f"The head of its history was {found.events}:{found.head}")
        return 0
    whose = "the head that you kept" if kept else f"the head in {found.anchor}"
    against = f" and reaches {whose}" if found.anchored else ""
    screen.line(f"The chain of {found.events} events holds{against}.", style="green")
    screen.line(f"Its head: {found.events}:{found.head}")
    _tell_anchor(screen, found)
    return 0 if found.holds else 1


def _tell_anchor(screen: Screen, found: Audit) -> None:
    """What the anchor leaves open."""
    if found.gap:
        screen.line(
            f"But {found.gap}: one was forged, an anchor line was removed, or a process died.",
            style="bold red",
        )
        screen.line(f"  → agent-runtime events tail --last {found.unanchored}")
    elif found.unanchored:
        screen.line(f"The newest {found.unanchored} are not anchored yet.")
    for note in found.notes:
        screen.line(f"note: {note}", style="yellow")


def _head(text: str | None, tenant: str) -> Head | None:
    if text is None:
        return None
    number, _, hashed = text.partition(":")
    if not (number.isascii() and number.isdigit() and hashed) or len(number) > 18:
        raise InvalidInput(
            "--head", text, "is not NUMBER:HASH", remedy="events verify prints the present one."
        )
    return Head(tenant=tenant, number=int(number), hash=hashed)

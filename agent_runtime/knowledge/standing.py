"""Standing: how the knowledge base stands to what a run was shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from agent_runtime.evidence import Shown, Withdrawn
from agent_runtime.source import Source
from agent_runtime.store import Session, Store
from agent_runtime.tool import ToolCall

Standing = Literal["no document", "unchanged", "changed", "not in force", "removed"]
"""no document: it came from elsewhere; changed: the document no longer says this; not in force: it
says it, and does not count on that day; removed: it is gone."""


def standing_of(session: Session, passage: Shown, day: date) -> tuple[Standing, Source | None]:
    """How a passage's document stands to it on a day, and that document."""
    if not (passage.document and passage.passage):
        return "no document", None
    source = session.knowledge.find_source(passage.document)
    if source is None:
        return "removed", None
    if session.knowledge.passage(source.id, passage.passage) is None:
        return "changed", source
    return ("unchanged" if source.in_force(day) else "not in force"), source


class Standings:
    """Tells what of a bundle may not be relied on any more."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def withdrawn(self, shown: Sequence[Shown], call: ToolCall) -> tuple[Withdrawn, ...]:
        """The passages that their documents no longer stand for, in order. `call` says whose run
        it is, what time it is, and for which visit it is asked."""
        session, day = self._store.read(call.tenant), call.now.date()
        found = [(p, standing_of(session, p, day)[0]) for p in shown]
        return tuple(
            Withdrawn(source=passage.source, document=passage.document, why=why)
            for passage, why in found
            if why in ("removed", "changed", "not in force")
        )

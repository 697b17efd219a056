"""Copies of a run in the store: as many rows and bytes as if each had been driven.

They are there to be in the way, not to be resumed: inside, their checkpoints name the original.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from agent_runtime.run import Run, new_id
from agent_runtime.store import Session, Store

BATCH = 250
"""Copies in one transaction."""


class Original:
    """All that the store holds of one run.

    `kept`: with recordings and checkpoints, as long as it waits; without them, as pruning leaves
    a run that has ended.
    """

    def __init__(self, session: Session, run: Run, *, kept: bool) -> None:
        self._run = run
        self._kept = kept
        self._documents = session.runs.documents(run.id)
        self._questions = session.approvals.find(run_id=run.id)
        self._events = session.events.find(run.id)
        self._recordings = session.recordings.find(run.id) if kept else []

    def copy(self, session: Session) -> None:
        """One more of it, under ids of its own."""
        run_id = new_id("run")
        names = {self._run.id: run_id}
        session.runs.insert(self._run.model_copy(update={"id": run_id}), self._documents)
        for asked in self._questions:
            names[asked.id] = new_id("apr")
            named = {"id": names[asked.id], "run_id": run_id}
            session.approvals.request(asked.model_copy(update={**named, "decisions": ()}))
            for given in asked.decisions:
                mine = {"approval_id": names[asked.id]}
                session.approvals.record(given.model_copy(update=mine))
        for event in self._events:
            session.events.append(event.type, run_id, **_renamed(event.body, names))
        for made in self._recordings:
            exchange = (made.kind, made.name, made.request, made.response)
            session.recordings.add(run_id, self._run.epoch, *exchange)
        if self._kept:
            session.checkpoints.copy_thread(self._run.id, run_id)

    def copy_several(self, count: int, session: Session) -> None:
        """Several, in one transaction."""
        for _ in range(count):
            self.copy(session)


async def fill(store: Store, original: Original, tenant: str, count: int) -> None:
    """That many copies in the original's own store."""
    for made in range(0, count, BATCH):
        several = partial(original.copy_several, min(BATCH, count - made))
        await store.write(tenant, several)


def _renamed(body: Any, names: dict[str, str]) -> dict[str, Any]:
    text = json.dumps(body)
    for old, new in names.items():
        text = text.replace(old, new)
    renamed: dict[str, Any] = json.loads(text)
    return renamed

"""Retention: old runs are erased down to what their history needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict

from agent_runtime.errors import InvalidInput
from agent_runtime.store import Session, Store, upkeep
from agent_runtime.verdict import Operator

BATCH = 50
"""Runs that are pruned in one commit: bounds how long the workers wait."""
_AGE = re.compile(r"^([0-9]{1,5})([hdw])$")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Pruned(BaseModel):
    """What was erased, or would be. `bytes`: how much smaller the file is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: tuple[str, ...]
    recordings: int = 0
    checkpoints: int = 0
    bodies: int = 0
    contents: int = 0
    bytes: int = 0


def parse_age(text: str) -> timedelta:
    """A number of hours, days or weeks (12h, 90d, 8w); raises InvalidInput."""
    found = _AGE.match(text)
    if found is None:
        raise InvalidInput("--older-than", text, "is no age", remedy="Write it like 90d or 12h.")
    return int(found[1]) * _UNITS[found[2]]


def plan(session: Session, before: datetime, workflow: str | None) -> Pruned:
    """What pruning would erase."""
    due = session.retention.due(before, workflow)
    counts = [session.retention.count(run_id) for run_id in due]
    total = {name: sum(count[name] for count in counts) for name in _COUNTED}
    return Pruned(runs=tuple(due), **total)


async def prune(
    store: Store,
    operator: Operator,
    before: datetime,
    workflow: str | None,
    advance: Callable[[], None],
) -> Pruned:
    """Erase recordings, checkpoints, handed-in texts, event bodies and contents of the runs that
    ended before that moment. Each leaves an event that says who did it, and how much."""
    tenant = operator.tenant
    planned = plan(store.read(tenant), before, workflow)
    size = store.path.stat().st_size

    def erase(batch: tuple[str, ...], session: Session) -> None:
        for run_id in batch:
            if session.events.count("run.pruned", run_id):
                continue  # somebody else was faster
            counts = session.retention.count(run_id)
            session.retention.erase([run_id])
            session.events.append("run.pruned", run_id, by=operator.name, **counts)

    for start in range(0, len(planned.runs), BATCH):
        batch = planned.runs[start : start + BATCH]
        await store.write(tenant, partial(erase, batch))
        advance()
    contents = await store.write(tenant, _drop_contents) if planned.runs else 0
    upkeep.give_back(store.path)
    freed = max(0, size - store.path.stat().st_size)
    return planned.model_copy(update={"contents": contents, "bytes": freed})


_COUNTED = ("recordings", "checkpoints", "bodies")


def _drop_contents(session: Session) -> int:
    """In one transaction, so that no run can begin to use a content that is being dropped."""
    found = session.retention.unreferenced()
    session.retention.drop(found)
    return len(found)

"""Retention: old runs are erased down to what their history needs."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict

from agent_runtime.errors import InvalidInput, SettingsError
from agent_runtime.settings import Kept
from agent_runtime.store import Session, Store, upkeep
from agent_runtime.store.retention import PARTS, Marked, Part
from agent_runtime.verdict import Operator

ANY = "*"
"""The entry of the settings that stands for every workflow that has none."""

BUDGET = 0.05
"""Seconds after which a commit takes in no further run: bounds how long the workers wait."""

SWEPT = 200
"""Contents that are removed in one commit."""

LOOKS = 3
"""How often unused contents are looked for when others prune at the same time."""

_AGE = re.compile(r"^([0-9]{1,5})([hdw])$")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True)
class Term:
    """What is erased of runs that ended before a moment, of one workflow or of all."""

    parts: tuple[Part, ...]
    before: datetime
    workflow: str | None = None


class Pruned(BaseModel):
    """What was erased, or would be. `bytes`: how much smaller the file is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: tuple[str, ...] = ()
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


def terms(kept: Mapping[str, Kept], known: Collection[str], now: datetime) -> list[Term]:
    """What the settings say is to be erased now, of the workflows that there are or were.

    Raises SettingsError for another one: what was meant would be kept for ever.
    """
    for name in kept:
        if name != ANY and name not in known:
            raise SettingsError(
                f"AGENT_RUNTIME_RETENTION names {name!r}, which is no workflow.",
                remedy=f"There are: {', '.join([*sorted(known), ANY])}.",
            )
    usual = kept.get(ANY, Kept())
    found = []
    for workflow in sorted(known):
        own = kept.get(workflow, usual)
        for part in PARTS:
            days = getattr(own if part in own.model_fields_set else usual, part)
            if days is not None:
                found.append(Term((part,), now - timedelta(days=days), workflow))
    return found


async def plan(store: Store, tenant: str, given: Sequence[Term]) -> Pruned:
    """What pruning would erase."""
    store = store.of(tenant)
    return await asyncio.to_thread(_counted, store, tenant, given)


async def prune(
    store: Store, operator: Operator, given: Sequence[Term], advance: Callable[[], None]
) -> Pruned:
    """Erase what the terms name, a few runs in a commit, so that nobody waits long. Each run gets
    an event that says who did it, and how much. `advance` is called after each run."""
    store = store.of(operator.tenant)
    size = store.path.stat().st_size
    due = await asyncio.to_thread(_due, store, operator.tenant, given)
    left, done = list(due.items()), Pruned()
    while left:
        erased = await store.write(
            operator.tenant, partial(_erase, left, operator.name), apart=True
        )
        for counts in erased:
            advance()
            if counts:
                done = _add(done, counts)
        left = left[len(erased) :]
    contents = await _drop_contents(store, operator.tenant) if due else 0
    await asyncio.to_thread(upkeep.give_back, store.path)
    freed = max(0, size - store.path.stat().st_size)
    update = {"runs": tuple(due), "contents": contents, "bytes": freed}
    return done.model_copy(update=update)


Due = dict[str, set[Part]]
"""Runs, and what is to be erased of each."""


def _due(store: Store, tenant: str, given: Sequence[Term]) -> Due:
    found: Due = {}
    with upkeep.reading(store.path, store.cipher) as connection:
        retention = Session(connection, tenant, store.now()).retention
        for term in given:
            for part in term.parts:
                for run_id in retention.due(part, term.before, term.workflow):
                    found.setdefault(run_id, set()).add(part)
    return found


def _counted(store: Store, tenant: str, given: Sequence[Term]) -> Pruned:
    due = _due(store, tenant, given)
    planned = Pruned(runs=tuple(due))
    with upkeep.reading(store.path, store.cipher) as connection:
        retention = Session(connection, tenant, store.now()).retention
        for run_id, parts in due.items():
            planned = _add(planned, retention.count(run_id, parts))
    return planned


def _erase(
    left: Sequence[tuple[str, set[Part]]], by: str, session: Session
) -> list[dict[str, int]]:
    """Erase runs until the budget is used up; what was erased of each."""
    until, erased = time.monotonic() + BUDGET, []
    for run_id, parts in left:
        counts = session.retention.count(run_id, parts)
        session.retention.erase(run_id, parts)
        session.events.append("run.pruned", run_id, by=by, parts=sorted(parts), **counts)
        erased.append(counts)
        if time.monotonic() > until:
            break
    return erased


def _add(done: Pruned, counts: Mapping[str, int]) -> Pruned:
    return done.model_copy(update={name: getattr(done, name) + n for name, n in counts.items()})


async def _drop_contents(store: Store, tenant: str) -> int:
    """Remove contents that nothing refers to any more; what others leave is found the next time."""
    gone = 0
    for _ in range(LOOKS):
        marked = await asyncio.to_thread(_mark, store, tenant)
        swept, stands = await _sweep(store, tenant, marked)
        gone += swept
        if stands:
            break
    return gone


async def _sweep(store: Store, tenant: str, marked: Marked) -> tuple[int, bool]:
    """Remove marked contents, a few in a commit; how many, and whether the marks stood so long."""
    gone = 0
    for start in range(0, len(marked.names), SWEPT):
        names = marked.names[start : start + SWEPT]
        swept = await store.write(tenant, partial(_remove, marked, names), apart=True)
        if swept is None:
            return gone, False
        gone += swept
    return gone, True


def _remove(marked: Marked, names: Sequence[str], session: Session) -> int | None:
    return session.retention.sweep(marked, names)


def _mark(store: Store, tenant: str) -> Marked:
    with upkeep.reading(store.path, store.cipher) as connection:
        connection.execute("BEGIN")  # one moment for all that is read
        return Session(connection, tenant, store.now()).retention.mark()

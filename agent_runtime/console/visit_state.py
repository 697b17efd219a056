"""What a visit changed in the run's state: the difference between checkpoints, node by node."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agent_runtime.api.site import Site
from agent_runtime.checkpoint import Saver
from agent_runtime.console.timeline import Visit
from agent_runtime.run import Run

MOST_CHECKPOINTS = 400
"""The newest ones that are read for one page."""

_HIDDEN = ("branch:", "__")
"""How LangGraph's own channels begin."""


@dataclass(frozen=True)
class FieldChange:
    """One field of the state, before and after; None: it was not there."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class StateChange:
    """What one node left behind; `checkpoint` names what was stored then."""

    node: str
    checkpoint: str
    fields: tuple[FieldChange, ...]


async def state_changes(site: Site, run: Run, visit: Visit) -> list[StateChange]:
    """The changes that belong to a visit, in order; empty when its checkpoints were pruned."""
    saver, place = Saver(site.store), {"thread_id": run.id, "tenant": run.tenant}
    found = [
        (one.checkpoint["id"], one.checkpoint["channel_values"])
        async for one in saver.alist({"configurable": place}, limit=MOST_CHECKPOINTS)
    ]
    return list(changes_of(found[::-1], visit.step, visit.number))


def changes_of(
    states: Sequence[tuple[str, Mapping[str, Any]]], step: str, number: int
) -> Iterator[StateChange]:
    """Those between following states that a visit of a step made."""
    for (_, before), (name, after) in pairwise(states):
        if not _belongs(before, after, step, number):
            continue
        fields = tuple(_fields(before, after))
        if fields:
            yield StateChange(f"{after['step']}.{_worked(before)}", name, fields)


def _belongs(before: Mapping[str, Any], after: Mapping[str, Any], step: str, number: int) -> bool:
    if after.get("step") != step or "route" not in after:
        return False
    visits = after.get("visits", {}).get(step, 0)
    # Context counts towards the visit that its reasoning begins.
    return bool((visits + 1 if _worked(before) == "context" else visits) == number)


def _worked(before: Mapping[str, Any]) -> str:
    """The node that ran between: the one that the state before named."""
    route = before.get("route", "context")
    return "context" if route == "end" else str(route)


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for name in sorted(before.keys() | after.keys()):
        if name.startswith(_HIDDEN):
            continue
        old, new = before.get(name), after.get(name)
        if old != new:
            yield from _parts(name, old, new)


def _parts(name: str, old: Any, new: Any) -> Iterator[FieldChange]:
    """A list that grew is told by what was added, a table by its entries."""
    if isinstance(old, list) and isinstance(new, list) and new[: len(old)] == old:
        added = [_short(one) for one in new[len(old) :]]
        yield FieldChange(
            name, f"{len(old)} entries", f"{len(new)} entries; new: {'; '.join(added)}"
        )
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield FieldChange(f"{name}.{key}", old.get(key), new.get(key))
    else:
        yield FieldChange(name, old, new)


def _short(entry: Any) -> str:
    """One entry of a list: a hash by its first digits."""
    text = entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)
    return text[7:19] if text.startswith("sha256:") else text

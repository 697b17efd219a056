"""Reentries: where a person lets a stopped run go on, when it is not where it stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from langgraph.types import StateSnapshot

from agent_runtime.segment import Segment
from agent_runtime.standing import begin
from agent_runtime.state import State
from agent_runtime.store import Session
from agent_runtime.verdict import Operator, Question


@dataclass(frozen=True)
class Reentry:
    """The node to go on at, by its full name, and the state to go on with."""

    entry: str
    state: State


async def reentry(
    segment: Segment, values: Mapping[str, Any], history: AsyncIterator[StateSnapshot]
) -> Reentry | None:
    """Where the last resumption wants the run, unless it went on from there already. `values`: its
    state as it stopped; `history`: its checkpoints, the newest first."""
    if segment.grace == 0 or values.get("reentered", 0) == segment.grace:
        return None
    told = [e.body or {} for e in segment.read().events.of("run.resumed", segment.run.id)]
    wanted = told[-1]
    made: Mapping[str, Any]
    if "retry" in wanted:
        entry = f"{wanted['retry']}.context"
        made = await _before(entry, history) or values
    elif "skip" in wanted:
        entry = f"{wanted['skip']}.reasoning"
        made = {**values, "skip": {"by": wanted["by"], "reason": wanted["reason"]}}
    elif "input" in wanted:
        entry = f"{segment.workflow.steps[0].name}.context"
        made = {**begin(segment.workflow), "envelopes": {}}
    else:
        return None
    # Visits are counted on, so that no right or question of before is found again.
    counted = {"visits": values.get("visits", {}), "reentered": segment.grace}
    kept = {name: value for name, value in made.items() if name in State.__annotations__}
    return Reentry(entry, cast("State", {**begin(segment.workflow), **kept, **counted}))


async def _before(node: str, history: AsyncIterator[StateSnapshot]) -> Mapping[str, Any] | None:
    """The state as the run last came to a node: its last good checkpoint before that step."""
    async for snapshot in history:
        if node in snapshot.next:
            return snapshot.values
    return None


def as_starter(session: Session, run_id: str, put: Question, operator: Operator) -> Question:
    """The question as it is put about this person's yes: whoever corrected a run's input counts as
    having started it, and nobody approves what they started."""
    if not session.events.count("run.resumed", run_id):
        return put
    told = [event.body or {} for event in session.events.of("run.resumed", run_id)]
    if any("input" in body and body["by"] == operator.name for body in told):
        return replace(put, run=replace(put.run, started_by=operator.name))
    return put

"""Leaving a step: the edge to take, counted against its bound; and bounded repetition."""

from __future__ import annotations

from agent_runtime.brief import Feedback, FeedbackKind
from agent_runtime.envelope import Envelope, validate_envelope
from agent_runtime.errors import NeedsAttention
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Outcome, Step
from agent_runtime.workflow import key

MAX_FEEDBACK = 30
"""What reasoning is told of the past at most, in entries; older ones fall out."""


def leave(segment: Segment, step: Step, state: State, outcome: Outcome) -> State:
    """End this visit of the step: `after` is the next step, or None at the run's end."""
    taken = dict(state.get("taken", {}))
    suffix = f"#{segment.grace}"
    counted = {name.removesuffix(suffix): n for name, n in taken.items() if name.endswith(suffix)}
    edge = segment.workflow.follow(step.name, outcome, _last(segment, step, state), counted)
    if edge is not None:
        taken[key(edge) + suffix] = counted.get(key(edge), 0) + 1
    after = None if edge is None else edge.target
    return {"route": "end", "outcome": outcome, "after": after, "taken": taken}


def _last(segment: Segment, step: Step, state: State) -> Envelope | None:
    """The envelope that conditions are about, where an edge of the step has one."""
    if not any(edge.when for edge in segment.workflow.all_edges if edge.source == step.name):
        return None
    envelope = state.get("envelope")
    return None if envelope is None else validate_envelope(envelope)


def tell(state: State, kind: FeedbackKind, text: str, source: str | None = None) -> State:
    """Add to what reasoning hears next time."""
    entry = Feedback(kind=kind, text=text[:4_000], source=source)
    feedback = [*state.get("feedback", []), entry.model_dump(exclude_none=True)]
    return {"feedback": feedback[-MAX_FEEDBACK:]}


def count(segment: Segment, state: State, name: str, limit: int, why: str) -> State:
    """One more of something bounded; raises NeedsAttention beyond `limit`.

    A person who resumes the run grants the same number again.
    """
    counts = dict(state.get("counts", {}))
    counted = f"{name}#{segment.grace}"
    counts[counted] = counts.get(counted, 0) + 1
    if counts[counted] > limit:
        raise NeedsAttention(why)
    return {"counts": counts}


def counted(segment: Segment, state: State, name: str) -> int:
    """How many of something there were since the run was last resumed by a person."""
    return state.get("counts", {}).get(f"{name}#{segment.grace}", 0)

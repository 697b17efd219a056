"""Comparing: what a replay told beside what was told then, event by event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.event import Event
from agent_runtime.replay.player import Gap

NOT_COMPARED: dict[str, frozenset[str]] = {
    "tool.called": frozenset({"at"}),
    "tool.failed": frozenset({"at"}),
}
"""Fields that say when something was written down."""

DIGESTS = frozenset({"digest", "action_digest", "policy"})
"""Fields that only name what other fields, or other events, say in full."""

WORDS = {
    "bundle.assembled": "bundle",
    "envelope.emitted": "envelope",
    "gate.judged": "verdict",
    "approval.requested": "question",
    "run.paused": "end",
    "run.waits": "end",
    "run.ended": "end",
}
"""What an event is to people, where its type doesn't say it."""


class Divergence(BaseModel):
    """The first difference of a replay: where, and both sides.

    `number`: the recorded event's; None where the replay told more. `field` is a path in its body.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    step: str = ""
    node: str = ""
    visit: int | None = None
    number: int | None = None
    field: str = ""
    recorded: Any = None
    replayed: Any = None

    def __str__(self) -> str:
        visit = "" if self.visit is None else f", visit {self.visit}"
        place = f"step {self.step}{visit}: " if self.step else ""
        field = f" {self.field}" if self.field else ""
        return f"{place}{self.what}{field} was {self.recorded!r}, is {self.replayed!r}"


def compare(
    recorded: Sequence[Event], replayed: Sequence[Event], gap: Gap | None
) -> Divergence | None:
    """The first event that differs; None where all are the same."""
    for one, other in zip_longest(recorded, replayed):
        ends = gap is not None and (other is None or _ended(other))
        if _same(one, other) and not ends:
            continue
        if gap is not None and ends:
            return _place(one or other, gap.what, "", gap.recorded, gap.asked)
        if one is None or other is None or one.type != other.type:
            what = WORDS.get(_type(one) or _type(other), "event")
            return _place(one or other, what, "", _type(one) or None, _type(other) or None)
        field, old, new = first_difference(_told(one), _told(other))
        return _place(one, WORDS.get(one.type, one.type), field, old, new)
    return None


def count(events: Iterable[Event]) -> dict[str, int]:
    """How much of each kind was compared."""
    found = {"envelopes": 0, "verdicts": 0, "digests": 0}
    for event in events:
        found["envelopes"] += event.type == "envelope.emitted"
        found["verdicts"] += event.type == "gate.judged"
        found["digests"] += event.type in ("gate.judged", "approval.requested")
    return found


def first_difference(old: Any, new: Any, path: str = "") -> tuple[str, Any, Any]:
    """The first place in which two JSON values differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            if old.get(name) != new.get(name):
                inside = f"{path}.{name}" if path else str(name)
                return first_difference(old.get(name), new.get(name), inside)
    if isinstance(old, list) and isinstance(new, list):
        for number, (was, now) in enumerate(zip_longest(old, new)):
            if was != now:
                return first_difference(was, now, f"{path}[{number}]")
    return path, old, new


def _same(one: Event | None, other: Event | None) -> bool:
    if one is None or other is None or one.type != other.type:
        return False
    return _told(one) == _told(other)


def _told(event: Event) -> dict[str, Any]:
    body = event.body or {}
    if event.type in ("run.paused", "run.waits", "run.ended"):
        return {"state": body.get("state")}
    left = NOT_COMPARED.get(event.type, frozenset())
    # What a digest is over comes before it: it says more.
    names = sorted(body.keys() - left, key=lambda name: (name in DIGESTS, name))
    return {name: body[name] for name in names}


def _ended(event: Event) -> bool:
    """Whether a replayed event is its halt."""
    return event.type in ("run.paused", "run.waits", "run.ended")


def _type(event: Event | None) -> str:
    return "" if event is None else event.type


def _place(event: Event | None, what: str, field: str, old: Any, new: Any) -> Divergence:
    body = (event.body if event is not None else None) or {}
    return Divergence(
        what=what,
        step=str(body.get("step", "")),
        node=str(body.get("node", "")),
        visit=body.get("visit"),
        number=None if event is None else event.number,
        field=field,
        recorded=old,
        replayed=new,
    )

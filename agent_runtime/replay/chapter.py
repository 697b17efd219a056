"""Chapters: the stretches of work on a run, without what was lost with a worker and done anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_runtime.errors import BudgetExceeded, NeedsAttention
from agent_runtime.event import Event, EventType
from agent_runtime.store.calls import ModelCall

Visit = tuple[str, int]
"""A step and the number of its visit."""

WORKED: frozenset[EventType] = frozenset(
    {
        "bundle.assembled",
        "envelope.emitted",
        "model.failed",
        "tool.called",
        "tool.failed",
        "tool.refused",
        "gate.judged",
        "approval.requested",
        "action.authorized",
        "action.voided",
        "action.intended",
        "action.executed",
    }
)
"""What nodes tell: the events that a replay has to tell again, one by one."""

HALTS: frozenset[EventType] = frozenset({"run.paused", "run.waits", "run.ended"})

GATHERED: frozenset[EventType] = frozenset(
    {"model.failed", "tool.called", "tool.failed", "tool.refused"}
)
"""What a node tells on its way: without its envelope, it never came to its end."""

PREPARED = GATHERED | {"bundle.assembled", "gate.judged"}
"""What stands before a node's envelope, and is told again with it."""

ELSEWHERE = frozenset({"retry", "skip", "input"})
"""Ways of a resumption that don't go on where the run stopped."""


@dataclass(frozen=True)
class Chapter:
    """One stretch of work on a run: from a claim to the pause, wait or end that it led to.

    `before`: what people, deadlines and policies did since the chapter before. A claim that was
    lost has no end of its own; it is told together with the one that took over, of which `epochs`
    names all. `halt` is None where the work was cut off: by whoever cancelled the run, or so far.
    """

    claimed: Event
    before: tuple[Event, ...]
    told: tuple[Event, ...]
    halt: Event | None
    epochs: tuple[int, ...]

    @property
    def last(self) -> int:
        """The number of its last event."""
        ends = [self.claimed, *self.told, *([] if self.halt is None else [self.halt])]
        return max(event.number for event in ends)

    @property
    def reasoned(self) -> list[Visit]:
        """The visits whose reasoning came to its end, in order."""
        bodies = [e.body or {} for e in self.told if e.type == "envelope.emitted"]
        return [_visit(body) for body in bodies if body["node"] == "reasoning"]

    def stop(self, following: ModelCall | None, earlier: int) -> NeedsAttention | None:
        """What kept the run from asking a model, where the next call that was made is `following`
        (None: there was no more in this chapter): a budget, or a setting. `earlier`: how many of
        its stops were played."""
        ended = [body for e in self.told if (body := _failed(e)) is not None]
        reasoned = self.reasoned
        for body in ended[earlier:]:
            here = reasoned.index(_visit(body))
            if following is None or here < _place(reasoned, following):
                return BudgetExceeded.retold(body["reason"], scope="", fails=True)
        halt = {} if self.halt is None else self.halt.body or {}
        if following is None and halt.get("state") == "needs_attention":
            return NeedsAttention(str(halt["reason"]))
        return None


@dataclass
class _Open:
    """A chapter that is being read: its claims, each with what it told."""

    claimed: Event
    before: tuple[Event, ...]
    epochs: list[int] = field(default_factory=list)
    claims: list[list[Event]] = field(default_factory=list)

    def take(self, claimed: Event) -> None:
        self.epochs.append((claimed.body or {})["epoch"])
        self.claims.append([])

    def close(self, halt: Event | None) -> Chapter:
        told = tuple(_once(self.claims))
        return Chapter(self.claimed, self.before, told, halt, tuple(self.epochs))


def chapters(events: Iterable[Event]) -> Iterator[Chapter]:
    """What was told between claims and halts, in order."""
    opened: _Open | None = None
    before: list[Event] = []
    for event in events:
        if event.type == "run.claimed":
            if opened is None:
                opened, before = _Open(event, tuple(before)), []
            opened.take(event)
        elif opened is None:
            before.append(event)
        elif event.type in WORKED:
            opened.claims[-1].append(event)
        elif _is_own(event):
            chapter, opened = opened.close(event), None
            if not _is_mismatch(event):
                yield chapter
    if opened is not None and any(opened.claims):
        yield opened.close(None)


def broken_off(events: Iterable[Event]) -> str:
    """Why no version of the code can play all of a run, if there is a reason."""
    working = False
    for event in events:
        body = event.body or {}
        if event.type == "run.migrated":
            return (
                f"It was migrated from version {body['from_version']} to {body['to_version']}"
                f" (event {event.number}): each has played a part of it, and neither all."
            )
        if event.type == "run.resumed" and working and ELSEWHERE & body.keys():
            return (
                f"Its worker was lost in the middle, and {body['by']} let it go on elsewhere"
                f" (event {event.number}): where the worker would have come to, nobody knows."
            )
        if event.type == "run.claimed":
            working = True
        elif _is_own(event):
            working = False
    return ""


def played(calls: Sequence[ModelCall], chapter: Chapter) -> Iterator[ModelCall]:
    """The calls of a chapter without those of a lost worker that were made anew."""
    kept: list[ModelCall] = []
    for epoch in chapter.epochs:
        mine = [call for call in calls if call.epoch == epoch]
        again = [n for n, one in enumerate(kept) if mine and _is_same_call(one, mine[0])]
        if again:
            del kept[again[-1] :]
        kept += mine
    finished = chapter.reasoned
    # Whoever took over may have stopped before it asked.
    while kept and kept[-1].epoch != chapter.epochs[-1] and _visited(kept[-1]) not in finished:
        kept.pop()
    yield from kept


def _is_own(event: Event) -> bool:
    """Whether a worker's own work led there: it did not hand the run back in the middle, nor did a
    person end it or a queue find the worker gone."""
    body = event.body or {}
    handed = body.get("state") == "queued" or "lost" in body
    return event.type in HALTS and not handed and "by" not in body


def _is_mismatch(event: Event) -> bool:
    """Whether the code of then could not even begin: nothing was done, whatever code plays it."""
    return (event.body or {}).get("state") == "version_mismatch"


def _once(claims: Sequence[Sequence[Event]]) -> list[Event]:
    """What was told, without what the worker that took over told again: what was done after the
    last checkpoint was done anew, and counts as it was then."""
    kept: list[Event] = []
    for told in claims:
        while kept and kept[-1].type in GATHERED:
            kept.pop()
        kept = _joined(kept, told)
    return kept


def _joined(kept: Sequence[Event], told: Sequence[Event]) -> list[Event]:
    """Two claims' events as one claim's: a node that had told its end, and lost it before its
    checkpoint, has told it twice; what is told but once, such as a right, stays where it was."""
    ending = next((e for e in told if e.type == "envelope.emitted"), None)
    earlier = [n for n, known in enumerate(kept) if ending is not None and _is_same(known, ending)]
    if ending is None or not earlier:
        return [*kept, *told]
    start = end = earlier[-1]
    while start > 0 and kept[start - 1].type in PREPARED:
        start -= 1
    after = told.index(ending) + 1
    again = [e for e in kept[end + 1 :] if not any(_is_same(e, new) for new in told)]
    return [*kept[:start], *told[:after], *again, *told[after:]]


def _is_same(one: Event, other: Event) -> bool:
    names = ("step", "visit", "node", "tool", "key")
    mine, its = one.body or {}, other.body or {}
    return one.type == other.type and all(mine.get(n) == its.get(n) for n in names)


def _is_same_call(one: ModelCall, other: ModelCall) -> bool:
    return (_visited(one), one.attempt, one.request) == (
        _visited(other),
        other.attempt,
        other.request,
    )


def _failed(event: Event) -> dict[str, Any] | None:
    """The envelope of a reasoning that the runtime itself ended."""
    body = event.body or {}
    told = (event.type, body.get("node"), body.get("status"), body.get("producer"))
    return body if told == ("envelope.emitted", "reasoning", "failed", "runtime") else None


def _visit(body: dict[str, Any]) -> Visit:
    return str(body["step"]), int(body["visit"])


def _visited(call: ModelCall) -> Visit:
    return call.step, call.visit


def _place(reasoned: Sequence[Visit], call: ModelCall) -> int:
    """Where in the order a call's reasoning came to its end; one that didn't stands last."""
    visited = _visited(call)
    return reasoned.index(visited) if visited in reasoned else len(reasoned)

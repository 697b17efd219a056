"""Timelines: a run's events as the visits of its steps, with the waiting between them.

Pure: made from events alone, so that a run reads the same whatever became of its code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from agent_runtime.drawing.trail import Passed, Place, Trail, Trouble
from agent_runtime.envelope import Node, Status
from agent_runtime.event import Event
from agent_runtime.run import ENDS, RunState

WORTH_SHOWING = 1.0
"""Seconds below which waiting is no line of its own."""


@dataclass(frozen=True)
class Phase:
    """One node's work: its envelope, and the events that led to it."""

    step: str
    node: Node
    visit: int
    status: Status
    reason: str
    producer: str
    confidence: float
    began: datetime
    ended: datetime
    number: int
    body: dict[str, Any]
    events: tuple[Event, ...]

    @property
    def place(self) -> Place:
        """Where in the workflow."""
        return self.step, self.node

    @property
    def voided(self) -> bool:
        """Whether its right to act was taken back before it acted."""
        return any(event.type == "action.voided" for event in self.events)

    @property
    def trouble(self) -> Trouble:
        """Whether it went wrong, or may not be."""
        match self.status:
            case "failed":
                return "failed"
            case "denied":
                return "denied"
            case "ok" | "proposed" | "needs_approval" | "insufficient" | "done":
                return ""


@dataclass(frozen=True)
class Wait:
    """Time in which nobody worked on the run. `until` None: it still waits. `who`: whose answers
    ended it."""

    state: RunState
    since: datetime
    until: datetime | None
    reason: str = ""
    who: tuple[str, ...] = ()

    def lasted(self, now: datetime) -> float:
        """Seconds."""
        return ((self.until or now) - self.since) / timedelta(seconds=1)


@dataclass
class Visit:
    """One visit of a step: its phases in order, with the waits between them."""

    step: str
    number: int
    parts: list[Phase | Wait] = field(default_factory=list)

    @property
    def phases(self) -> list[Phase]:
        """Without the waits."""
        return [part for part in self.parts if isinstance(part, Phase)]

    @property
    def last(self) -> Phase:
        """What it came to so far."""
        return self.phases[-1]

    def of(self, node: Node) -> list[Phase]:
        """What one of its nodes did."""
        return [phase for phase in self.phases if phase.node == node]


@dataclass
class Timeline:
    """All of it. `rest`: what happened after the last envelope; `working`, `waiting`: seconds."""

    visits: list[Visit] = field(default_factory=list)
    rest: list[Event] = field(default_factory=list)
    open_wait: Wait | None = None
    working: float = 0.0
    waiting: float = 0.0

    @property
    def phases(self) -> list[Phase]:
        """Every phase in order."""
        return [phase for visit in self.visits for phase in visit.phases]

    def find(self, step: str, number: int) -> Visit | None:
        """One visit."""
        return next((v for v in self.visits if (v.step, v.number) == (step, number)), None)


def read_timeline(events: Sequence[Event], now: datetime) -> Timeline:
    """Put a run's events in order of visits. `now`: what still waits or works is counted to."""
    line, clock = Timeline(), _Clock()
    pending: list[Event] = []
    for event in events:
        wait = clock.tick(event)
        if wait is not None and line.visits and wait.lasted(now) >= WORTH_SHOWING:
            line.visits[-1].parts.append(wait)
        if event.type == "envelope.emitted" and event.body is not None:
            _add(line, _phase(event, (*pending, event)))
            pending = []
        else:
            pending.append(event)
    line.rest = pending
    line.open_wait = clock.close(now)
    line.working, line.waiting = clock.working, clock.waiting
    return line


def trail_of(line: Timeline, state: RunState) -> Trail:
    """The way that the events tell of."""
    nodes: dict[Place, Passed] = {}
    edges: dict[str, int] = {}
    inner: dict[tuple[str, Node, Node], int] = {}
    before: Phase | None = None
    for phase in line.phases:
        # A gate that asked and one that heard the answer are one passage.
        again = before is not None and before.status == "needs_approval" and phase.node == "gate"
        known = nodes.get(phase.place, Passed(0)).times
        nodes[phase.place] = Passed(known if again else known + 1, phase.trouble)
        if before is not None and not again:
            if _left(before, phase):
                key = f"{before.step}>{phase.step}"
                edges[key] = edges.get(key, 0) + 1
            else:
                way = (phase.step, before.node, phase.node)
                inner[way] = inner.get(way, 0) + 1
        before = phase
    ended = state in ENDS
    return Trail(
        state=state,
        nodes=nodes,
        edges=edges,
        inner=inner,
        current=None if ended or before is None else _standing(before),
        last=before.step if ended and before is not None else None,
    )


def _add(line: Timeline, phase: Phase) -> None:
    last = line.visits[-1] if line.visits else None
    if last is None or (last.step, last.number) != (phase.step, phase.visit):
        last = Visit(phase.step, phase.visit)
        line.visits.append(last)
    last.parts.append(phase)


def _phase(event: Event, led: tuple[Event, ...]) -> Phase:
    body = event.body or {}
    claimed = [e.at for e in led if e.type == "run.claimed"]
    return Phase(
        step=str(body["step"]),
        node=cast("Node", body.get("node", "reasoning")),
        visit=int(body.get("visit", 1)),
        status=body["status"],
        reason=str(body["reason"]),
        producer=str(body.get("producer", "")),
        confidence=float(body["confidence"]),
        began=claimed[-1] if claimed else led[0].at,
        ended=event.at,
        number=event.number,
        body=body,
        events=led,
    )


def _left(before: Phase, after: Phase) -> bool:
    """Whether an edge was taken between them, and not a way within the step."""
    if before.step != after.step:
        return True
    if after.node != "context":
        return False
    if before.node == "action":
        return not before.voided or before.status == "denied"
    return before.node != "gate" or before.status != "failed"


def _standing(last: Phase) -> Place:
    """The node that works, or waits, after what the last one said."""
    step = last.step
    match last.node:
        case "context":
            return step, "reasoning"
        case "reasoning":
            return step, "gate" if last.status in ("proposed", "needs_approval") else "reasoning"
        case "gate":
            match last.status:
                case "ok":
                    return step, "action"
                case "failed" | "insufficient":
                    return step, "reasoning"
                case "needs_approval" | "denied" | "proposed" | "done":
                    return step, "gate"
        case "action":
            return step, "context" if last.voided else "action"


class _Clock:
    """Tells work from waiting as events go by."""

    def __init__(self) -> None:
        self.working = 0.0
        self.waiting = 0.0
        self._worked_from: datetime | None = None
        self._waits: Wait | None = None
        self._who: list[str] = []

    def tick(self, event: Event) -> Wait | None:
        """Take in one event; the wait that it ended, if it did."""
        body = event.body or {}
        match event.type:
            case "run.claimed":
                return self._begin(event.at)
            case "run.queued":
                self._stop(event.at, "queued", "")
            case "run.paused":
                self._stop(event.at, "paused", "")
            case "run.waits":
                state, why = body.get("state", "needs_attention"), str(body.get("reason", ""))
                self._stop(event.at, state, why)
            case "run.ended":
                self._rest(event.at)
                return self._end(event.at)
            case "approval.decided":
                self._who.append(str(body.get("operator", "")))
            case "run.resumed" | "action.settled":
                self._who.append(str(body.get("by", "")))
            case _:
                pass
        return None

    def close(self, now: datetime) -> Wait | None:
        """Count what still lasts; the wait that does."""
        self._rest(now)
        if self._waits is not None:
            self.waiting += self._waits.lasted(now)
        return self._waits

    def _begin(self, at: datetime) -> Wait | None:
        self._rest(at)
        self._worked_from = at
        return self._end(at)

    def _stop(self, at: datetime, state: RunState, reason: str) -> None:
        self._rest(at)
        self._waits, self._who = Wait(state, at, None, reason), []

    def _rest(self, at: datetime) -> None:
        """Count what was worked until then."""
        if self._worked_from is not None:
            self.working += (at - self._worked_from) / timedelta(seconds=1)
        self._worked_from = None

    def _end(self, at: datetime) -> Wait | None:
        waits, self._waits = self._waits, None
        if waits is None:
            return None
        done = Wait(waits.state, waits.since, at, waits.reason, tuple(dict.fromkeys(self._who)))
        self.waiting += done.lasted(at)
        return done


def evidence_of(visit: Visit) -> Iterator[dict[str, Any]]:
    """What each bundle of a visit held, as its events say."""
    for phase in visit.phases:
        for event in phase.events:
            if event.type == "bundle.assembled" and event.body is not None:
                yield event.body

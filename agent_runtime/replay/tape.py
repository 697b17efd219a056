"""The tape: everything stored of one run that a replay feeds on, checked before it is used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.errors import RecordingDamaged, RecordingGone
from agent_runtime.event import Event, EventType
from agent_runtime.evidence import Document
from agent_runtime.run import Run
from agent_runtime.store import Content, JournalEntry, Recording, Session
from agent_runtime.store.calls import AFTERWARDS, ModelCall
from agent_runtime.version import Version

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
Visit = tuple[str, int]
"""A step and the number of its visit."""


@dataclass(frozen=True)
class Chapter:
    """One stretch of work on a run: from a claim to the pause, wait or end that it led to.

    `before`: what people, deadlines and policies did since the chapter before. A claim that was
    lost has no end of its own; it is told together with the one that took over.
    """

    claimed: Event
    before: tuple[Event, ...]
    told: tuple[Event, ...]
    halt: Event | None

    @property
    def last(self) -> int:
        """The number of its last event."""
        ends = [self.claimed, *self.told, *([] if self.halt is None else [self.halt])]
        return max(event.number for event in ends)


@dataclass(frozen=True)
class Tape:
    """One run as it is stored. `recordings`: its exchanges, and those of others whose answers it
    used again; `version`: what it was started under, None when it is older; `seeds`: what a fork
    began with; `inputs`: those that a person corrected, before and after, by their hashes."""

    run: Run
    documents: tuple[Document, ...]
    events: tuple[Event, ...]
    recordings: tuple[Recording, ...]
    approvals: Mapping[str, Approval]
    journal: Mapping[str, JournalEntry]
    calls: tuple[ModelCall, ...] = ()
    version: Version | None = None
    seeds: tuple[Any, ...] = ()
    inputs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = field(default=())

    @cached_property
    def begun(self) -> Run:
        """The run as it was started, before anybody corrected its input."""
        told = [event.body or {} for event in self.events if event.type == "run.resumed"]
        before = [body["input"]["before"] for body in told if "input" in body]
        return self.run.model_copy(update={"input": self.inputs[before[0]]} if before else {})

    @cached_property
    def judged(self) -> dict[Visit, Event]:
        """The gate's judgement by visit."""
        return self._by_visit("gate.judged")

    @cached_property
    def voided(self) -> dict[Visit, Event]:
        """The right that was taken back before it was used, by visit."""
        return self._by_visit("action.voided")

    @cached_property
    def refused(self) -> dict[Visit, str]:
        """Why a proposal was impossible, by visit, where a check said so."""
        found: dict[Visit, str] = {}
        for event, after in zip(self.events, self.events[1:], strict=False):
            body = event.body or {}
            if event.type == "tool.refused" and body.get("why") == "impossible":
                reason = str((after.body or {}).get("reason", ""))
                found[body["step"], body["visit"]] = reason.removeprefix("tool_error: ")
        return found

    @cached_property
    def executed(self) -> dict[str, Event]:
        """The outcome of a call, by its key."""
        found = (event for event in self.events if event.type == "action.executed")
        return {str((event.body or {})["key"]): event for event in found}

    @cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """The facts that an action was last judged on, by its digest."""
        bodies = [event.body or {} for event in self.judged.values()]
        found = {body["action_digest"]: body["facts"] for body in bodies}
        return {**found, **{a.action_digest: a.facts for a in self.approvals.values()}}

    def relied_on(self, visit: Visit, named: str) -> dict[str, Any] | None:
        """The facts of the question or judgement that a visit's right to act came from."""
        asked = [
            approval.facts
            for approval in self.approvals.values()
            if (approval.step, approval.visit, approval.action_digest) == (*visit, named)
        ]
        event = self.judged.get(visit)
        judged = {} if event is None else event.body or {}
        own = [judged["facts"]] if judged.get("action_digest") == named else []
        found = [*own, *asked]
        return found[-1] if found else self.facts.get(named)

    def _by_visit(self, kind: EventType) -> dict[Visit, Event]:
        bodies = ((event.body or {}, event) for event in self.events if event.type == kind)
        return {(body["step"], body["visit"]): event for body, event in bodies}


def load_tape(session: Session, run_id: str) -> Tape:
    """Read and check one run; raises NotFound, RecordingGone where content was pruned or erased,
    RecordingDamaged that names what is not as it was stored."""
    run = session.runs.get(run_id)
    events = session.events.find(run_id)
    _check(session, run_id, events)
    made = session.calls.find(run_id)
    calls = [call for call in made if call.visit != AFTERWARDS]
    judged = {call.request for call in made if call.visit == AFTERWARDS}
    reused = dict.fromkeys(call.request for call in calls if call.outcome == "cached")
    elsewhere = [session.recordings.answer_to(request) for request in reused]
    return Tape(
        run=run,
        documents=tuple(session.runs.documents(run_id)),
        events=tuple(events),
        recordings=(*_without(session, run_id, judged), *filter(None, elsewhere)),
        approvals={a.id: a for a in session.approvals.find(run_id=run_id)},
        journal={entry.key: entry for entry in session.journal.find(run_id)},
        calls=tuple(calls),
        version=session.versions.get(run.workflow, run.version),
        seeds=_seeds(session, run),
        inputs=_inputs(session, run, events),
        chapters=tuple(_chapters(events)),
    )


def _without(session: Session, run_id: str, judged: Collection[str]) -> list[Recording]:
    """A run's own exchanges: not those in which it was judged later on."""
    found = session.recordings.find(run_id)
    return [one for one in found if not judged or Content.of(one.request).hash not in judged]


def _seeds(session: Session, run: Run) -> tuple[Any, ...]:
    """The state and the passages that a fork began with; raises RecordingGone."""
    if run.origin is None:
        return ()
    state = session.recordings.kept(run.origin.state)
    names = [] if state is None else list(dict.fromkeys([*state["shown"], *state["bundle"]]))
    found = (state, *(session.recordings.kept(name) for name in names))
    if any(one is None for one in found):
        raise RecordingGone(run.id, "what it was forked with is not in the store any more")
    return found


def _inputs(session: Session, run: Run, events: Sequence[Event]) -> dict[str, dict[str, Any]]:
    """The inputs that a person corrected, and those they gave; raises RecordingGone."""
    told = [event.body or {} for event in events if event.type == "run.resumed"]
    names = [body["input"][side] for body in told if "input" in body for side in _SIDES]
    found = {name: session.recordings.kept(name) for name in names}
    if any(one is None for one in found.values()):
        raise RecordingGone(run.id, "an input that was corrected is not in the store any more")
    return found


_SIDES = ("before", "after")


def _check(session: Session, run_id: str, events: Sequence[Event]) -> None:
    if any(event.type == "run.pruned" for event in events):
        raise RecordingGone(run_id, "its recordings were pruned")
    gone = [event.number for event in events if event.body is None]
    if gone:
        raise RecordingGone(run_id, f"the content of event {gone[0]} was erased")
    altered = session.events.altered(run_id)
    if altered:
        raise RecordingDamaged(run_id, altered)
    shown = [
        name for e in events if e.type == "bundle.assembled" for name in (e.body or {})["shown"]
    ]
    for name in dict.fromkeys([*session.recordings.names(run_id), *shown]):
        state = session.recordings.state(name)
        if state == "gone":
            raise RecordingGone(run_id, f"the content {name} is not in the store any more")
        if state == "altered":
            raise RecordingDamaged(run_id, f"the content {name} does not have that hash")


def _chapters(events: Iterable[Event]) -> Iterator[Chapter]:
    """What was told between claims and halts, in order."""
    claimed: Event | None = None
    before: list[Event] = []
    told: list[Event] = []
    for event in events:
        if claimed is None:
            if event.type == "run.claimed":
                claimed = event
            else:
                before.append(event)
        elif event.type == "run.claimed":
            told = [*told, event]  # taken over: where the next one begins to repeat
        elif event.type in HALTS and not _handed_back(event):
            if "by" not in (event.body or {}):
                yield Chapter(claimed, tuple(before), tuple(_once(told)), event)
                claimed, before, told = None, [], []
        elif event.type in WORKED:
            told.append(event)
    if claimed is not None and told:
        yield Chapter(claimed, tuple(before), tuple(_once(told)), None)


def _handed_back(event: Event) -> bool:
    """Whether a worker let go in the middle: the next one goes on with the same."""
    return event.type == "run.waits" and (event.body or {}).get("state") == "queued"


def _once(told: Sequence[Event]) -> list[Event]:
    """Events without those that a worker told again after it took over: what was done after the
    last checkpoint was done anew, and counts as it was then."""
    kept: list[Event] = []
    again = False
    for event in told:
        if event.type == "run.claimed":
            again = True
            continue
        if again:
            earlier = [n for n, known in enumerate(kept) if _same(known, event)]
            if earlier:
                del kept[earlier[-1] :]
            again = False
        kept.append(event)
    return kept


def _same(one: Event, other: Event) -> bool:
    names = ("step", "visit", "node", "tool", "key")
    mine, its = one.body or {}, other.body or {}
    return one.type == other.type and all(mine.get(n) == its.get(n) for n in names)

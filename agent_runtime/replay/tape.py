"""The tape: everything stored of one run that a replay feeds on, checked before it is used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.errors import RecordingDamaged, RecordingGone
from agent_runtime.event import Event, EventType
from agent_runtime.evidence import Document
from agent_runtime.redact import PSEUDONYM
from agent_runtime.replay.chapter import Chapter, Visit, broken_off, chapters, played
from agent_runtime.rollout import Rollout
from agent_runtime.run import Run
from agent_runtime.store import Content, JournalEntry, Recording, Session
from agent_runtime.store.calls import AFTERWARDS, ModelCall
from agent_runtime.version import Version

Pseudonymised = tuple[bytes | None, Mapping[str, str]]
"""The key that names are made with, and what those in a run's actions stand for."""


@dataclass(frozen=True)
class Tape:
    """One run as it is stored. `recordings`: its exchanges, and those of others whose answers it
    used again; `version`: what it was started under, None when it is older; `seeds`: what a fork
    began with; `inputs`: those that a person corrected, before and after, by their hashes;
    `rollouts`: what was tried in its workflow; `broken_off`: why no code can play all of it."""

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
    pseudonyms: Pseudonymised = (None, {})
    chapters: tuple[Chapter, ...] = ()
    broken_off: str = ""
    rollouts: tuple[Rollout, ...] = ()

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
    calls = [call for call in session.calls.find(run_id) if call.visit != AFTERWARDS]
    told = tuple(chapters(events))
    kept = _kept(calls, told)
    return Tape(
        run=run,
        documents=tuple(session.runs.documents(run_id)),
        events=tuple(events),
        recordings=(*_made(session, run_id, kept), *_reused(session, kept)),
        approvals={a.id: a for a in session.approvals.find(run_id=run_id)},
        journal={entry.key: entry for entry in session.journal.find(run_id)},
        calls=tuple(kept),
        version=session.versions.get(run.workflow, run.version),
        seeds=_seeds(session, run),
        inputs=_inputs(session, run, events),
        pseudonyms=_pseudonyms(session, events),
        chapters=told,
        broken_off=broken_off(events),
        rollouts=tuple(session.rollouts.find(run.workflow)),
    )


def _kept(calls: Sequence[ModelCall], told: Sequence[Chapter]) -> list[ModelCall]:
    """The calls that count; of older ones nothing says under which claim they were made."""
    if any(call.epoch is None for call in calls):
        return list(calls)
    return [call for chapter in told for call in played(calls, chapter)]


def _made(session: Session, run_id: str, calls: Sequence[ModelCall]) -> list[Recording]:
    """A run's own exchanges: of those with models the ones of calls that count, which are not
    those in which it was judged later on."""
    wanted = Counter((call.epoch, call.request) for call in calls)
    found = []
    for one in session.recordings.find(run_id):
        name = (one.epoch, Content.of(one.request).hash)
        older = (None, name[1])
        if one.kind == "tool":
            found.append(one)
        elif wanted[name] or wanted[older]:
            wanted[name if wanted[name] else older] -= 1
            found.append(one)
    return found


def _reused(session: Session, calls: Sequence[ModelCall]) -> list[Recording]:
    """Exchanges of other runs whose answers were used again; of no claim of this one."""
    names = dict.fromkeys(call.request for call in calls if call.outcome == "cached")
    found = filter(None, (session.recordings.answer_to(name) for name in names))
    return [one.model_copy(update={"epoch": 0}) for one in found]


def _seeds(session: Session, run: Run) -> tuple[Any, ...]:
    """The state and the passages that a fork began with; raises RecordingGone."""
    if run.origin is None:
        return ()
    state = session.recordings.kept(run.origin.state)
    names = [] if state is None else list(dict.fromkeys([*state["shown"], *state["bundle"]]))
    names += run.origin.prompts.values()
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


def _pseudonyms(session: Session, events: Sequence[Event]) -> Pseudonymised:
    key = session.pseudonyms.key()
    if key is None:
        return None, {}
    told = " ".join(json.dumps(event.body) for event in events if event.type in _ACTIONS)
    found = {name[0]: session.pseudonyms.value(name[0]) for name in PSEUDONYM.finditer(told)}
    return key, {name: value for name, value in found.items() if value is not None}


_ACTIONS: frozenset[EventType] = frozenset({"gate.judged", "approval.decided"})
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

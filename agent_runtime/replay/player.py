"""The player: answers what a replayed run asks of models, tools and the clock, from its tape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel

from agent_runtime.action import action_digest
from agent_runtime.clock import from_text
from agent_runtime.errors import ModelUnavailable, RecordingEnds, ToolRefused, ToolUnavailable
from agent_runtime.event import Event
from agent_runtime.evidence import Findings, Passage, Withdrawn
from agent_runtime.replay.chapter import Chapter, Visit
from agent_runtime.replay.tape import Tape
from agent_runtime.run import new_id
from agent_runtime.store import Content, Recording
from agent_runtime.tool import Probe, Tool, ToolCall


class TapeClock:
    """Stands where the tape stands."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def set(self, moment: datetime) -> None:
        """Go to a recorded moment."""
        self._now = moment


@dataclass(frozen=True)
class Gap:
    """Where the recording ends: what was asked, and what is recorded in its place (or None)."""

    what: str
    asked: Any
    recorded: Any


class Player:
    """One replay of one tape. It can do nothing outside: it holds no resource and calls no tool.

    `gap` is set once something was asked that the tape doesn't hold.
    """

    def __init__(self, tape: Tape, clock: TapeClock, *, trying: bool = False) -> None:
        """`trying`: a change is tried, so that an effect that was never made ends the story."""
        self.tape = tape
        self._trying = trying
        self.gap: Gap | None = None
        self.asked_live = 0
        """How often a model was asked in place of the tape."""
        self.until = 0
        """The number of the last event of the chapter that is played."""
        self._chapter: Chapter | None = None
        self._stopped = 0
        self._clock = clock
        self._exchanges = [one for one in tape.recordings if one.kind == "model"]
        self._calls = list(tape.calls)
        self._answered = {Content.of(one.request).hash for one in self._exchanges}
        self._look_ups = _look_ups(tape)
        self._ids = _asked_ids(tape)

    @property
    def producer(self) -> str:
        """Who answered; the next exchange says it."""
        left = self._exchanges or [one for one in self.tape.recordings if one.kind == "model"]
        return left[0].name if left else "nobody"

    def new_id(self, prefix: str) -> str:
        """The id that was drawn then; a fresh one where nothing refers to it."""
        return next(self._ids, new_id(prefix)) if prefix == "apr" else new_id(prefix)

    def turn_to(self, chapter: Chapter) -> None:
        """Go on with the next chapter."""
        self._chapter, self._stopped, self.until = chapter, 0, chapter.last

    def holds(self, messages: Sequence[BaseMessage]) -> bool:
        """Whether exactly these messages were answered then."""
        asked = [(message.type, message.content) for message in messages]
        return any(said(one.request) == asked for one in self._exchanges)

    def answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        """What the model answered to exactly these messages; raises RecordingEnds."""
        asked = [(message.type, message.content) for message in messages]
        self._stop()
        self._fail()
        for number, one in enumerate(self._exchanges):
            if said(one.request) == asked:
                # One that was reused may be asked again, and stands behind those of the run.
                del self._exchanges[number]
                self._clock.set(one.at)
                return _message(one.response)
        recorded = said(self._exchanges[0].request) if self._exchanges else None
        old, new = first_difference(recorded, asked)
        raise self.ends("prompt", new, old)

    def _stop(self) -> None:
        """Raise what kept the run from asking here."""
        chapter = self._chapter
        if chapter is None:
            return
        mine = (None, *chapter.epochs)
        left = next((call for call in self._calls if call.epoch in mine), None)
        if left is None and any(one.epoch in chapter.epochs for one in self._exchanges):
            return  # older than calls are kept
        stop = chapter.stop(left, self._stopped)
        if stop is not None:
            self._stopped += 1
            raise stop

    def _fail(self) -> None:
        """Raise what the provider did where this attempt had no answer."""
        if not self._calls:
            return
        call = self._calls.pop(0)
        answered = call.outcome in _ANSWERED and call.request in self._answered
        if not answered:
            raise ModelUnavailable("The model had no answer here.", kind=call.outcome)

    def look_up(self, tool: Tool, args: BaseModel) -> Findings:
        """What a look-up found; raises what it raised, or RecordingEnds."""
        for number, (event, one) in enumerate(self._look_ups):
            if one.name == tool.name and _fits(tool, one.request, args):
                del self._look_ups[number]
                return self._found(event, one.response)
        same = [one.request for _, one in self._look_ups if one.name == tool.name]
        asked = {"tool": tool.name, "arguments": args.model_dump(mode="json")}
        raise self.ends("look-up", asked, {"arguments": same[0]} if same else None)

    def check(self, call: ToolCall) -> None:
        """Raise what the precondition said; an action that was never tried counts as possible
        where its facts are known."""
        visit = visit_of(call)
        if visit in self.tape.refused and visit not in self.tape.judged:
            raise ToolRefused(self.tape.refused[visit])
        event = self.tape.judged.get(visit)
        if event is not None and "runtime:check-unavailable" in _verdict(event)["rules"]:
            raise ToolUnavailable(_verdict(event)["reasons"][0])

    def facts(self, tool: Tool, args: BaseModel, call: ToolCall) -> BaseModel:
        """The facts as they were read for this call; raises what was raised, or RecordingEnds."""
        visit, named = visit_of(call), action_digest(call.tenant, tool.exact(args))
        if call.key.endswith(":recheck"):
            return self._recheck(tool, visit, named)
        event = self.tape.judged.get(visit)
        if event is not None and (event.body or {})["action_digest"] == named:
            self._clock.set(_judged_at(event))
            for rule, kind in _UNREAD.items():
                if rule in _verdict(event)["rules"]:
                    raise kind(_verdict(event)["reasons"][0])
            return _typed(tool, (event.body or {})["facts"])
        if named not in self.tape.facts:
            raise self.ends("facts", tool.exact(args).model_dump(mode="json"), None)
        return _typed(tool, self.tape.facts[named])

    def withdrawn(self, call: ToolCall) -> tuple[Withdrawn, ...]:
        """What of this visit's evidence its documents no longer stood for then."""
        event = self.tape.judged.get(visit_of(call))
        told = [] if event is None else (event.body or {}).get("withdrawn", ())
        return tuple(Withdrawn.model_validate(one) for one in told)

    def call(self, tool: Tool, call: ToolCall) -> Any:
        """The outcome of a write as it was recorded; nothing is written."""
        event = self.tape.executed.get(call.key)
        if event is None and (self._trying or visit_of(call) not in self.tape.judged):
            raise self.ends("effect", {"tool": tool.name, "key": call.key}, None)
        if event is None or event.number > self.until:
            raise ToolUnavailable(f"{tool.name} gave no answer.")
        self._clock.set(self._settled_at(event, call.key))
        entry = self.tape.journal[call.key]
        if entry.state == "failed":
            raise ToolRefused(str(entry.result))
        return entry.result

    def probe(self, call: ToolCall) -> Probe:
        """What the outside system said of a lost call."""
        event = self.tape.executed.get(call.key)
        if event is None or event.number > self.until:
            return Probe("unknown")
        self._clock.set(self._settled_at(event, call.key))
        entry = self.tape.journal[call.key]
        return Probe("no") if entry.state == "failed" else Probe("yes", entry.result)

    def ends(self, what: str, asked: Any, recorded: Any) -> RecordingEnds:
        """Note where the recording ends; raising the error stops the run there."""
        self.gap = self.gap or Gap(what, asked, recorded)
        return RecordingEnds(f"The recording ends: this {what} was never recorded.")

    def _recheck(self, tool: Tool, visit: Visit, named: str) -> BaseModel:
        known = self.tape.relied_on(visit, named)
        if known is None:
            raise self.ends("facts", {"tool": tool.name, "action_digest": named}, None)
        body = (self.tape.voided[visit].body or {}) if visit in self.tape.voided else {}
        words = str(body.get("text", "")).partition(": ")[2]
        match body.get("kind"):
            case "missing":
                raise ToolRefused(words)
            case "unavailable":
                raise ToolUnavailable(words)
            case _:
                changed = {name: new for name, _, new in body.get("fields", ())}
                return _typed(tool, {**known, **changed})

    def _found(self, event: Event, shown: list[dict[str, Any]]) -> Findings:
        body = event.body or {}
        self._clock.set(datetime.fromisoformat(shown[0]["retrieved_at"]) if shown else event.at)
        if body.get("error"):
            kind = ToolRefused if body["error"] == "ToolRefused" else ToolUnavailable
            raise kind(str(shown[0]["text"]).removeprefix("Error: "))
        fields = Passage.model_fields
        told = {name: body[name] for name in ("left_out", "warnings") if name in body}
        passages = [{name: one[name] for name in fields if name in one} for one in shown]
        return Findings.model_validate({"passages": passages, **told})

    def _settled_at(self, event: Event, key: str) -> datetime:
        """When a call's outcome was known, as its recording says; its text is the journal's, which
        keeps the order in which a record's fields were shown."""
        for one in self.tape.recordings:
            if one.kind == "tool" and one.request == {"key": key}:
                return from_text(one.response["at"]) if "at" in one.response else event.at
        return event.at


_ANSWERED = frozenset({"answered", "cached", "invalid_json", "wrong_content"})
"""Outcomes of an attempt that was answered, of use or not."""
_UNREAD: dict[str, type[ToolRefused] | type[ToolUnavailable]] = {
    "runtime:fact-missing": ToolRefused,
    "runtime:facts-unavailable": ToolUnavailable,
}


def visit_of(call: ToolCall) -> Visit:
    """The step and visit that a gate's or an action's call is for, by its key."""
    step, visit = call.key.removeprefix(f"{call.run_id}.").split(":")[0].split(".")[:2]
    return step, int(visit)


def said(request: Any) -> list[tuple[str, Any]]:
    """A recorded request as roles and contents."""
    messages = request["messages"] if isinstance(request, dict) else request
    return [(message["role"], message["content"]) for message in messages]


def first_difference(
    recorded: Sequence[tuple[str, Any]] | None, asked: Sequence[tuple[str, Any]]
) -> tuple[Any, Any]:
    """The first line of the first message that differs, on both sides."""
    for old, new in zip(recorded or (), asked, strict=False):
        for was, now in zip(str(old[1]).split("\n"), str(new[1]).split("\n"), strict=False):
            if was != now:
                return {"role": old[0], "line": was}, {"role": new[0], "line": now}
        if old != new:
            return {"role": old[0], "content": old[1]}, {"role": new[0], "content": new[1]}
    return (None if recorded is None else len(recorded)), len(asked)


def _message(response: Any) -> AIMessage:
    calls = [
        {"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]}
        for call in response.get("tool_calls", ())
    ]
    metadata = {"finish_reason": response["finish"]} if response.get("finish") else {}
    return AIMessage(response["content"], tool_calls=calls, response_metadata=metadata)


def _look_ups(tape: Tape) -> list[tuple[Event, Recording]]:
    """Look-ups with what history says of each, without those that were lost with a worker."""
    told = [event for event in tape.events if event.type in ("tool.called", "tool.failed")]
    made = [one for one in tape.recordings if one.kind == "tool" and isinstance(one.response, list)]
    kept = {event.number for chapter in tape.chapters for event in chapter.told}
    pairs = zip(told, made, strict=False)
    return [(event, one) for event, one in pairs if event.number in kept]


def _asked_ids(tape: Tape) -> Iterator[str]:
    told = (event for chapter in tape.chapters for event in chapter.told)
    return (str((e.body or {})["approval"]) for e in told if e.type == "approval.requested")


def _fits(tool: Tool, request: Any, args: BaseModel) -> bool:
    try:
        return tool.parse(request) == args
    except ToolRefused:
        return False


def _typed(tool: Tool, facts: dict[str, Any]) -> BaseModel:
    if tool.facts_model is None:
        raise ToolUnavailable(f"{tool.name} has no facts.")
    # As JSON, where text stands for a decimal or a date also under a strict model.
    return tool.facts_model.model_validate_json(json.dumps(facts))


def _verdict(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = (event.body or {})["verdict"]
    return found


def _judged_at(event: Event) -> datetime:
    told = (event.body or {}).get("at")
    return event.at if told is None else from_text(told)

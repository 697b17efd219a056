"""Building a report from what is stored of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.event import HALTS, Event
from agent_runtime.evidence import Dispute, Shown, disputes, outdated, stale
from agent_runtime.report.report import (
    HIDDEN,
    ActTold,
    AnswerTold,
    BundleTold,
    CostTold,
    DisputeTold,
    EnvelopeTold,
    ExchangeTold,
    PassageTold,
    QuestionTold,
    Report,
    TurnTold,
    VerdictTold,
    VisitTold,
)
from agent_runtime.run import ENDS, Run
from agent_runtime.store import Content, JournalEntry, Recording, Session
from agent_runtime.store.calls import ModelCall

Visit = tuple[str, int]


def build_report(session: Session, run: Run, *, content: bool = True) -> Report:
    """Everything that explains one run; what was pruned is missing, and said to be."""
    sources = _Sources(session, run, content=content)
    working, waiting = _times(sources.events, session.now)
    return Report(
        run=run.id,
        tenant=run.tenant,
        workflow=run.workflow,
        version=run.version,
        label=session.versions.label(run.workflow, run.version),
        state=run.state,
        reason=sources.text(run.reason),
        trigger=run.trigger.model_dump(mode="json"),
        input=sources.value(run.input),
        origin=None if run.origin is None else run.origin.model_dump(mode="json"),
        started_at=run.created_at,
        ended_at=run.updated_at if run.state in ENDS else None,
        working=round(working, 3),
        waiting=round(waiting, 3),
        cost=_cost(sources.calls),
        visits=tuple(sources.visit(*visit) for visit in _visits(sources.events)),
        turns=tuple(_turns(sources.events, content=content)),
        topology=session.versions.topology(run.workflow, run.version),
        content=content,
    )


class _Sources:
    """One run's rows, told visit by visit."""

    def __init__(self, session: Session, run: Run, *, content: bool) -> None:
        self.events = session.events.find(run.id)
        self.calls = session.calls.find(run.id)
        self._session = session
        self._content = content
        self._approvals = session.approvals.find(run_id=run.id)
        self._journal = session.journal.find(run.id)
        self._exchanges = [
            (Content.of(one.request).hash, one)
            for one in session.recordings.kept_of(run.id)
            if one.kind == "model"
        ]

    def value(self, content: dict[str, Any]) -> dict[str, Any]:
        """Content, or the names of its fields."""
        return content if self._content else dict.fromkeys(content, HIDDEN)

    def text(self, words: str) -> str:
        return words if self._content or not words else HIDDEN

    def visit(self, step: str, visit: int) -> VisitTold:
        """One visit of a step."""
        own = [event for event in self.events if _visit_of(event) == (step, visit)]
        judged = [event for event in own if event.type == "gate.judged"]
        gone = _withdrawn(judged)
        asked = [one for one in self._approvals if (one.step, one.visit) == (step, visit)]
        return VisitTold(
            step=step,
            visit=visit,
            bundles=tuple(self._bundle(e, gone) for e in own if e.type == "bundle.assembled"),
            exchanges=tuple(self._exchanged(step, visit)),
            envelopes=tuple(self._envelope(e) for e in own if e.type == "envelope.emitted"),
            verdict=self._verdict(judged[-1]) if judged else None,
            questions=tuple(self._question(one) for one in asked),
            acts=tuple(self._acts(own, step, visit)),
        )

    def _bundle(self, event: Event, gone: Sequence[str]) -> BundleTold:
        body = event.body or {}
        kept = [self._session.recordings.kept(name) for name in body["shown"]]
        shown = [Shown.model_validate(one) for one in kept if one is not None]
        return BundleTold(
            at=event.at,
            tokens=body["tokens"],
            budget=body["budget"],
            shown=tuple(self._passage(name) for name in body["shown"]),
            left_out=tuple(body["left_out"]),
            warnings=tuple(body.get("warnings", ())),
            disputed=tuple(self._dispute(one) for one in disputes(shown)),
            stale=tuple(sorted({*stale(shown, event.at), *outdated(shown), *gone})),
        )

    def _dispute(self, one: Dispute) -> DisputeTold:
        said = tuple((source, self.text(value)) for source, value in one.said)
        return DisputeTold(field=one.field, said=said)

    def _passage(self, name: str) -> PassageTold:
        kept = self._session.recordings.kept(name)
        if kept is None:
            return PassageTold(hash=name)
        told = {field: kept[field] for field in ("source", "tool", "version", "retrieved_at")}
        return PassageTold(hash=name, **told, text=self.text(kept["text"]))

    def _exchanged(self, step: str, visit: int) -> Iterator[ExchangeTold]:
        left = [call for call in self.calls if (call.step, call.visit) == (step, visit)]
        for name, one in self._exchanges:
            call = next((call for call in left if call.request == name), None)
            if call is not None:
                left.remove(call)
            if call is not None or _brief_of(one) == (step, visit):
                yield self._exchange(one, call)
        for call in left:
            yield ExchangeTold(
                at=call.at,
                producer=call.model,
                prompt=(),
                answer=None,
                outcome=call.outcome,
                millis=call.millis,
                batched=call.batched,
            )

    def _exchange(self, one: Recording, call: ModelCall | None) -> ExchangeTold:
        request = one.request["messages"] if isinstance(one.request, dict) else one.request
        known: dict[str, Any] = {}
        if call is not None:
            tokens = call.tokens_in + call.tokens_out
            known = {"outcome": call.outcome, "millis": call.millis, "tokens": tokens}
            known |= {"cost": call.cost, "batched": call.batched}
        return ExchangeTold(
            at=one.at,
            producer=one.name,
            prompt=tuple(
                {"role": said["role"], "content": self.text(str(said["content"]))}
                for said in request
            ),
            answer=self.value(one.response),
            **known,
        )

    def _envelope(self, event: Event) -> EnvelopeTold:
        body = event.body or {}
        action = body.get("proposed_action")
        return EnvelopeTold(
            at=event.at,
            node=body["node"],
            status=body["status"],
            confidence=body["confidence"],
            reason=self.text(body.get("reason", "")),
            producer=body.get("producer", ""),
            evidence=tuple(
                {"source": cited["source"], "quote": self.text(cited["quote"])}
                for cited in body.get("evidence", ())
            ),
            action=None if action is None else self._action(action),
        )

    def _action(self, action: dict[str, Any]) -> dict[str, Any]:
        return {**action, "arguments": self.value(action.get("arguments") or {})}

    def _verdict(self, event: Event) -> VerdictTold:
        body = event.body or {}
        verdict = body["verdict"]
        return VerdictTold(
            at=event.at,
            kind=verdict["kind"],
            rules=tuple(verdict["rules"]),
            reasons=tuple(map(self.text, verdict["reasons"])),
            action=self._action(body["action"]),
            action_digest=body["action_digest"],
            facts=self.value(body["facts"]),
            signals=body["signals"],
            policy=body.get("policy"),
        )

    def _question(self, asked: Approval) -> QuestionTold:
        return QuestionTold(
            id=asked.id,
            status=asked.status,
            asked=tuple(f"{slot.role}:{slot.count}" for slot in asked.slots),
            digest=asked.digest,
            action=self._action(asked.action.model_dump(mode="json")),
            facts=self.value(asked.facts),
            asked_at=asked.created_at,
            deadline=asked.deadline,
            closed_at=asked.closed_at,
            closed_by=asked.closed_by
            if self._content
            else (asked.closed_by or "").partition(":")[0],
            answers=tuple(
                AnswerTold(
                    by=one.operator,
                    roles=one.roles,
                    kind=one.kind,
                    reason=self.text(one.reason),
                    arguments=None if one.arguments is None else self.value(one.arguments),
                    channel=one.channel,
                    at=one.at,
                )
                for one in asked.decisions
            ),
        )

    def _acts(self, own: Sequence[Event], step: str, visit: int) -> Iterator[ActTold]:
        for event in own:
            if event.type == "action.voided":
                body = event.body or {}
                yield ActTold(tool="", state="voided", at=event.at, why=self.text(body["text"]))
        marked = f".{step}.{visit}."
        yield from (self._act(entry) for entry in self._journal if marked in entry.key)

    def _act(self, entry: JournalEntry) -> ActTold:
        return ActTold(
            tool=entry.tool,
            state=entry.state,
            key=entry.key,
            result=entry.result if self._content else HIDDEN,
            at=entry.intended_at,
            settled_at=entry.settled_at,
        )


def _visit_of(event: Event) -> Visit | None:
    body = event.body or {}
    visit = body.get("visit")
    return (str(body["step"]), visit) if "step" in body and isinstance(visit, int) else None


def _withdrawn(judged: Iterable[Event]) -> list[str]:
    """What its documents no longer stood for when a visit was judged, with the reason."""
    gone = [one for event in judged for one in (event.body or {}).get("withdrawn", ())]
    return [f"{one['source']}: {one['why']}" for one in gone]


def _visits(events: Iterable[Event]) -> list[Visit]:
    return list(dict.fromkeys(filter(None, map(_visit_of, events))))


def _brief_of(one: Recording) -> Visit | None:
    """The step and visit that a prompt was for, as it says itself; for exchanges that are older
    than the accounts of calls."""
    request = one.request["messages"] if isinstance(one.request, dict) else one.request
    for said in request:
        try:
            brief = json.loads(said["content"])
            return str(brief["step"]), int(brief["visit"])
        except (ValueError, TypeError, KeyError):
            continue
    return None


def _times(events: Sequence[Event], now: datetime) -> tuple[float, float]:
    """Seconds that workers had the run, and seconds that it waited for somebody or something."""
    working = waiting = 0.0
    since: datetime | None = None
    busy = False
    for event in events:
        if event.type == "run.claimed" or event.type in HALTS or event.type == "run.queued":
            if since is not None:
                span = (event.at - since).total_seconds()
                working, waiting = (working + span, waiting) if busy else (working, waiting + span)
            # What is told of a run after its end, that it was forked or labelled, is no waiting.
            since = None if event.type == "run.ended" else event.at
            busy = event.type == "run.claimed"
    if since is not None and events[-1].type != "run.pruned":
        span = (now - since).total_seconds()
        working, waiting = (working + span, waiting) if busy else (working, waiting + span)
    return working, waiting


def _turns(events: Iterable[Event], *, content: bool) -> Iterator[TurnTold]:
    kept = ("state", "how", "kind", "owner", "from_version", "to", *(["reason"] if content else []))
    for event in events:
        if not event.type.startswith(("run.", "action.settled", "approval.")):
            continue
        body = event.body or {}
        by = str(body.get("by") or body.get("operator") or "")
        by = by if content else by.partition(":")[0]  # a cause is told with its values
        words = ", ".join(f"{name} {body[name]}" for name in kept if body.get(name))
        yield TurnTold(at=event.at, type=event.type, by=by, words=words)


def _cost(calls: Sequence[ModelCall]) -> CostTold | None:
    if not calls:
        return None
    priced = [call.cost for call in calls if call.cost is not None]
    return CostTold(
        calls=len(calls),
        tokens=sum(call.tokens_in + call.tokens_out for call in calls),
        money=sum(priced) if priced else None,
        millis=sum(call.millis for call in calls),
    )

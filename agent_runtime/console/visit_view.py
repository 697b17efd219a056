"""What the sides of a visit show, read from what was recorded of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from agent_runtime.api.site import Site
from agent_runtime.console.run_view import BILLIONTH
from agent_runtime.console.timeline import Visit, Wait
from agent_runtime.envelope import Node
from agent_runtime.event import Event
from agent_runtime.evidence import Dispute, LeftOut, Shown, disputes, outdated, stale
from agent_runtime.policy.engine import prevented
from agent_runtime.policy.rule import Rule, read_rules
from agent_runtime.policy.sentence import sentence, source_of
from agent_runtime.replay.policy_then import texts_then
from agent_runtime.run import Run
from agent_runtime.store import JournalEntry, Session
from agent_runtime.store.calls import ModelCall
from agent_runtime.store.recordings import Content
from agent_runtime.topology import ToolHeld, Topology
from agent_runtime.verdict import Verdict

MOST_PASSAGES = 100
"""Passages of a bundle that are shown; the rest is counted."""


@dataclass(frozen=True)
class Bundle:
    """What one phase was shown, within its budget. A passage that is gone is None; `stale`: sources
    whose time had passed, or that tell of a record as it was before."""

    tokens: int
    budget: int
    passages: tuple[tuple[str, Shown | None], ...]
    more: int
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    disputes: tuple[Dispute, ...]
    stale: tuple[str, ...]


@dataclass(frozen=True)
class Exchange:
    """One attempt at asking a model; without what was said where it was pruned, or nothing was."""

    call: ModelCall
    money: Decimal | None
    request: Mapping[str, Any] | None
    response: Mapping[str, Any] | None


@dataclass(frozen=True)
class Used:
    """One tool of one node: what it was held for, and what became of its calls."""

    node: Node
    tool: ToolHeld
    calls: tuple[str, ...]


@dataclass(frozen=True)
class Scopes:
    """All tools that were offered, those that were refused, and those called without an offer
    (by another version than the one that is known)."""

    offered: tuple[Used, ...]
    refused: tuple[tuple[str, str, str], ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class RuleTold:
    """A rule that decided; `said` is empty where it is no rule of a file, or is not known."""

    id: str
    said: str
    source: str


@dataclass(frozen=True)
class Judged:
    """One verdict of the gate, with what it was judged on. `tried`: the rollout whose policy gave
    it, where it was one that was only tried."""

    event: Event
    verdict: Mapping[str, Any]
    action: Mapping[str, Any]
    facts: Mapping[str, Any]
    signals: Mapping[str, Any]
    rules: tuple[RuleTold, ...]
    question: str
    tried: str


@dataclass(frozen=True)
class Span:
    """A stretch of time: where it begins and how long it is, in thousandths of the visit."""

    name: str
    kind: str
    began: datetime
    seconds: float
    left: float
    width: float


def bundles(session: Session, visit: Visit) -> list[Bundle]:
    """What the model was shown, phase by phase."""
    found, gone = [], _withdrawn(visit)
    for event in _events(visit, "bundle.assembled"):
        body = event.body or {}
        shown = tuple((name, _passage(session, name)) for name in body["shown"])
        there = [passage for _, passage in shown if passage is not None]
        found.append(
            Bundle(
                body["tokens"],
                body["budget"],
                shown[:MOST_PASSAGES],
                max(0, len(shown) - MOST_PASSAGES),
                tuple(LeftOut.model_validate(one) for one in body["left_out"]),
                tuple(body.get("warnings", ())),
                tuple(disputes(there)),
                tuple(sorted({*stale(there, event.at), *outdated(there), *gone})),
            )
        )
    return found


def _withdrawn(visit: Visit) -> list[str]:
    """What its documents no longer stood for when the visit was judged, with the reason."""
    bodies = [event.body or {} for event in _events(visit, "gate.judged")]
    gone = [one for body in bodies for one in body.get("withdrawn", ())]
    return [f"{one['source']}: {one['why']}" for one in gone]


def exchanges(session: Session, run: Run, visit: Visit) -> list[Exchange]:
    """Every attempt at asking a model in this visit, with what was said where it was recorded."""
    calls = [c for c in session.calls.find(run.id) if (c.step, c.visit) == _named(visit)]
    answers: dict[str, list[Any]] = {}
    if calls:
        for recording in session.recordings.find(run.id):
            if recording.kind == "model":
                name = Content.of(recording.request).hash
                answers.setdefault(name, []).append(recording.response)
    found = []
    for call in calls:
        kept = answers.get(call.request, [])
        said = kept.pop(0) if kept and call.outcome != "cached" else None
        asked = session.recordings.kept(call.request)
        money = None if call.cost is None else call.cost * BILLIONTH
        found.append(Exchange(call, money, asked, said))
    return found


def scopes(topology: Topology | None, visit: Visit) -> Scopes:
    """Which tools each node held, which were called, and which were refused."""
    calls: dict[tuple[Node, str], list[str]] = {}
    refused = []
    for phase in visit.phases:
        for event in phase.events:
            body = event.body or {}
            name = str(body.get("tool", ""))
            if event.type in ("tool.called", "tool.failed", "action.executed"):
                told = str(body.get("outcome") or body.get("error") or "") or "ok"
                calls.setdefault((phase.node, name), []).append(told)
            elif event.type == "tool.refused":
                refused.append((phase.node, name, str(body.get("why", ""))))
    held = {} if topology is None else _held(topology, visit.step)
    offered = tuple(
        Used(node, tool, tuple(calls.pop((node, tool.name), ())))
        for node, tools in held.items()
        for tool in tools
    )
    return Scopes(offered, tuple(refused), tuple(f"{node}: {name}" for node, name in calls))


def judgements(site: Site, session: Session, run: Run, visit: Visit) -> list[Judged]:
    """What the gate was asked, what it answered, and by which rules."""
    asked = {
        str((event.body or {}).get("approval", ""))
        for event in _events(visit, "approval.requested")
    }
    found = []
    for event in _events(visit, "gate.judged"):
        body = event.body or {}
        verdict, (texts, rules) = body["verdict"], _policy(site, session, run, body)
        named = [*verdict["rules"], *prevented(Verdict.model_validate(verdict))]
        told = tuple(_told(name, rules, texts) for name in dict.fromkeys(named))
        question = next(iter(asked), "") if verdict["kind"] == "needs_approval" else ""
        found.append(
            Judged(
                event,
                verdict,
                body["action"],
                body["facts"],
                body["signals"],
                told,
                question,
                _tried(session, body),
            )
        )
    return found


def entries(session: Session, run: Run, visit: Visit) -> list[JournalEntry]:
    """The side effects of this visit."""
    prefix = f"{run.id}.{visit.step}.{visit.number}."
    return [entry for entry in session.journal.find(run.id) if entry.key.startswith(prefix)]


def spans(session: Session, run: Run, visit: Visit) -> list[Span]:
    """How the visit's time went, as far as it was recorded."""
    stretches = list(_stretches(session, run, visit))
    began = min(start for _, _, start, _ in stretches)
    whole = max(((end - began) / timedelta(seconds=1) for *_, end in stretches), default=0) or 1e-3
    return [
        Span(
            name,
            kind,
            start,
            (end - start) / timedelta(seconds=1),
            1_000 * ((start - began) / timedelta(seconds=1)) / whole,
            max(2.0, 1_000 * ((end - start) / timedelta(seconds=1)) / whole),
        )
        for name, kind, start, end in sorted(stretches, key=lambda one: (one[2], one[3]))
    ]


def _stretches(
    session: Session, run: Run, visit: Visit
) -> Iterator[tuple[str, str, datetime, datetime]]:
    for part in visit.parts:
        if isinstance(part, Wait):
            yield "waiting", "wait", part.since, part.until or part.since
        else:
            yield part.node, "phase", part.began, part.ended
    for call in session.calls.find(run.id):
        if (call.step, call.visit) == _named(visit):
            lasted = timedelta(milliseconds=call.millis)
            yield f"chat {call.model}", "model", call.at - lasted, call.at
    for entry in entries(session, run, visit):
        yield entry.tool, "tool", entry.intended_at, entry.settled_at or entry.intended_at


def _events(visit: Visit, kind: str) -> Iterator[Event]:
    for phase in visit.phases:
        for event in phase.events:
            if event.type == kind and event.body is not None:
                yield event


def _named(visit: Visit) -> tuple[str, int]:
    return visit.step, visit.number


def _passage(session: Session, name: str) -> Shown | None:
    stored = session.recordings.kept(name)
    return None if stored is None else Shown.model_validate(stored)


def _held(topology: Topology, step: str) -> Mapping[Node, tuple[ToolHeld, ...]]:
    return next((shape.nodes for shape in topology.steps if shape.name == step), {})


def _policy(
    site: Site, session: Session, run: Run, judged: Mapping[str, Any]
) -> tuple[Mapping[str, str], Mapping[str, Rule]]:
    """The texts and rules that gave a verdict, also where they were only tried; none where they
    were not kept: other ones would say what nobody has decided by."""
    version = session.versions.get(run.workflow, run.version)
    known = site.runtime.app.workflows.get(run.workflow)
    steps = version.topology.steps if version else known.steps if known else ()
    name = next((one.policy for one in steps if one.name == judged["step"]), None)
    if name is None or judged.get("policy") is None:
        return {}, {}
    texts = texts_then(session, site.runtime.app, run, name, judged["policy"])
    return ({}, {}) if texts is None else (texts, read_rules(texts))


def _tried(session: Session, judged: Mapping[str, Any]) -> str:
    drawn = (session.rollouts.get(name) for name in judged.get("drawn", ()))
    return next((one.id for one in drawn if one.policy is not None), "")


def _told(name: str, rules: Mapping[str, Rule], texts: Mapping[str, str]) -> RuleTold:
    rule = rules.get(name)
    if rule is None:
        return RuleTold(name, "", "")
    return RuleTold(name, sentence(rule), source_of(rule, texts))

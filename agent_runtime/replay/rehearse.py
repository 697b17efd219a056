"""Rehearsing: a change tried on what was decided before, ere anyone turns it on.

A policy is asked every stored question once more; where its answer flips, the whole graph runs
again from the recordings, because what follows is another story. A prompt is tried on whole graphs
only. Nothing is reported unless the old policy gives every old answer again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import Any

from agent_runtime.app import App
from agent_runtime.clock import to_text
from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.event import Event
from agent_runtime.policy import PolicySet
from agent_runtime.replay.change import Change
from agent_runtime.replay.crew import ALONE, Advance, Case, judge
from agent_runtime.replay.decided import Decided, Reader, Skipped, tools_of
from agent_runtime.replay.fixtures import try_fixtures
from agent_runtime.replay.plays import FEW, Plays
from agent_runtime.replay.rehearsal import Changed, Fixtures, Rehearsal, Unknown, name_of
from agent_runtime.replay.tally import Judged, agreement, changed, load
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.verdict import Verdict

READ = 10
"""Decisions that are read from the store in one go, before a server's others have their turn."""

SHOWN = 5
"""Decisions that an error names."""

CANARY = '@id("canary") forbid (principal, action, resource);'


@dataclass(frozen=True)
class Stretch:
    """Which of the history: from a moment on, the newest `limit` judgements."""

    since: datetime | None = None
    limit: int = 10_000


@dataclass(frozen=True)
class Past:
    """What was decided. `trusted`: the old policy gives it again; `now`: what the changed policies
    answer to it, None where there would be none of that name."""

    trusted: tuple[Decided, ...]
    now: tuple[Verdict | None, ...]
    unknown: tuple[Unknown, ...]

    def judged(self) -> tuple[list[Judged], list[Unknown]]:
        """The changed policies' answers, and what they say nothing about."""
        pairs = list(zip(self.trusted, self.now, strict=True))
        lost = [
            _unknown(one, f"there would be no policy {one.policy!r}")
            for one, now in pairs
            if now is None
        ]
        return [Judged(one, now) for one, now in pairs if now is not None], lost


@dataclass(frozen=True)
class Outcome:
    """What the change comes to: each answer, those that are other, and what nobody knows."""

    judged: Sequence[Judged]
    changes: Sequence[Changed]
    unknown: Sequence[Unknown]
    rerun: int
    live: int


def count_decisions(session: Session, stretch: Stretch) -> int:
    """How much there is to do; raises InvalidInput where there is nothing."""
    return len(_judgements(session, stretch))


async def rehearse(
    session: Session,
    app: App,
    change: Change,
    stretch: Stretch,
    asking: ModelSettings,
    advance: Advance = lambda: None,
    alone: int = ALONE,
    few: int = FEW,
) -> Rehearsal:
    """Try a change on a stretch of history; more decisions than `alone`, and more runs to be played
    than `few`, in processes.

    Raises InvalidInput where there is none, Conflict where the old policy doesn't give every old
    answer again.
    """
    began = perf_counter()
    events = _judgements(session, stretch)
    past = await _ask_again(session, app, change, events, advance, alone)
    canary = _flips(app, past.trusted)
    outcome = await _Work(change, Plays(session, change, asking, few)).all(past, advance)
    return Rehearsal(
        change=change.what,
        **_named(app, change, events),
        head=session.events.head().hash,
        **_counted(past, outcome),
        fixtures=await _fixtures(change.app, outcome.judged),
        canary=canary,
        model="" if change.live is None else change.live.model.producer,
        seconds=round(perf_counter() - began, 3),
    )


def _judgements(session: Session, stretch: Stretch) -> list[Event]:
    events = session.events.judged(stretch.since, stretch.limit)
    if not events:
        since = "the beginning" if stretch.since is None else to_text(stretch.since)
        remedy = "Let runs come to their gates first, or name an earlier time."
        raise InvalidInput("--since", since, "there is no decision to rehearse", remedy=remedy)
    return events


def _named(app: App, change: Change, events: Sequence[Event]) -> dict[str, Any]:
    """What was changed, on what it is tried, and the digest of both."""
    old, new = change.before(app), change.after
    first, last = events[0].number, events[-1].number
    named = name_of(old, new, first, last, events[-1].hash)
    return {"digest": named, "old": old, "new": new, "first": first, "last": last}


def _counted(past: Past, outcome: Outcome) -> dict[str, Any]:
    judged, changes = outcome.judged, outcome.changes
    return {
        "decisions": len(past.trusted),
        "reproduced": len(past.trusted),
        "unchanged": len(judged) - len(changes),
        "without_policy": sum(not one.decided.by_policy for one in judged),
        "changes": tuple(changes),
        "unknown": (*past.unknown, *outcome.unknown),
        "load": load(judged),
        "agreement": agreement(judged),
        "rerun": outcome.rerun,
        "live": outcome.live,
    }


async def _fixtures(app: App, judged: Sequence[Judged]) -> Fixtures:
    apart = replace(app, policies={name: p.apart() for name, p in app.policies.items()})
    return await asyncio.to_thread(try_fixtures, apart, [one.decided for one in judged])


async def _ask_again(
    session: Session,
    app: App,
    change: Change,
    events: Sequence[Event],
    advance: Advance,
    alone: int,
) -> Past:
    """Put every question to the old policies and to the changed ones; raises Conflict unless the
    old ones give each answer again whose text is kept."""
    reader = Reader(session, app)
    asked, unknown = await _read(reader, events)
    cases = [_case(one, old, change) for one, old in asked]
    answers = await judge(app, cases, _idle if change.graphs else advance, alone)
    said = list(zip(asked, answers, strict=True))
    _require_same([(one, then) for (one, _), (then, _) in said])
    return Past(
        trusted=tuple(one for one, _ in asked),
        now=tuple(_now(one, change, now) for (one, _), (_, now) in said),
        unknown=tuple(unknown),
    )


def _idle() -> None:
    """Where the graphs to be played are what takes the time, they are what is counted."""


async def _read(
    reader: Reader, events: Sequence[Event]
) -> tuple[list[tuple[Decided, PolicySet]], list[Unknown]]:
    """Each decision with the policy of then; and those that cannot be asked again."""
    asked: list[tuple[Decided, PolicySet]] = []
    unknown: list[Unknown] = []
    for start in range(0, len(events), READ):
        for one in reader.read(events[start : start + READ]):
            if isinstance(one, Skipped):
                unknown.append(Unknown(run=one.run, number=one.number, why=one.why))
            elif (policy := reader.policy_then(one)) is None:
                unknown.append(_unknown(one, "the policy of then is not kept"))
            else:
                asked.append((one, policy))
        await asyncio.sleep(0)  # a server answers others in between
    return asked, unknown


def _case(one: Decided, old: PolicySet, change: Change) -> Case:
    if not one.by_policy:
        return Case(one.question, None, None)
    new = None if change.graphs else change.app.policies.get(one.policy)
    return Case(one.question, old, new)


def _now(one: Decided, change: Change, now: Verdict | None) -> Verdict | None:
    """What would be answered; what policy had no part in stays as it is."""
    if one.by_policy or one.policy not in change.app.policies:
        return now
    return one.verdict


def _require_same(said: Iterable[tuple[Decided, Verdict | None]]) -> None:
    other = [
        f"{one.run.id} (event {one.number})"
        for one, then in said
        if then is not None and not _same(then, one.verdict)
    ]
    if other:
        raise Conflict(
            f"The old policy doesn't give {len(other)} of its own answers again:"
            f" {', '.join(other[:SHOWN])}.",
            remedy="Nothing that such a rehearsal said could be trusted. See: runs replay",
        )


def _same(now: Verdict, then: Verdict) -> bool:
    return (now.kind, now.rules, now.slots) == (then.kind, then.rules, then.slots)


def _unknown(one: Decided, why: str) -> Unknown:
    return Unknown(run=one.run.id, number=one.number, why=why)


def _flips(app: App, decided: Sequence[Decided]) -> bool:
    """Whether a policy that forbids everything is seen to; raises Conflict where it is not.

    False where there is nothing that it could forbid.
    """
    live = next((one for one in decided if one.by_policy and one.verdict.kind != "deny"), None)
    if live is None:
        return False
    canary = PolicySet.load("canary", {"canary.cedar": CANARY}, tools_of(app, live.run.workflow))
    if canary.judge(live.question).kind != "deny":
        raise Conflict(
            "A policy that forbids everything changed nothing: this rehearsal sees no change.",
            remedy="This is a fault of the runtime; report it.",
        )
    return True


@dataclass(frozen=True)
class _Work:
    """One rehearsal at work; what has to be played is played once."""

    change: Change
    plays: Plays

    async def all(self, past: Past, advance: Advance) -> Outcome:
        """Every answer under the change, and what follows from those that are other."""
        judged, lost = await self._graphs(past, advance) if self.change.graphs else past.judged()
        changes, open_ends = await self._changes(judged)
        ends = self.plays.endings.values()
        played, live = sum(end.played for end in ends), sum(end.live for end in ends)
        return Outcome(judged, changes, [*lost, *open_ends], played, live)

    async def _graphs(self, past: Past, advance: Advance) -> tuple[list[Judged], list[Unknown]]:
        """Every run played whole: what its gates say then, as far as the recording goes."""
        judged: list[Judged] = []
        lost: list[Unknown] = []
        runs = _by_run(past.trusted)
        await self.plays.play(runs, lambda run_id: _tell(advance, len(runs[run_id])))
        for run_id, ones in runs.items():
            end = self.plays.endings[run_id]
            for one in ones:
                now = end.said.get((one.step, one.visit))
                if now is None:
                    lost.append(_unknown(one, end.words))
                else:
                    judged.append(Judged(one, now))
        return judged, lost

    async def _changes(self, judged: Sequence[Judged]) -> tuple[list[Changed], list[Unknown]]:
        """What comes out otherwise, with what follows from it."""
        other = [one for one in judged if not one.same]
        flipped = [one.decided for one in other if self.change.follow and one.flips]
        await self.plays.play(one.run.id for one in flipped)
        followed = {one.number for one in flipped}
        changes: list[Changed] = []
        open_ends: list[Unknown] = []
        for one in other:
            run_id = one.decided.run.id
            end = self.plays.endings[run_id] if one.decided.number in followed else None
            changes.append(changed(one, "" if end is None else end.words))
            if end is not None and end.unknown:
                open_ends.append(Unknown(run=run_id, number=None, why=end.words))
        return changes, open_ends


def _tell(advance: Advance, times: int) -> None:
    for _ in range(times):
        advance()


def _by_run(decided: Iterable[Decided]) -> dict[str, list[Decided]]:
    found: dict[str, list[Decided]] = {}
    for one in decided:
        found.setdefault(one.run.id, []).append(one)
    return found

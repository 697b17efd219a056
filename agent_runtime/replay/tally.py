"""Tallies: what answers under a change come to, held against those of then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent_runtime.replay.decided import Decided
from agent_runtime.replay.rehearsal import Agreement, AnswerOf, Changed, Kind, Load
from agent_runtime.verdict import Verdict


@dataclass(frozen=True)
class Judged:
    """One decision, and the answer to it under the change."""

    decided: Decided
    now: Verdict

    @property
    def same(self) -> bool:
        """Whether the same happens: by which rules is another matter."""
        then = self.decided.verdict
        return (self.now.kind, self.now.slots) == (then.kind, then.slots)

    @property
    def flips(self) -> bool:
        """Whether the run goes on otherwise: by whom people are asked is another matter."""
        return self.now.kind != self.decided.verdict.kind


def changed(one: Judged, then: str) -> Changed:
    """One decision that comes out otherwise; `then`: how its run goes on."""
    decided, old, new = one.decided, one.decided.verdict, one.now
    action = decided.question.action
    return Changed(
        run=decided.run.id,
        workflow=decided.run.workflow,
        step=decided.step,
        visit=decided.visit,
        number=decided.number,
        at=decided.at,
        tool=action.tool,
        target=action.target_id,
        amount=decided.amount,
        kind=_kind(old, new),
        old=_answer(old),
        new=_answer(new),
        people=decided.people,
        alarm=new.kind == "allow" and decided.people == "rejected",
        then=then,
    )


def _kind(old: Verdict, new: Verdict) -> Kind:
    match new.kind:
        case "allow":
            return "now unattended"
        case "deny":
            return "now denied"
        case "needs_approval":
            return "other people" if old.kind == "needs_approval" else "now asked"


def _answer(verdict: Verdict) -> AnswerOf:
    people = tuple(f"{slot.role}:{slot.count}" for slot in verdict.slots)
    return AnswerOf(kind=verdict.kind, rules=verdict.rules, people=people)


def load(judged: Sequence[Judged]) -> tuple[Load, ...]:
    """Asked people by day: as many as each question demands."""
    before, after = Counter[str](), Counter[str]()
    for one in judged:
        day = one.decided.at.date().isoformat()
        before[day] += sum(slot.count for slot in one.decided.verdict.slots)
        after[day] += sum(slot.count for slot in one.now.slots)
    return tuple(
        Load(day=day, before=before[day], after=after[day]) for day in sorted(before | after)
    )


def agreement(judged: Sequence[Judged]) -> Agreement:
    """How the new answers stand to what people decided."""
    said = Counter[str]()
    for one in judged:
        people = one.decided.people
        if people not in ("approved", "rejected"):
            continue
        if one.now.kind == "needs_approval":
            said["asked"] += 1
        else:
            said["agree" if (one.now.kind == "allow") == (people == "approved") else "not"] += 1
    return Agreement(asked=said["asked"], agree=said["agree"], disagree=said["not"])

"""Rehearsals as they are reported: what a change would have made of what was decided."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import digest
from agent_runtime.verdict import VerdictKind

Kind = Literal["now unattended", "now asked", "now denied", "other people"]
"""What becomes of a decision. other people: still asked, of others or of more or fewer."""


class Told(BaseModel):
    """The base of what follows: frozen, with no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerOf(Told):
    """One policy set's answer."""

    kind: VerdictKind
    rules: tuple[str, ...]
    people: tuple[str, ...] = ()


class Changed(Told):
    """One decision that comes out otherwise. `people`: what they answered then; `alarm`: they had
    said no, and nobody would be asked now. `then`: how the run goes on, as far as it is known."""

    run: str
    workflow: str
    step: str
    visit: int
    number: int
    at: datetime
    tool: str
    target: str
    amount: Decimal | None
    kind: Kind
    old: AnswerOf
    new: AnswerOf
    people: str
    alarm: bool
    then: str = ""


class Unknown(Told):
    """What could not be rehearsed: a judgement, or how a run goes on after one."""

    run: str
    number: int | None
    why: str


class Load(Told):
    """How many people were asked on a day, and would be."""

    day: str
    before: int
    after: int


class Agreement(Told):
    """How the new answers stand to what people decided: where they would be asked still, and of
    the others how many are as they decided."""

    asked: int
    agree: int
    disagree: int


class Fixtures(Told):
    """Actions that every policy set has to refuse: how many were tried, and which were let
    through."""

    tried: int
    let_through: tuple[str, ...]


class Rehearsal(Told):
    """The report. `reproduced`: how many decisions the old policy gave once more, all of those
    that `decisions` counts; `canary`: a policy that forbids everything was seen to.

    `live`: how many answers a model gave now, because no recording holds them, and `model`: which.

    `old` and `new` name policies, prompts and versions by their digests, and the model; `digest`
    names both and the stretch of history that was looked at, from its `first` to its `last` event:
    a yes to a change is given to this rehearsal, and to no other one.
    """

    change: str
    digest: str
    old: dict[str, str]
    new: dict[str, str]
    first: int
    last: int
    head: str
    decisions: int
    reproduced: int
    unchanged: int
    without_policy: int
    changes: tuple[Changed, ...]
    unknown: tuple[Unknown, ...]
    load: tuple[Load, ...]
    agreement: Agreement
    fixtures: Fixtures
    canary: bool
    rerun: int
    seconds: float
    live: int = 0
    model: str = ""

    @property
    def alarms(self) -> tuple[Changed, ...]:
        """Rejected by a person, now unattended."""
        return tuple(change for change in self.changes if change.alarm)

    @property
    def totals(self) -> dict[str, int]:
        """How many changes of each kind."""
        found: dict[str, int] = {}
        for change in self.changes:
            found[change.kind] = found.get(change.kind, 0) + 1
        return found


class Limits(Told):
    """Thresholds of a gate; None: any number will do."""

    alarms: int = 0
    changes: int | None = None
    unknown: int | None = None

    def broken(self, found: Rehearsal) -> tuple[str, ...]:
        """Which of them a rehearsal breaks, in words. A fixture that is let through always is."""
        counted = (
            ("rejected by a person, now unattended", len(found.alarms), self.alarms),
            ("changed decisions", len(found.changes), self.changes),
            ("not rehearsed", len(found.unknown), self.unknown),
            ("must not be allowed, and was", len(found.fixtures.let_through), 0),
        )
        return tuple(
            f"{what}: {number}, at most {most}"
            for what, number, most in counted
            if most is not None and number > most
        )


def name_of(old: dict[str, str], new: dict[str, str], first: int, last: int, head: str) -> str:
    """The digest of a rehearsal: what was changed, and on what it was tried."""
    return digest([old, new, first, last, head])


def as_document(found: Rehearsal) -> dict[str, Any]:
    """The report as JSON, with its totals."""
    plain = found.model_dump(mode="json")
    return {**plain, "totals": found.totals, "alarms": len(found.alarms)}

"""Changes of a policy set: proposed by one person, put in force by another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_runtime.action import digest
from agent_runtime.errors import Conflict
from agent_runtime.policy.rule import Rule

ChangeState = Literal["proposed", "active", "replaced", "withdrawn"]
"""proposed: decides nothing yet; active: decides; replaced: another one does; withdrawn: another
one was put in force before it, so that what it would change is no longer what was looked at."""


class Difference(BaseModel):
    """What a change does to the rules, by id. `same` ones decide as before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    same: int


class Tried(BaseModel):
    """What a rehearsal of a change has shown. `digest` names both policies and the stretch of
    history. `alarms`: rejected by a person, now unattended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    decisions: int
    changed: int
    alarms: int
    unknown: int


class Widening(BaseModel):
    """What speaks for letting more run unattended, or against it: what became of just those
    decisions of the past that nobody would be asked about now.

    `rules`: those that let more run, or no longer hold it back. `unattended`: the decisions, out
    of `rehearsed`; approved, edited, rejected: what people answered to them. `shadows`: those that
    a shadow proposed while people worked, and `alike` how often people did just that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[str, ...]
    rehearsed: int = 0
    unattended: int = 0
    approved: int = 0
    edited: int = 0
    rejected: int = 0
    shadows: int = 0
    alike: int = 0

    @property
    def words(self) -> str:
        """The same for people."""
        if not self.unattended:
            return (
                f"There is no evidence: of {self.rehearsed} decisions rehearsed, none would newly"
                " run unattended. What it would let through, nobody has been asked about."
            )
        said = f"approved {self.approved}, edited {self.edited}, rejected {self.rejected}"
        rest = self.unattended - self.approved - self.edited - self.rejected
        if rest:
            said += f" of them; to {rest} nobody had said yes or no"
        beside = "No shadow proposed any of them."
        if self.shadows:
            beside = (
                f"In {self.alike} of {self.shadows} proposals of a shadow, people did the same."
            )
        return (
            f"{self.unattended} of {self.rehearsed} decisions rehearsed would newly run unattended."
            f" People had {said}. {beside}"
        )


def report_of(told: Mapping[str, Any]) -> str:
    """The digest of what is said of a change before it is put in force: of its rehearsal, or else
    of both policies and the reason why nothing could be rehearsed."""
    tried: Tried | None = told["rehearsal"]
    if tried is not None:
        return tried.digest
    return digest([told["before"], told["digest"], told["untried"]])


class PolicyChange(BaseModel):
    """One change as stored. `text` is the whole new policy file; `digest` names the rules that it
    gives with the base rules, `before` those that it was held against.

    `failures`: the rows of the project's decision table that it does not satisfy. `rehearsal`: what
    it would have made of the newest decisions; None where there were none, or none that could be
    trusted, which `untried` says. `widening`: what is known about what it would let run unattended;
    None where nothing more would. `report`: the digest of its rehearsal, or of its being untried;
    whoever puts it in force says it, as having seen that, which is kept as `seen`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: str
    name: str
    state: ChangeState
    text: str
    digest: str
    before: str
    difference: Difference
    cases: int
    failures: tuple[str, ...]
    rehearsal: Tried | None = None
    untried: str = ""
    report: str = Field(default_factory=report_of)
    widening: Widening | None = None
    reason: str
    proposed_by: str
    proposed_at: datetime
    activated_by: str | None = None
    activated_at: datetime | None = None
    seen: str = ""


def compare(before: Mapping[str, Rule], after: Mapping[str, Rule]) -> Difference:
    """What becomes of the rules."""
    both = before.keys() & after.keys()
    changed = {name for name in both if before[name].body != after[name].body}
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(changed)),
        same=len(both - changed),
    )


def widening_rules(before: Mapping[str, Rule], after: Mapping[str, Rule]) -> tuple[str, ...]:
    """The rules by which more may run unattended: permits of execution that are new or other, and
    forbids of it that are gone or other."""
    other = {
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or before[name].body != after[name].body
    }
    permits = {name for name in other & after.keys() if _executes(after[name], "permit")}
    forbids = {name for name in other & before.keys() if _executes(before[name], "forbid")}
    return tuple(sorted(permits | forbids))


def _executes(rule: Rule, effect: str) -> bool:
    if rule.effect != effect:
        return False
    return rule.actions is None or any(act.startswith("execute") for act in rule.actions)


def require_seen(change: PolicyChange, rehearsal: str | None) -> None:
    """Raise Conflict unless whoever approves has seen what the change would have done, or that
    nobody knows."""
    if rehearsal == change.report:
        return
    if change.rehearsal is not None:
        raise Conflict(
            f"The change {change.id} was rehearsed, and this approval names no such rehearsal.",
            remedy=f"Look at its rehearsal, and name it: {change.report}",
        )
    raise Conflict(
        f"The change {change.id} was not rehearsed, and this approval doesn't say that it may be"
        f" put in force all the same. {change.untried}".rstrip(),
        remedy=f"Propose it again once it can be rehearsed, or name that report: {change.report}",
    )


def require_current(change: PolicyChange, active: Sequence[PolicyChange]) -> None:
    """Raise Conflict unless what was looked at is what putting it in force would do."""
    if change.state != "proposed":
        raise Conflict(f"The change {change.id} is {change.state} already.")
    if change.failures:
        raise Conflict(
            f"The change {change.id} fails {len(change.failures)} rows of its decision table.",
            remedy="Correct the rules or the table, and propose it again.",
        )
    if active and active[0].digest != change.before:
        raise Conflict(
            f"Another policy came into force since {change.id} was proposed.",
            remedy="Propose it again, to see what it changes now.",
        )

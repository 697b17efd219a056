"""Changes of a policy set: proposed by one person, put in force by another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

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
    history; whoever puts the change in force says it, as having seen this. `alarms`: rejected by a
    person, now unattended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    decisions: int
    changed: int
    alarms: int
    unknown: int


class PolicyChange(BaseModel):
    """One change as stored. `text` is the whole new policy file; `digest` names the rules that it
    gives with the base rules, `before` those that it was held against.

    `failures`: the rows of the project's decision table that it does not satisfy. `rehearsal`: what
    it would have made of the newest decisions; None where there were none, or none that could be
    trusted.
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
    reason: str
    proposed_by: str
    proposed_at: datetime
    activated_by: str | None = None
    activated_at: datetime | None = None


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

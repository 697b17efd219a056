"""Rollouts: a version of a prompt or policy that a share of runs gets, until it proves worse.

Which runs get it is drawn from the run's id, so that a run keeps what it drew, whoever drives it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from agent_runtime.action import digest
from agent_runtime.errors import InvalidInput

RolloutState = Literal["running", "rolled_back", "stopped"]
"""rolled_back: it was shown to be worse; stopped: a person or a deployment ended it."""

RUNTIME = "the runtime"
"""Who ended what was rolled back."""
DEPLOYMENT = "deployment"
"""Who ended what the code no longer declares."""

INSTALLATION = "the installation"
"""Who starts and ends a tenant's part of what the installation tries."""

Arm = Literal["candidate", "baseline"]
Watch = Literal["reject", "edit", "failed"]
"""What may get worse: rejects and edits among the answers, failures among the runs that ended."""

WATCHES: tuple[Watch, ...] = ("reject", "edit", "failed")

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Trial(BaseModel):
    """What a person wants to try: another prompt in the place of `prompt`, or a proposed change, by
    its id, in the place of `policy`. `share`: of runs, from 0 to 1; `effect`: by how much a share
    may get worse, in points, before it has to be noticed; `alpha`: how often a candidate that is
    as good may be rolled back all the same."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"workflow": "refund", "prompt": "decide", "candidate": "decide.v2", "share": 0.2}
            ]
        },
    )

    workflow: Name
    prompt: Name | None = None
    policy: Name | None = None
    candidate: Name
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    effect: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.prompt is None) == (self.policy is None):
            raise ValueError("name either a prompt or a policy")
        return self

    @property
    def replaced(self) -> str:
        """The prompt or policy in whose place the candidate is tried."""
        return self.prompt or self.policy or ""


class Plan(BaseModel):
    """How one share is watched: it was `base` before the trial (None: not enough history, and the
    worst is assumed); the first look is at `cases` of the candidate's, each next one at twice as
    many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: float | None
    cases: int


class Look(BaseModel):
    """One look at one share: how many of how many, in both arms, and the one-sided p-value, which
    had to be below `level`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    watch: Watch
    number: int
    worse: int
    of: int
    worse_base: int
    of_base: int
    p: float
    level: float

    @property
    def fires(self) -> bool:
        """Whether it shows that the candidate is worse."""
        return self.p < self.level


class Span(BaseModel):
    """Where among a hundred points a variant lies that its prompt's files declare: from `low` up to
    `high`. From `rest` on, the prompt itself is drawn. `digest` names the files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int
    high: int
    rest: int
    digest: str


class Rollout(Trial):
    """A trial as stored, with what was seen of it. `why` says why it ended. `declared`: by the
    prompts' own files, and by nobody's command; `text`: the policy that is tried; `part_of`: the
    installation's own trial, of which this is one tenant's part."""

    id: str
    tenant: str
    share: Annotated[float, Field(gt=0, lt=1)]
    state: RolloutState
    plan: Mapping[Watch, Plan]
    looks: Sequence[Look] = ()
    started_by: str
    started_at: datetime
    ended_by: str | None = None
    ended_at: datetime | None = None
    why: str = ""
    declared: Span | None = None
    text: str = ""
    part_of: str | None = None

    @property
    def subject(self) -> str:
        """What only one at a time may be running of in a workflow: each declared variant, each
        part, and what people have started."""
        return self.candidate if self.declared is not None or self.part_of else ""

    def covers(self, at: datetime) -> bool:
        """Whether a run that was started then takes part, or a moment is one of it."""
        return self.started_at <= at and (self.ended_at is None or at < self.ended_at)

    def arm(self, run_id: str) -> Arm | None:
        """What a run that takes part has drawn; None: another variant of the same prompt."""
        if self.declared is not None:
            point = point_of(run_id, self.replaced)
            if self.declared.low <= point < self.declared.high:
                return "candidate"
            return "baseline" if point >= self.declared.rest else None
        drawn = hashlib.sha256(f"{self.id} {run_id}".encode()).digest()
        part = int.from_bytes(drawn[:8], "big") / 2**64
        return "candidate" if part < self.share else "baseline"

    def tries(self, run_id: str, started: datetime, now: datetime) -> bool:
        """Whether a run gets the candidate now: once the rollout has ended, nobody does."""
        return self.covers(started) and self.covers(now) and self.arm(run_id) == "candidate"


def point_of(run_id: str, prompt: str) -> int:
    """Where a run lies among the variants of a prompt, 0 to 99: the same run always there."""
    return int(digest([run_id, prompt])[-8:], 16) % 100


def check_prompts_of(trial: Trial, texts: Mapping[str, str]) -> None:
    """Raises InvalidInput for prompts that there are not."""
    for field, name in (("prompt", trial.prompt or ""), ("candidate", trial.candidate)):
        if name not in texts:
            known = ", ".join(sorted(texts)) or "none"
            raise InvalidInput(
                field, name, "is no prompt", remedy=f"{trial.workflow} has: {known}."
            )
    if trial.prompt == trial.candidate:
        raise InvalidInput("candidate", trial.candidate, "is the prompt itself")

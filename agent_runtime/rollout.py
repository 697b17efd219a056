"""Rollouts: a version of a prompt that a share of runs gets, until it is shown to be worse.

Which runs get it is drawn from the run's id, so that a run keeps what it drew, whoever drives it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.errors import InvalidInput

RolloutState = Literal["running", "rolled_back", "stopped"]
"""rolled_back: it was shown to be worse; stopped: a person ended it."""

Arm = Literal["candidate", "baseline"]
Watch = Literal["reject", "edit", "failed"]
"""What may get worse: rejects and edits among the answers, failures among the runs that ended."""

WATCHES: tuple[Watch, ...] = ("reject", "edit", "failed")

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Trial(BaseModel):
    """What a person wants to try. `share`: of runs, from 0 to 1; `effect`: by how much a share may
    get worse, in points, before it has to be noticed; `alpha`: how often a candidate that is as
    good may be rolled back all the same."""

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
    prompt: Name
    candidate: Name
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    effect: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05


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


class Rollout(Trial):
    """A trial as stored, with what was seen of it. `why` says why it ended."""

    id: str
    tenant: str
    state: RolloutState
    plan: Mapping[Watch, Plan]
    looks: Sequence[Look] = ()
    started_by: str
    started_at: datetime
    ended_by: str | None = None
    ended_at: datetime | None = None
    why: str = ""

    def covers(self, at: datetime) -> bool:
        """Whether a run that was started then takes part."""
        return self.started_at <= at and (self.ended_at is None or at < self.ended_at)

    def arm(self, run_id: str) -> Arm:
        """What a run that takes part has drawn."""
        drawn = hashlib.sha256(f"{self.id} {run_id}".encode()).digest()
        part = int.from_bytes(drawn[:8], "big") / 2**64
        return "candidate" if part < self.share else "baseline"


def prompts_of(
    texts: Mapping[str, str], running: Rollout | None, run_id: str, started: datetime
) -> Mapping[str, str]:
    """A run's prompts by name: the candidate's text in the place of the other, if it has drawn
    it."""
    if running is None or running.state != "running" or not running.covers(started):
        return texts
    if running.arm(run_id) == "baseline" or running.candidate not in texts:
        return texts
    return {**texts, running.prompt: texts[running.candidate]}


def check_trial(trial: Trial, texts: Mapping[str, str]) -> None:
    """Raises InvalidInput for prompts that there are not."""
    for field, name in (("prompt", trial.prompt), ("candidate", trial.candidate)):
        if name not in texts:
            known = ", ".join(sorted(texts)) or "none"
            raise InvalidInput(
                field, name, "is no prompt", remedy=f"{trial.workflow} has: {known}."
            )
    if trial.prompt == trial.candidate:
        raise InvalidInput("candidate", trial.candidate, "is the prompt itself")

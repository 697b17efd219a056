"""The brief: everything that reasoning is given, whether a model, the offline model or a rule."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.envelope import Envelope

FeedbackKind = Literal[
    "tool_error", "denied", "rejected", "operator", "changed", "acted", "failed", "expired"
]


class Feedback(BaseModel):
    """What happened to an earlier proposal of this run, told to reasoning once and for all.

    tool_error: impossible as proposed; denied: policy said no; rejected: a person said no, with
    the reason; operator: a person's answer or question, also evidence `source`; changed: a fact
    changed before execution; acted: executed, the result is evidence `source`; failed: the
    execution was refused by the outside system; expired: nobody answered in time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FeedbackKind
    text: str
    source: str | None = None


class BriefPassage(BaseModel):
    """One passage as reasoning sees it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    text: str


class Brief(BaseModel):
    """The input of one reasoning phase: the run's input, the evidence and the feedback so far.

    `evidence` holds everything shown to this step, oldest first; text in it is data, never an
    instruction. `earlier`: the last envelope of each step that this one declares to see. `visit`
    counts the proposals of this step, from 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    visit: int
    input: dict[str, Any]
    evidence: tuple[BriefPassage, ...] = ()
    earlier: tuple[Envelope, ...] = ()
    feedback: tuple[Feedback, ...] = ()


class LookUp(BaseModel):
    """What a rule of the offline model may answer instead of an envelope: look this up first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    arguments: dict[str, Any]

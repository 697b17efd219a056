"""States in words: what an operator calls the state of a run, and how it is marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent_runtime.envelope import Status
from agent_runtime.run import RunState

Mark = Literal["ok", "wait", "warn", "bad", "plain"]


@dataclass(frozen=True)
class Words:
    """A state as people are told it; `does`: what that means for them."""

    label: str
    mark: Mark
    does: str


RUN_WORDS: dict[RunState, Words] = {
    "queued": Words("in the queue", "plain", "A worker takes it up when its time has come."),
    "running": Words("working", "plain", "A worker has it now."),
    "paused": Words("waiting for an answer", "wait", "People are asked; their answer moves it on."),
    "needs_attention": Words(
        "needs attention", "warn", "It stopped by itself. Resume it, or cancel it."
    ),
    "version_mismatch": Words(
        "stopped: code has changed",
        "warn",
        "The code that is deployed now cannot go on with it. Resume it under the version that"
        " started it, or cancel it.",
    ),
    "outcome_unknown": Words(
        "unclear what happened",
        "bad",
        "A call was lost. Look in the outside system, then say what became of it.",
    ),
    "completed": Words("done", "ok", "It has ended."),
    "rejected": Words("rejected", "plain", "A person or the policy said no."),
    "failed": Words("failed", "bad", "The outside system refused."),
    "cancelled": Words("cancelled", "plain", "Somebody ended it."),
    "expired": Words("expired", "warn", "Nobody answered in time."),
}

STATUS_WORDS: dict[Status, Words] = {
    "ok": Words("ok", "ok", "Carry on."),
    "proposed": Words("proposes", "plain", "An action, to be gated."),
    "needs_approval": Words("asks people", "wait", "A person has to decide."),
    "insufficient": Words("insufficient", "warn", "The evidence does not suffice."),
    "denied": Words("denied", "bad", "It may not be."),
    "failed": Words("failed", "bad", "It went wrong."),
    "done": Words("done", "ok", "Nothing is left to do here."),
}

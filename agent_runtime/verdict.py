"""Verdicts: what the gate answers, and the question that policy is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import Action
from agent_runtime.signal import Signals

VerdictKind = Literal["allow", "needs_approval", "deny"]
Risk = Literal["low", "medium", "high"]
"""How much harm a wrong yes does, as the rule that asks says; unsaid, it is medium."""


class Slot(BaseModel):
    """How many people of a role have to say yes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    count: int


class Verdict(BaseModel):
    """The gate's answer with the ids of the rules that decided.

    `slots`, `deadline` (seconds), `remind` (seconds before it), `risk` and `escalate` (who is
    asked when it passes; empty: the question expires) belong to needs_approval, and `later`: who is
    asked at the deadlines after that. `reasons` says in words what no rule id says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: VerdictKind
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    slots: tuple[Slot, ...] = ()
    deadline: float | None = None
    remind: float | None = None
    escalate: tuple[Slot, ...] = ()
    later: tuple[tuple[Slot, ...], ...] = ()
    risk: Risk = "medium"


def deny(rule: str, reason: str) -> Verdict:
    """A refusal by the runtime itself; `rule` is one of its own ids, `runtime:…`."""
    return Verdict(kind="deny", rules=(rule,), reasons=(reason,))


class Operator(BaseModel):
    """A person who decides: from authentication, never from a request's body."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    roles: tuple[str, ...] = ()
    tenant: str = "default"


@dataclass(frozen=True)
class RunFacts:
    """What policy may know about the run. `subject`: who it is about, authenticated input."""

    run_id: str
    tenant: str
    workflow: str
    step: str
    started_by: str
    subject: str | None = None


@dataclass(frozen=True)
class Question:
    """Everything policy is asked about: one action, the facts and signals it is judged on."""

    action: Action
    arguments: BaseModel
    facts: BaseModel
    signals: Signals
    run: RunFacts


@dataclass(frozen=True)
class Ruling:
    """Whether one person's yes counts, and by which rules."""

    counts: bool
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


DEFAULT_DEADLINE = timedelta(hours=72)
"""How long an approval stays open where its rule names no @deadline."""

"""Approvals: a pending question to people about one exact action, and how answers count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from agent_runtime.action import Action, require_json
from agent_runtime.errors import AlreadyDecided, Conflict, InvalidInput, StaleQuestion
from agent_runtime.signal import Signals
from agent_runtime.verdict import Operator, Slot, Verdict

ApprovalStatus = Literal[
    "requested",
    "open",
    "approved",
    "rejected",
    "responded",
    "edited",
    "expired",
    "escalated",
    "voided",
    "withdrawn",
]
"""requested: stored, the run has not parked yet; open: may be decided; approved, rejected,
responded, expired: final answers; edited, escalated: replaced by `replaced_by`; voided: a fact
changed before execution; withdrawn: the run ended or policy forbids it now."""

DecisionKind = Literal["approve", "edit", "reject", "respond"]

Text = Annotated[str, StringConstraints(max_length=4_000)]


class Answer(BaseModel):
    """What one person answers. `digest` is that of the question they saw; `arguments` belong to
    edit, `reason` is required by reject and respond. `channel`: how it reached us."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: DecisionKind
    digest: str
    reason: Text = ""
    arguments: dict[str, Any] | None = None
    channel: str = ""


class Decision(BaseModel):
    """One person's recorded answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approval_id: str
    operator: str
    roles: tuple[str, ...]
    kind: DecisionKind
    reason: str
    arguments: dict[str, Any] | None
    rules: tuple[str, ...] = ()
    channel: str
    at: datetime


class Approval(BaseModel):
    """One question as stored: the exact action, the facts it rests on, who has to say yes.

    `digest` is the approval digest; `action_digest` names the action alone. `facts` are plain
    JSON as read at the gate. `escalate`: who is asked when the deadline passes; empty: it
    expires. `demanded` are the people that policy named, where escalation has put the question
    to others. `closed_by`: who or what brought the final status.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: str
    run_id: str
    workflow: str
    step: str
    visit: int
    status: ApprovalStatus
    digest: str
    action_digest: str
    contract: str
    policy: str
    policy_version: str
    action: Action
    facts: dict[str, Any]
    signals: Signals
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    slots: tuple[Slot, ...]
    escalate: tuple[Slot, ...]
    demanded: tuple[Slot, ...] | None = None
    deadline: datetime
    interrupt_id: str | None = None
    replaced_by: str | None = None
    closed_by: str | None = None
    edited_by: str | None = None
    created_at: datetime
    closed_at: datetime | None = None
    decisions: tuple[Decision, ...] = ()

    @property
    def amount(self) -> Decimal | None:
        """The computed amount among the facts, if there is one."""
        amount = self.facts.get("amount")
        return None if amount is None else Decimal(str(amount))

    @property
    def verdict(self) -> Verdict:
        """The gate's answer that led to this question."""
        slots = self.slots if self.demanded is None else self.demanded
        return Verdict(kind="needs_approval", rules=self.rules, slots=slots)

    def yes(self) -> list[Decision]:
        """The answers that count towards the quorum."""
        return [decision for decision in self.decisions if decision.kind == "approve"]


def missing_slots(slots: Sequence[Slot], yes: Sequence[Decision]) -> list[str]:
    """The roles still to say yes, one entry per open place; empty when the quorum is complete.

    One person fills one place, whichever of their roles helps most (a maximum matching).
    """
    places = [slot.role for slot in slots for _ in range(slot.count)]
    taken: dict[int, int] = {}

    def seat(person: int, tried: set[int]) -> bool:
        for place, role in enumerate(places):
            if role not in yes[person].roles or place in tried:
                continue
            tried.add(place)
            if place not in taken or seat(taken[place], tried):
                taken[place] = person
                return True
        return False

    for person in range(len(yes)):
        seat(person, set())
    return [role for place, role in enumerate(places) if place not in taken]


def check_answer(approval: Approval, answer: Answer, operator: Operator, now: datetime) -> None:
    """Raise unless this answer may be counted now: the right question, open, in time, first of
    this person, with the words it needs. Whether policy lets them is asked elsewhere."""
    if approval.status != "open":
        if approval.status == "requested":
            raise Conflict(f"Approval {approval.id} is not open yet.", remedy="Try again.")
        raise AlreadyDecided(approval.id, approval.status, approval.closed_by or "the runtime")
    if approval.deadline <= now:
        raise AlreadyDecided(approval.id, "expired", "its deadline")
    if answer.digest != approval.digest:
        raise StaleQuestion(
            f"Approval {approval.id} asks something else than what was answered.",
            remedy="Look at it again and answer what it asks now.",
        )
    if any(decision.operator == operator.name for decision in approval.decisions):
        raise AlreadyDecided(approval.id, "answered", operator.name)
    if answer.kind in ("reject", "respond") and not answer.reason.strip():
        raise InvalidInput("reason", answer.reason, f"a {answer.kind} needs one")
    if (answer.kind == "edit") != (answer.arguments is not None):
        raise InvalidInput(
            "arguments", answer.arguments, "belong to an edit, and an edit needs them"
        )
    require_json("arguments", answer.arguments)

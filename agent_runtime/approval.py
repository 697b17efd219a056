"""Approvals: a pending question to people about one exact action, and how answers count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.fields import FieldInfo

from agent_runtime.action import Action, require_json
from agent_runtime.errors import (
    AlreadyDecided,
    Change,
    Conflict,
    InvalidInput,
    StaleQuestion,
    Unconfirmed,
)
from agent_runtime.signal import Signals
from agent_runtime.verdict import Operator, Risk, Slot, Verdict

ApprovalStatus = Literal[
    "requested",
    "open",
    "held",
    "approved",
    "rejected",
    "responded",
    "edited",
    "expired",
    "escalated",
    "stale",
    "voided",
    "withdrawn",
]
"""requested: stored, the run has not parked yet; open: may be decided; held: answered, and its
author may still undo it; approved, rejected, responded, expired: final answers; edited, escalated:
replaced by `replaced_by`; stale: a fact changed while it was asked, so that the run asks anew;
voided: a fact changed before execution, or an edit was undone; withdrawn: the run ended or policy
forbids it now."""

DecisionKind = Literal["approve", "edit", "reject", "respond"]

RejectCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""Why a person says no, for counting; their own words stand in the reason. Which there are, the
workflow says."""

OTHER = "other"
"""Of every workflow's codes: what a no without a code counts as."""

REJECT_CODES: tuple[RejectCode, ...] = (
    "wrong_amount",
    "wrong_target",
    "wrong_facts",
    "not_entitled",
    "duplicate",
    "against_policy",
    "suspected_fraud",
    OTHER,
)
"""Those of a workflow that names none of its own."""

MAX_HOLD = 3_600.0
"""Seconds that an answer may be held back at most: it keeps everybody else from the question."""
FRESH = timedelta(minutes=5)
"""How old the facts may be when somebody says yes to them; older ones are read again first."""

Text = Annotated[str, StringConstraints(max_length=4_000)]
Hold = Annotated[float, Field(ge=0, le=MAX_HOLD, allow_inf_nan=False)]
"""Seconds."""


class Answer(BaseModel):
    """What one person answers. `digest` is that of the question they saw, `version` that of its
    row (None: whatever it is by now). `arguments` belong to edit, `reason` is required by reject
    and respond, `code` says by reject what kind of no it is. `confirm`: what a yes would do, typed,
    where `Approval.confirmation` asks for it. `hold_seconds`: how long the person may undo it
    before it takes effect. `override`: although somebody else has claimed the question.
    `channel`: how it reached us."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: DecisionKind
    digest: str
    version: int | None = None
    reason: Text = ""
    code: RejectCode | None = None
    arguments: dict[str, Any] | None = None
    confirm: Text = ""
    hold_seconds: Hold = 0.0
    override: bool = False
    channel: str = ""


class Decision(BaseModel):
    """One person's recorded answer. `lent` are roles that others handed them for this question;
    `overrode` had claimed it. `shown_at`: when this person first saw it, if that was told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approval_id: str
    operator: str
    roles: tuple[str, ...]
    lent: tuple[str, ...] = ()
    kind: DecisionKind
    reason: str
    code: RejectCode | None = None
    arguments: dict[str, Any] | None
    rules: tuple[str, ...] = ()
    channel: str
    overrode: str | None = None
    shown_at: datetime | None = None
    at: datetime

    @property
    def took(self) -> float | None:
        """Seconds from the first look to the answer: a stamp takes two, a review does not."""
        return None if self.shown_at is None else (self.at - self.shown_at).total_seconds()


class Claim(BaseModel):
    """Somebody is at work on a question. It asks others to stay away, until then."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    until: datetime


class Delegation(BaseModel):
    """One person has handed their part in a question to another, with the roles it was for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    to: str
    roles: tuple[str, ...]
    reason: str
    at: datetime


class Approval(BaseModel):
    """One question as stored: the exact action, the facts it rests on, who has to say yes.

    `digest` is the approval digest; `action_digest` names the action alone. `facts` are plain
    JSON as read at the gate. `escalate`: who is asked when the deadline passes; empty: it
    expires; `later`: who at the deadlines after that. `demanded` are the people that policy
    named, where escalation has put the question to others. `closed_by`: who or what brought the
    final status.

    `version` rises with every change. `amount` is the money it moves, computed from the system of
    record, where the tool's facts declare one. Three clocks run apart: `created_at` to `deadline`
    is how long it lives, a decision's `took` how long a person needed, `facts_read_at` how old
    the facts are. `remind`: seconds before the deadline when those still asked are reminded.
    `effective_at`: until then `held_by` may undo. `replaces`: the question that it followed.
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
    version: int = 1
    started_by: str = ""
    facts: dict[str, Any]
    facts_read_at: datetime | None = None
    amount: Decimal | None = None
    signals: Signals
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    risk: Risk = "medium"
    slots: tuple[Slot, ...]
    escalate: tuple[Slot, ...]
    later: tuple[tuple[Slot, ...], ...] = ()
    demanded: tuple[Slot, ...] | None = None
    deadline: datetime
    remind: float | None = None
    claim: Claim | None = None
    delegations: tuple[Delegation, ...] = ()
    held_by: str | None = None
    effective_at: datetime | None = None
    interrupt_id: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    closed_by: str | None = None
    edited_by: str | None = None
    created_at: datetime
    closed_at: datetime | None = None
    decisions: tuple[Decision, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The gate's answer that led to this question."""
        slots = self.slots if self.demanded is None else self.demanded
        return Verdict(kind="needs_approval", rules=self.rules, slots=slots)

    @property
    def confirmation(self) -> str:
        """What has to be typed to say yes: the amount, or the target where no money moves. Empty:
        nothing, because little is at risk or because a second person is asked."""
        if self.risk != "high" or sum(slot.count for slot in self.slots) > 1:
            return ""
        return self.action.target_id if self.amount is None else str(self.amount)

    def yes(self) -> list[Decision]:
        """The answers that count towards the quorum."""
        return [decision for decision in self.decisions if decision.kind == "approve"]

    def lent(self, name: str) -> tuple[str, ...]:
        """The roles that others have handed this person for this question."""
        given = {role for one in self.delegations if one.to == name for role in one.roles}
        return tuple(sorted(given))

    def is_spent(self, name: str) -> bool:
        """Whether this person has no say in it: they answered, handed it on, or started the run."""
        answered = any(decision.operator == name for decision in self.decisions)
        return answered or name == self.started_by or self.handed_on(name)

    def handed_on(self, name: str) -> bool:
        """Whether this person has handed their part to somebody else."""
        return any(one.by == name for one in self.delegations)

    def claimant(self, now: datetime) -> str | None:
        """Who is at work on it, while their claim lasts."""
        return self.claim.by if self.claim is not None and self.claim.until > now else None

    @property
    def late_at(self) -> datetime:
        """From when it is called late: the reminder, else the last quarter of its time."""
        if self.remind is not None:
            return self.deadline - timedelta(seconds=self.remind)
        return self.deadline - (self.deadline - self.created_at) / 4

    @property
    def consequence(self) -> str:
        """What happens at the deadline if nobody answers, in words; it never approves."""
        then = ", ".join(f"{slot.count} of {slot.role}" for slot in self.escalate)
        return f"then {then} will be asked" if then else "then it expires, and nothing is executed"


def missing_slots(slots: Sequence[Slot], yes: Sequence[Decision]) -> list[str]:
    """The roles still to say yes, one entry per open place; empty when the quorum is complete.

    One person fills one place, whichever of their roles helps most (a maximum matching).
    """
    places = [slot.role for slot in slots for _ in range(slot.count)]
    taken: dict[int, int] = {}

    def seat(person: int, tried: set[int]) -> bool:
        for place, role in enumerate(places):
            if role not in {*yes[person].roles, *yes[person].lent} or place in tried:
                continue
            tried.add(place)
            if place not in taken or seat(taken[place], tried):
                taken[place] = person
                return True
        return False

    for person in range(len(yes)):
        seat(person, set())
    return [role for place, role in enumerate(places) if place not in taken]


def changes(before: Approval, after: Approval) -> tuple[Change, ...]:
    """What is different for those who look at the question, in words."""
    seen = zip(_shown(before).items(), _shown(after).values(), strict=True)
    return tuple(Change(name, old, new) for (name, old), new in seen if old != new)


def _shown(approval: Approval) -> dict[str, str]:
    slots = ", ".join(f"{slot.role}:{slot.count}" for slot in approval.slots)
    answers = ", ".join(f"{one.operator}: {one.kind}" for one in approval.decisions)
    handed = ", ".join(f"{one.by} to {one.to}" for one in approval.delegations)
    return {
        "status": approval.status,
        "slots": slots,
        "rules": ", ".join(approval.rules),
        "risk": approval.risk,
        "deadline": approval.deadline.isoformat(),
        "decisions": answers,
        "delegations": handed,
        "claim": approval.claim.by if approval.claim is not None else "",
    }


def check_open(approval: Approval, now: datetime) -> None:
    """Raise unless people may act on the question now."""
    if approval.status == "requested":
        raise Conflict(f"Approval {approval.id} is not open yet.", remedy="Try again.")
    if approval.status == "held":
        raise AlreadyDecided(approval.id, "held", approval.held_by or "its author")
    if approval.status != "open":
        raise AlreadyDecided(approval.id, approval.status, approval.closed_by or "the runtime")
    if approval.deadline <= now:
        raise AlreadyDecided(approval.id, "expired", "its deadline")


def check_answer(approval: Approval, answer: Answer, operator: Operator, now: datetime) -> None:
    """Raise unless this answer may be counted now: the right question, open, in time, first of
    this person, with the words it needs. Whether policy lets them is asked elsewhere."""
    check_open(approval, now)
    if answer.digest != approval.digest:
        raise StaleQuestion(
            f"Approval {approval.id} asks something else than what was answered.",
            remedy="Look at it again and answer what it asks now.",
            changes=(Change("digest", answer.digest, approval.digest),),
        )
    if any(decision.operator == operator.name for decision in approval.decisions):
        raise AlreadyDecided(approval.id, "answered", operator.name)
    _check_words(answer)


def check_claim(approval: Approval, name: str, now: datetime, *, override: bool) -> None:
    """Raise Conflict while somebody else is at work on it, unless this person insists."""
    holder = approval.claimant(now)
    if holder is None or holder == name or override or approval.claim is None:
        return
    raise Conflict(
        f"{holder} is at work on approval {approval.id} until {approval.claim.until:%H:%M:%S} UTC.",
        remedy="Leave it to them, wait, or say that you override their claim.",
    )


def _check_words(answer: Answer) -> None:
    if answer.kind in ("reject", "respond") and not answer.reason.strip():
        raise InvalidInput("reason", answer.reason, f"a {answer.kind} needs one")
    if answer.code is not None and answer.kind != "reject":
        raise InvalidInput("code", answer.code, "belongs to a reject")
    if (answer.kind == "edit") != (answer.arguments is not None):
        raise InvalidInput(
            "arguments", answer.arguments, "belong to an edit, and an edit needs them"
        )
    require_json("arguments", answer.arguments)


def check_confirmed(approval: Approval, answer: Answer) -> None:
    """Raise Unconfirmed unless a yes comes with what it would do, where that has to be typed.

    An amount may be typed with blanks between its digits and a decimal comma.
    """
    wanted, typed = approval.confirmation, answer.confirm.strip()
    if answer.kind != "approve" or not wanted or typed == wanted:
        return
    if approval.amount is None or _money(typed) != approval.amount:
        problem = "is not what this would do" if typed else "is missing, and the risk is high"
        raise Unconfirmed("confirm", typed, problem, remedy=f"Type {wanted}.")


def _money(typed: str) -> Decimal | None:
    try:
        found = Decimal("".join(typed.split()).replace(",", "."))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def declared_amount(facts: type[BaseModel] | None, read: dict[str, Any]) -> Decimal | None:
    """The money among the facts, where their model declares a Decimal `amount`; a count or a
    text of that name is none."""
    field = None if facts is None else facts.model_fields.get("amount")
    value = read.get("amount")
    if field is None or value is None or Decimal not in (field.annotation, *_members(field)):
        return None
    return Decimal(str(value))


def _members(field: FieldInfo) -> tuple[Any, ...]:
    return get_args(field.annotation)

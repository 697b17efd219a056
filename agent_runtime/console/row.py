"""Rows: one question as a line of the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agent_runtime.access import Caller
from agent_runtime.approval import Approval, ApprovalStatus
from agent_runtime.candidacy import waiting_roles
from agent_runtime.console.text import words
from agent_runtime.verdict import Risk


@dataclass(frozen=True)
class State:
    """What has become of a question, in a word, and how it is drawn."""

    label: str
    kind: str


@dataclass(frozen=True)
class Row:
    """What a line says. `who`: whom it is about, as the system of record says; else who started
    it. `looking`: who else is at work on it. `may_select`: for a decision about several."""

    id: str
    what: str
    target: str
    who: str
    amount: Decimal | None
    risk: Risk
    rules: tuple[str, ...]
    state: State
    asked_at: datetime
    deadline: datetime
    then: str
    closed_at: datetime | None
    closed_by: str
    looking: str
    is_waiting: bool
    is_held: bool
    is_late: bool
    may_select: bool


def row_of(asked: Approval, caller: Caller, now: datetime) -> Row:
    """The line of one question, as this caller sees it."""
    waiting = asked.status in ("requested", "open", "held")
    return Row(
        id=asked.id,
        what=words(asked.action.tool),
        target=target_of(asked),
        who=who_of(asked),
        amount=asked.amount,
        risk=asked.risk,
        rules=asked.rules,
        state=state_of(asked.status),
        asked_at=asked.created_at,
        deadline=asked.deadline,
        then=then_of(asked),
        closed_at=asked.closed_at,
        closed_by=_closed_by(asked),
        looking=looking_of(asked, caller, now),
        is_waiting=waiting,
        is_held=asked.status == "held",
        is_late=waiting and asked.late_at <= now,
        may_select=asked.status == "open"
        and asked.risk == "low"
        and not asked.is_spent(caller.name),
    )


def _closed_by(asked: Approval) -> str:
    """Who or what ended it, without what the page of the question says in full."""
    by = asked.closed_by or ""
    return "the runtime" if by.startswith("runtime:") else by


def target_of(asked: Approval) -> str:
    """What it is done to: “order W1234”."""
    kind, name = words(asked.action.target_type).lower(), asked.action.target_id
    return name if not kind or name.lower().startswith(kind) else f"{kind} {name}"


def who_of(asked: Approval) -> str:
    """Whom it is about."""
    owner = asked.facts.get("owner")
    return str(owner) if owner else asked.started_by


def looking_of(asked: Approval, caller: Caller, now: datetime) -> str:
    """Who is at work on it, in words."""
    if asked.status == "held":
        held = "you" if asked.held_by == caller.name else asked.held_by
        return f"answered by {held}"
    claimant = asked.claimant(now)
    if claimant is None:
        return ""
    return "you are looking" if claimant == caller.name else f"{claimant} is looking"


def then_of(asked: Approval) -> str:
    """What happens at the deadline, in a few words; silence never approves."""
    if asked.escalate:
        return f"then {' and '.join(slot.role for slot in asked.escalate)} is asked"
    return "then it expires"


def waits_for(asked: Approval) -> str:
    """Whose yes is missing, in words."""
    missing = waiting_roles(asked)
    counts = {role: missing.count(role) for role in dict.fromkeys(missing)}
    return ", ".join(role if n == 1 else f"{n} of {role}" for role, n in counts.items())


STATES: dict[ApprovalStatus, State] = {
    "requested": State("being asked", "wait"),
    "open": State("waits", "wait"),
    "held": State("decided, may be undone", "wait"),
    "approved": State("approved", "ok"),
    "rejected": State("rejected", "bad"),
    "responded": State("sent back", "plain"),
    "edited": State("edited", "plain"),
    "expired": State("expired", "warn"),
    "escalated": State("escalated", "warn"),
    "stale": State("facts changed", "warn"),
    "voided": State("void", "plain"),
    "withdrawn": State("withdrawn", "plain"),
}
"""Every status in people's words."""


def state_of(status: ApprovalStatus) -> State:
    """A status in people's words."""
    return STATES[status]

"""Closing: what an answer leads to, each step inside the transaction of its cause."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from agent_runtime.approval import Answer, Approval, ApprovalStatus, Decision, missing_slots
from agent_runtime.errors import AlreadyDecided, Conflict, NotPermitted
from agent_runtime.run import new_id
from agent_runtime.store import Session
from agent_runtime.verdict import Operator


def close_question(
    session: Session, approval: Approval, status: ApprovalStatus, by: str
) -> Approval:
    """Give the question its final answer and wake the run, in the same commit."""
    closed = session.approvals.close(approval.id, status, by)
    session.runs.move(approval.run_id, "queued")
    body = {"approval": approval.id, "status": status, "by": by}
    session.events.append("approval.closed", approval.run_id, **body)
    return closed


def ask_again(
    session: Session, asked: Approval, status: ApprovalStatus, by: str, **changes: object
) -> Approval:
    """Replace a question by the same one with these changes; what was collected is void."""
    fresh = {"decisions": (), "delegations": (), "claim": None, "held_by": None, "version": 1}
    named = {"id": new_id("apr"), "replaces": asked.id, "created_at": session.now}
    again = asked.model_copy(
        update={"status": "open", "effective_at": None, **fresh, **changes, **named}
    )
    session.approvals.close(asked.id, status, by, replaced_by=again.id)
    session.approvals.request(again)
    body = {"approval": asked.id, "status": status, "by": by, "replaced_by": again.id}
    session.events.append("approval.closed", asked.run_id, **body)
    slots = [slot.model_dump() for slot in again.slots]
    asked_again = {"approval": again.id, "step": again.step, "visit": again.visit}
    session.events.append("approval.opened", asked.run_id, **asked_again, slots=slots)
    return again


def follow(
    session: Session, before: Approval, decided: Approval, mine: Decision, answer: Answer
) -> Approval:
    """What follows from an answer just recorded: at once, or when it can be undone no more."""
    if answer.hold_seconds > 0:
        return _hold(session, before, decided, mine, answer.hold_seconds)
    return conclude(session, before, decided, mine)


def conclude(session: Session, before: Approval, decided: Approval, mine: Decision) -> Approval:
    """Let an answer take effect that changes nothing about the action.

    `before`: the question without this answer.
    """
    match mine.kind:
        case "approve" | "edit":  # an edit comes here as its author's yes
            if missing_slots(decided.slots, decided.yes()):
                rest = (
                    decided.claim if decided.claim and decided.claim.by != mine.operator else None
                )
                return session.approvals.update(
                    decided.id, before=before, status="open", claim=rest, **_LIFTED
                )
            return close_question(session, decided, "approved", mine.operator)
        case "reject":
            return close_question(session, decided, "rejected", mine.operator)
        case "respond":
            return close_question(session, decided, "responded", mine.operator)
        case _:
            assert_never(mine.kind)


_LIFTED = {"held_by": None, "effective_at": None}


def _hold(
    session: Session, before: Approval, decided: Approval, mine: Decision, seconds: float
) -> Approval:
    """Close the question to everybody but this answer's author, until it takes effect."""
    until = session.now + timedelta(seconds=seconds)
    after = session.approvals.update(
        decided.id,
        before=before,
        status="held",
        held_by=mine.operator,
        effective_at=until,
        claim=None,
    )
    body = {"approval": after.id, "operator": mine.operator, "kind": mine.kind}
    session.events.append("approval.held", after.run_id, **body, effective_at=until.isoformat())
    return after


def take_effect(session: Session, approval_id: str) -> Approval:
    """End a hold whose time is over. Nothing happens where its author was faster."""
    held = session.approvals.get(approval_id)
    mine = [one for one in held.decisions if one.operator == held.held_by]
    if not mine or not session.approvals.lift(approval_id, undone=False):
        return held
    return conclude(session, held, held, mine[0])


def undo(session: Session, approval_id: str, operator: Operator) -> Approval:
    """Take a held answer back, as its author; the question is open again, as it was before.

    An undone edit asks about the action that was edited. Raises AlreadyDecided once the answer
    has taken effect, NotPermitted for anybody but its author, Conflict when nothing is held.
    """
    held = session.approvals.get(approval_id)
    if held.status == "open":
        raise Conflict(f"Approval {approval_id} is open: there is no answer to undo.")
    if held.status != "held":
        raise AlreadyDecided(approval_id, held.status, held.closed_by or "the runtime")
    if held.held_by != operator.name:
        raise NotPermitted(
            f"Only {held.held_by} can undo this answer.", remedy="Wait until it takes effect."
        )
    if not session.approvals.lift(approval_id, undone=True):
        raise AlreadyDecided(approval_id, "in effect", operator.name)
    session.approvals.retract(approval_id, operator.name)
    after = session.approvals.update(approval_id, before=held, status="open", **_LIFTED)
    body = {"approval": approval_id, "operator": operator.name}
    session.events.append("approval.undone", after.run_id, **body)
    return after if after.edited_by is None else _unedit(session, after, operator)


def _unedit(session: Session, edited: Approval, operator: Operator) -> Approval:
    """Ask once more what was asked before the edit."""
    if edited.replaces is None:
        return edited
    before = session.approvals.get(edited.replaces)
    if before.status != "edited":
        return edited  # the edit itself was escalated or asked again since: it stands
    kept = {name: getattr(before, name) for name in Approval.model_fields if name not in _OWN}
    return ask_again(session, edited, "voided", f"{operator.name} (undo)", **kept)


_OWN = frozenset(
    {"id", "status", "created_at", "version", "decisions", "delegations", "claim", "replaces",
     "replaced_by", "closed_by", "closed_at", "held_by", "effective_at"}
)  # fmt: skip
"""What one question does not hand on to the one that follows it."""

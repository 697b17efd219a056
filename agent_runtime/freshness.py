"""Freshness: whether a question still stands on the facts and the documents that it shows."""

from __future__ import annotations

from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.closing import close_question
from agent_runtime.errors import Change, Conflict, ToolRefused, ToolUnavailable
from agent_runtime.evidence import Withdrawn
from agent_runtime.knowledge.standing import Standings
from agent_runtime.nodes.action import differences
from agent_runtime.segment import Segment
from agent_runtime.step import Step
from agent_runtime.store import Session


async def differing_facts(segment: Segment, step: Step, asked: Approval) -> tuple[Change, ...]:
    """Read the facts again: what is no longer as it was asked; empty when all still holds.

    Raises Conflict when they cannot be read: an unread fact is never taken for an unchanged one.
    """
    tool = step.tool("action", asked.action.tool)
    args = tool.parse(asked.action.arguments)
    try:
        now = await tool.read_facts(args, segment.call(f"{segment.run.id}:recheck"))
    except ToolRefused as error:
        return (Change("facts", "there", f"missing: {error.message}"),)
    except ToolUnavailable as error:
        raise Conflict(
            f"The facts of approval {asked.id} cannot be read now: {error.message}",
            remedy="Try again.",
        ) from error
    found = differences(asked.facts, now.model_dump(mode="json"))
    return tuple(Change(f"facts.{name}", _word(old), _word(new)) for name, old, new in found)


def differing_documents(segment: Segment, asked: Approval) -> tuple[Change, ...]:
    """What documents no longer stand for of the evidence that was shown with a question, and did
    when it was asked; empty when all still holds."""
    if not segment.read().knowledge.state()[0]:
        return ()  # nothing was ever known here that could be gone
    shown, known = _evidence(segment, asked)
    call = segment.call(f"{segment.run.id}:standing")
    now = segment.resources.get(Standings).withdrawn(segment.passages(shown), call)
    gone = [one for one in now if one not in known]
    return tuple(Change(f"evidence {one.source}", "in its document", one.why) for one in gone)


def _evidence(segment: Segment, asked: Approval) -> tuple[list[str], list[Withdrawn]]:
    """What the question's visit was shown last, and what was known not to stand any more then."""
    shown: list[str] = []
    known: list[Withdrawn] = []
    for event in segment.read().events.find(asked.run_id):
        body = event.body or {}
        if body.get("step") != asked.step or body.get("visit", 0) > asked.visit:
            continue
        if event.type == "bundle.assembled":
            shown = body["shown"]
        elif event.type == "gate.judged":
            known = [Withdrawn.model_validate(one) for one in body.get("withdrawn", ())]
    return shown, known


def note_facts(session: Session, asked: Approval, found: tuple[Change, ...]) -> Approval:
    """Note that the facts were read again, or send the run back to ask anew on those of now."""
    fresh = session.approvals.get(asked.id)
    if fresh.status != "open":
        return fresh
    if not found:
        return session.approvals.update(asked.id, facts_read_at=session.now)
    words = "; ".join(f"{one.field} was {one.old}, is {one.new}" for one in found)
    return close_question(session, fresh, "stale", f"runtime: {words}")


def _word(value: Any) -> str:
    return "absent" if value is None else str(value)

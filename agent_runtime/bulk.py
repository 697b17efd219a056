"""Bulk: one answer to several harmless questions of one kind, after a look at all of them.

It is a shorter way to the same answers, not another one: what is asked for is previewed first,
the preview's digest has to be sent back, and each question goes through the ordinary decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import digest
from agent_runtime.approval import Answer, Approval, Hold, RejectCode, Text, check_open
from agent_runtime.decision import Desk
from agent_runtime.errors import AgentRuntimeError, Change, Conflict, InvalidInput, StaleQuestion
from agent_runtime.pending import Pending
from agent_runtime.store import Session, Store
from agent_runtime.verdict import Operator

MAX_BULK = 25
"""Questions at once: as many as a person can read before saying yes."""


class Line(BaseModel):
    """One question of a preview, as it will be answered: nothing else is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approval_id: str
    digest: str
    version: int
    target_type: str
    target_id: str
    amount: Decimal | None


class Preview(BaseModel):
    """What an answer to all of these would do. `total` and `largest` are None where the tool's
    facts declare no amount; `digest` names exactly these lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    tool: str
    rules: tuple[str, ...]
    count: int
    total: Decimal | None
    largest: Decimal | None
    lines: tuple[Line, ...]


class BulkAnswer(BaseModel):
    """One answer to the questions of a preview. `preview` is the digest that the person saw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: tuple[str, ...]
    preview: str
    kind: Literal["approve", "reject"]
    reason: Text = ""
    code: RejectCode | None = None
    hold_seconds: Hold = 0.0
    channel: str = ""


@dataclass(frozen=True)
class Item:
    """What became of one question: its state afterwards, or why it was not answered."""

    approval_id: str
    approval: Approval | None = None
    error: AgentRuntimeError | None = None


class Bulk:
    """Answers several questions, each through the desk."""

    def __init__(self, store: Store, desk: Desk, pending: Pending) -> None:
        self._store = store
        self._desk = desk
        self._pending = pending

    async def preview(self, ids: Sequence[str], operator: Operator) -> Preview:
        """Look at all of them as they are now.

        Raises InvalidInput for too many or for questions that may not be answered together,
        NotFound, AlreadyDecided.
        """
        for approval_id in _distinct(ids):
            await self._pending.review_one(operator.tenant, approval_id)
        return _preview(self._store.read(operator.tenant), ids)

    async def decide(self, answer: BulkAnswer, operator: Operator) -> list[Item]:
        """Answer each question of a preview; one that is refused keeps no other back.

        Raises StaleQuestion when any of them is no longer as it was previewed, with nothing
        answered.
        """
        now = await self.preview(answer.ids, operator)
        if now.digest != answer.preview:
            raise StaleQuestion(
                "These questions are no longer as they were previewed.",
                remedy="Look at a new preview.",
                changes=(Change("preview", answer.preview, now.digest),),
            )
        return [await self._decide(line, answer, operator) for line in now.lines]

    async def _decide(self, line: Line, answer: BulkAnswer, operator: Operator) -> Item:
        given = {"digest": line.digest, "version": line.version}
        shared = answer.model_dump(exclude={"ids", "preview", "channel"})
        channel = f"{answer.channel} (bulk of {len(answer.ids)})".strip()
        try:
            mine = Answer.model_validate({**given, **shared, "channel": channel})
            after = await self._desk.decide(line.approval_id, operator, mine)
        except AgentRuntimeError as error:
            return Item(line.approval_id, error=error)
        return Item(line.approval_id, approval=after)


def _distinct(ids: Sequence[str]) -> Sequence[str]:
    if not 1 <= len(ids) <= MAX_BULK:
        raise InvalidInput("ids", len(ids), f"takes 1 to {MAX_BULK} questions at once")
    if len(set(ids)) != len(ids):
        raise InvalidInput("ids", list(ids), "names a question twice")
    return ids


def _preview(session: Session, ids: Sequence[str]) -> Preview:
    found = [session.approvals.get(approval_id) for approval_id in _distinct(ids)]
    for asked in found:
        check_open(asked, session.now)
        _check_kind(asked, found[0])
    lines = tuple(_line(asked) for asked in found)
    amounts = [line.amount for line in lines if line.amount is not None]
    return Preview(
        digest=digest([line.model_dump(mode="json") for line in lines]),
        tool=found[0].action.tool,
        rules=found[0].rules,
        count=len(lines),
        total=sum(amounts, Decimal(0)) if amounts else None,
        largest=max(amounts, default=None),
        lines=lines,
    )


def _check_kind(asked: Approval, first: Approval) -> None:
    if asked.risk != "low":
        raise InvalidInput(
            "ids",
            asked.id,
            f"is of {asked.risk} risk: its rules do not mark it low",
            remedy="Answer it by itself.",
        )
    if (asked.action.tool, asked.rules) != (first.action.tool, first.rules):
        raise InvalidInput("ids", asked.id, f"is asked under another rule or tool than {first.id}")
    if (asked.amount is None) != (first.amount is None):
        raise Conflict(f"Of {asked.id} and {first.id} one moves money and one does not.")


def _line(asked: Approval) -> Line:
    return Line(
        approval_id=asked.id,
        digest=asked.digest,
        version=asked.version,
        target_type=asked.action.target_type,
        target_id=asked.action.target_id,
        amount=asked.amount,
    )

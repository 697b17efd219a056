"""Bulk decisions over HTTP: one answer to several harmless questions of one kind, in two steps."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from agent_runtime.access import Caller, an_approval
from agent_runtime.api.approvals import Digest, Hold, Word
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.problem import Problem, told
from agent_runtime.api.site import Here, Site, Who
from agent_runtime.approval import Approval, RejectCode, Text
from agent_runtime.bulk import MAX_BULK, BulkAnswer, Item, Preview

router = APIRouter(prefix="/v1/bulk-decisions", tags=["approvals"], route_class=OncePerKey)

Ids = Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_BULK)]


class Look(BaseModel):
    """Which questions are to be answered together."""

    model_config = ConfigDict(extra="forbid")

    ids: Ids


class DecideAll(BaseModel):
    """One answer to all of them. `preview`: the digest of the preview that was seen."""

    model_config = ConfigDict(extra="forbid")

    ids: Ids
    preview: Digest
    kind: Literal["approve", "reject"]
    reason: Text = ""
    code: RejectCode | None = None
    hold_seconds: Hold = 0.0


class Outcome(BaseModel):
    """What became of one question: as it stands now, or why it was not answered."""

    model_config = ConfigDict(extra="forbid")

    id: str
    approval: Approval | None
    problem: Problem | None


class Outcomes(BaseModel):
    """One outcome for each question, in the order of the preview."""

    model_config = ConfigDict(extra="forbid")

    items: list[Outcome]


async def _require(site: Site, caller: Caller, ids: tuple[str, ...]) -> None:
    session = site.read(caller)
    for approval_id in ids:
        asked = session.approvals.get(approval_id)
        await site.require(caller, "decide", an_approval(asked, session.runs.get(asked.run_id)))


async def lookable(asked: Look, site: Here, caller: Who) -> Look:
    """The body, once its sender may decide about each of them."""
    await _require(site, caller, asked.ids)
    return asked


async def decidable(asked: DecideAll, site: Here, caller: Who) -> DecideAll:
    """The same."""
    await _require(site, caller, asked.ids)
    return asked


@router.post("/preview")
async def preview(asked: Annotated[Look, Depends(lookable)], site: Here, caller: Who) -> Preview:
    """What an answer to all of them would do: how many, the sum, the largest. Nothing is done."""
    return await site.runtime.bulk.preview(asked.ids, caller.operator)


@router.post("")
async def decide(
    asked: Annotated[DecideAll, Depends(decidable)], site: Here, caller: Who
) -> Outcomes:
    """Answer all of a preview, each by itself: one that is refused keeps no other back."""
    answer = BulkAnswer(**asked.model_dump(), channel=caller.channel)
    found = await site.runtime.bulk.decide(answer, caller.operator)
    return Outcomes(items=[_outcome(item) for item in found])


def _outcome(item: Item) -> Outcome:
    refused = None if item.error is None else Problem.model_validate(told(item.error, ""))
    return Outcome(id=item.approval_id, approval=item.approval, problem=refused)

"""Approvals over HTTP: the inbox, one question, and what people do with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.access import Caller, a_question
from agent_runtime.api.once import OncePerKey, is_again
from agent_runtime.api.page import After, Fields, Limit, Page, When, cursor_of, only, read_cursor
from agent_runtime.api.runs import MAX_WAIT, Wait, waited
from agent_runtime.api.site import Here, OnApproval, Reader, Who
from agent_runtime.approval import (
    MAX_HOLD,
    Answer,
    Approval,
    ApprovalStatus,
    DecisionKind,
    RejectCode,
    Text,
)
from agent_runtime.comment import Comment, CommentText
from agent_runtime.errors import AlreadyDecided, InvalidInput, NotFound
from agent_runtime.inbox import WAITING, Counts, Filter, Key, Order, Sort
from agent_runtime.token import Name
from agent_runtime.verdict import Risk

router = APIRouter(prefix="/v1/approvals", tags=["approvals"], route_class=OncePerKey)

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Hold = Annotated[float, Field(ge=0, le=MAX_HOLD, allow_inf_nan=False)]
Amount = Annotated[Decimal, Field(allow_inf_nan=False, max_digits=18, decimal_places=4)]
Word = Annotated[str, StringConstraints(max_length=200)]
Ordered = Literal["age", "-age", "deadline", "-deadline", "amount", "-amount"]

IfMatch = Annotated[
    str | None, Header(max_length=30, description="The ETag of the question as it was seen.")
]
_ETAG = re.compile(r'^"([0-9]{1,15})"$')


class Decide(BaseModel):
    """One person's answer. `digest` and `version` are those of the question that they saw.

    `hold_seconds`: how long they may undo it before it takes effect. `override`: although
    somebody else is at work on it. `confirm`: where the risk is high and nobody else is asked,
    the amount, or the target where no money moves. Who answers is the caller, and cannot be said
    here.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"kind": "approve", "digest": f"sha256:{'0' * 64}", "version": 2},
                {
                    "kind": "reject",
                    "digest": f"sha256:{'0' * 64}",
                    "reason": "Refunded yesterday already.",
                    "code": "duplicate",
                },
            ]
        },
    )

    kind: DecisionKind
    digest: Digest
    version: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    reason: Text = ""
    code: RejectCode | None = None
    arguments: Annotated[dict[str, Any], Field(max_length=100)] | None = None
    confirm: Word = ""
    hold_seconds: Hold = 0.0
    override: bool = False


class TryEdit(BaseModel):
    """Other arguments for the action, to see what policy would say about them."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"arguments": {"amount": "100.00"}}]}
    )

    arguments: Annotated[dict[str, Any], Field(max_length=100)]


class Tried(BaseModel):
    """What an edit would lead to: the question that would be asked instead. `counts`: whether the
    editor's own yes would count for it, by `rules`."""

    model_config = ConfigDict(extra="forbid")

    approval: Approval
    counts: bool
    rules: tuple[str, ...]


class ClaimIt(BaseModel):
    """That one is at work on it; `override`: although somebody else says so too."""

    model_config = ConfigDict(extra="forbid")

    override: bool = False


class Delegate(BaseModel):
    """To whom one hands one's part, and why."""

    model_config = ConfigDict(extra="forbid")

    to: Name
    reason: Text = ""


class Remark(BaseModel):
    """What one tells the others about it."""

    model_config = ConfigDict(extra="forbid")

    text: CommentText


class Comments(BaseModel):
    """All remarks about one question, in order."""

    items: Sequence[Comment]


async def wanted(
    status: Annotated[tuple[ApprovalStatus, ...], Query(min_length=1, max_length=20)] = WAITING,
    mine: bool = False,
    claimed: Literal["by_me", "by_others", "by_nobody"] | None = None,
    late: bool = False,
    workflow: Word | None = None,
    tool: Word | None = None,
    rule: Word | None = None,
    risk: Risk | None = None,
    amount_from: Amount | None = None,
    amount_to: Amount | None = None,
    asked_before: When | None = None,
    asked_after: When | None = None,
    run: Word | None = None,
) -> Filter:
    """Which questions are asked for."""
    return Filter(
        statuses=tuple(dict.fromkeys(status)),
        mine=mine,
        claimed=claimed,
        late=late,
        workflow=workflow,
        tool=tool,
        rule=rule,
        risk=risk,
        amount_from=amount_from,
        amount_to=amount_to,
        asked_before=asked_before,
        asked_after=asked_after,
        run_id=run,
    )


Wanted = Annotated[Filter, Depends(wanted)]
Readable = Annotated[Approval, Depends(OnApproval("read"))]
Decidable = Annotated[Approval, Depends(OnApproval("decide"))]
Claimable = Annotated[Approval, Depends(OnApproval("claim"))]


@router.get("")
async def find(
    site: Here,
    caller: Reader,
    filtered: Wanted,
    q: Annotated[Word, Query(description="Only those in which each of its words stands.")] = "",
    sort: Ordered = "age",
    limit: Limit = 50,
    cursor: After = None,
    after: Annotated[Word | None, Query(description="Instead: the last id seen.")] = None,
    fields: Fields = (),
) -> Page[Approval] | Page[dict[str, Any]]:
    """The inbox: the tenant's questions, those that wait unless asked otherwise."""
    question = ["approvals", filtered.model_dump(mode="json"), sort, caller.name, *q.split()]
    order = Order(
        sort=cast("Sort", sort.removeprefix("-")),
        descending=sort.startswith("-"),
        after=_key(cursor, question),
        limit=limit,
    )
    if after is not None and cursor is None:
        key = site.read(caller).inbox.key(after, order.sort)
        if key is None:
            raise NotFound("approval", after, remedy="`after` takes the last id you saw.")
        order = order.model_copy(update={"after": key})
    page = await site.runtime.desk.search(q, filtered, order, who=caller.operator)
    last = page.after
    more = None if last is None else cursor_of([last.value, last.id], question)
    return only(Approval, fields, Page(items=page.items, next=more))


@router.get("/counts")
async def count(site: Here, caller: Reader, filtered: Wanted) -> Counts:
    """How many questions the same filters find, and of which kinds."""
    return site.runtime.desk.counts(filtered, who=caller.operator)


@router.get("/{approval_id}")
async def get(approval: Readable, site: Here, caller: Who, response: Response) -> Approval:
    """One question with its answers. The caller's time to decide counts from their first look."""
    return _tagged(response, await site.runtime.desk.look(approval.id, caller.operator))


@router.post("/{approval_id}/decide")
async def decide(
    approval: Decidable,
    asked: Decide,
    site: Here,
    caller: Who,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
    wait: Annotated[Wait | None, Query(description="For the run to pause again or to end.")] = None,
    patience: Annotated[float, Query(alias="timeout", gt=0, le=MAX_WAIT)] = 10.0,
) -> Approval:
    """Answer a question. The first final answer counts; whoever comes later gets 409."""
    version = asked.version if if_match is None else _version(if_match, asked.version)
    given = asked.model_dump(exclude={"version"})
    answer = Answer(**given, version=version, channel=caller.channel)
    async with site.recorded(caller, "decide", a_question(approval)):
        try:
            decided = await site.runtime.decide(approval.id, caller.operator, answer)
        except AlreadyDecided:
            if not (is_again(request) and _is_stored(approval, caller, asked)):
                raise
            decided = approval
    response.headers["Location"] = f"/v1/runs/{decided.run_id}"
    if wait is not None:
        await waited(site, site.read(caller).runs.get(decided.run_id), wait, patience)
    return _tagged(response, decided)


@router.post("/{approval_id}/try-edit")
async def try_edit(approval: Decidable, asked: TryEdit, site: Here, caller: Who) -> Tried:
    """What policy says about the action with these arguments instead. Nothing is stored."""
    async with site.recorded(caller, "decide", a_question(approval)):
        tried = await site.runtime.desk.try_edit(approval.id, caller.operator, asked.arguments)
    return Tried(approval=tried.approval, counts=tried.ruling.counts, rules=tried.ruling.rules)


@router.post("/{approval_id}/undo")
async def undo(approval: Decidable, site: Here, caller: Who, response: Response) -> Approval:
    """Take one's own held answer back before it takes effect."""
    return await _done(site, caller, approval, response, site.runtime.desk.undo)


@router.post("/{approval_id}/claim")
async def claim(
    approval: Claimable, asked: ClaimIt, site: Here, caller: Who, response: Response
) -> Approval:
    """Say for two minutes that one is at work on it, or renew that."""
    async with site.recorded(caller, "claim", a_question(approval)):
        after = await site.runtime.desk.claim(approval.id, caller.operator, override=asked.override)
    return _tagged(response, after)


@router.post("/{approval_id}/release")
async def release(approval: Claimable, site: Here, caller: Who, response: Response) -> Approval:
    """Give one's own claim back."""
    return await _done(site, caller, approval, response, site.runtime.desk.release)


@router.post("/{approval_id}/delegate")
async def delegate(
    approval: Decidable, asked: Delegate, site: Here, caller: Who, response: Response
) -> Approval:
    """Hand one's part in it to somebody else. Policy still says whether their yes counts."""
    async with site.recorded(caller, "decide", a_question(approval)):
        after = await site.runtime.desk.delegate(
            approval.id, caller.operator, asked.to, asked.reason
        )
    return _tagged(response, after)


@router.post("/{approval_id}/refresh")
async def refresh(approval: Claimable, site: Here, caller: Who, response: Response) -> Approval:
    """Read its facts again; where one has changed, it is stale and the run asks anew."""
    return await _done(site, caller, approval, response, site.runtime.desk.refresh)


@router.get("/{approval_id}/comments")
async def comments(approval: Readable, site: Here, caller: Who) -> Comments:
    """What people told each other about it."""
    return Comments(items=site.read(caller).comments.find(approval.id))


@router.post("/{approval_id}/comments", status_code=201)
async def comment(
    approval: Annotated[Approval, Depends(OnApproval("comment"))],
    asked: Remark,
    site: Here,
    caller: Who,
) -> Comment:
    """Add a remark. It changes nothing about the question."""
    return await site.runtime.desk.comment(approval.id, caller.operator, asked.text)


def _is_stored(approval: Approval, caller: Caller, asked: Decide) -> bool:
    """Whether this very answer of this person is in the record: then asking again under its key
    is answered with it, although the process that stored it died before it could say so."""
    mine = [one for one in approval.decisions if one.operator == caller.name]
    said = [(one.kind, one.reason, one.arguments) for one in mine]
    return approval.digest == asked.digest and said == [(asked.kind, asked.reason, asked.arguments)]


async def _done(
    site: Here, caller: Caller, approval: Approval, response: Response, act: Any
) -> Approval:
    """One act of the desk that needs nothing beside the question and the person."""
    async with site.recorded(caller, "decide", a_question(approval)):
        return _tagged(response, await act(approval.id, caller.operator))


def _tagged(response: Response, approval: Approval) -> Approval:
    response.headers["ETag"] = f'"{approval.version}"'
    return approval


def _version(if_match: str, said: int | None) -> int | None:
    """The version in an If-Match header; `*` is any."""
    if if_match.strip() == "*":
        return said
    match = _ETAG.match(if_match.strip())
    if match is None or said not in (None, int(match[1])):
        raise InvalidInput("If-Match", if_match, "is not the ETag of the version that was seen")
    return int(match[1])


def _key(cursor: str | None, question: Any) -> Key | None:
    found = read_cursor(cursor, question, list)
    if found is None:
        return None
    match found:
        case [str() as value, str() as last]:
            return Key(value=value, id=last)
        case [int() as value, str() as last] if -(2**63) <= value < 2**63:
            return Key(value=value, id=last)
        case _:
            raise InvalidInput("cursor", cursor, "is no cursor of ours")

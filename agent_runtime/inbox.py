"""The inbox: which questions somebody wants to see, in which order, and how many there are."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from agent_runtime.approval import Approval, ApprovalStatus
from agent_runtime.verdict import Risk

Sort = Literal["age", "deadline", "amount"]
"""age: the oldest first; deadline: the soonest first; amount: the smallest first, after those
without one."""

MAX_PAGE = 200
WAITING: tuple[ApprovalStatus, ...] = ("open", "held")


class Filter(BaseModel):
    """Which questions; all that is given has to hold.

    `mine`: my answer is still missing by role or by name, or I have claimed it. `late`: past its
    reminder, or in the last quarter of its time. Amounts are inclusive, and leave out questions
    that move no money. `asked_before` and `asked_after` bound the age.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    statuses: Annotated[tuple[ApprovalStatus, ...], Field(min_length=1)] = WAITING
    mine: bool = False
    claimed: Literal["by_me", "by_others", "by_nobody"] | None = None
    late: bool = False
    workflow: str | None = None
    tool: str | None = None
    rule: str | None = None
    risk: Risk | None = None
    amount_from: Decimal | None = None
    amount_to: Decimal | None = None
    asked_before: datetime | None = None
    asked_after: datetime | None = None
    run_id: str | None = None


class Key(BaseModel):
    """Where a page ended: the sort's value of its last question, and its id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str | int
    id: str


class Order(BaseModel):
    """In which order, and after which key; `limit` is at most MAX_PAGE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sort: Sort = "age"
    descending: bool = False
    after: Key | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


FIRST_PAGE = Order()


class Page(BaseModel):
    """Some questions; `after` is where the next page begins, None on the last."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[Approval, ...]
    after: Key | None = None


class Counts(BaseModel):
    """How many questions a filter finds. `mine`, `late` and `claimed` (by anybody) are among
    `total`; a question under several rules counts for each of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    total: int
    mine: int
    late: int
    claimed: int
    statuses: dict[str, int]
    workflows: dict[str, int]
    tools: dict[str, int]
    rules: dict[str, int]
    risks: dict[str, int]


def finds(text: str, asked: Approval) -> bool:
    """Whether each word of a search stands in what people are shown of the question, in small
    letters or large ones."""
    action = asked.action
    parts = [asked.id, asked.run_id, asked.workflow, action.tool, action.target_type]
    parts += [action.target_id, asked.started_by, *asked.rules]
    values = (*asked.facts.values(), *action.arguments.values())
    parts += [one if isinstance(one, str) else to_json(one).decode() for one in values]
    whole = "\n".join(parts).casefold()
    return all(word in whole for word in text.casefold().split())


def may_find(text: str, body: str) -> bool:
    """Whether `finds` may say so of a question whose JSON this is: a look at the text alone, which
    leaves out most at a fifth of the cost of reading them, and none that is to be found."""
    whole = body.casefold()
    words = text.casefold().split()
    return all(word in whole or to_json(word).decode()[1:-1] in whole for word in words)

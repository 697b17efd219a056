"""A look at the inbox: which view, filters and order an address asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, assert_never
from urllib.parse import urlencode

from fastapi import Depends, Query

from agent_runtime.approval import ApprovalStatus
from agent_runtime.errors import InvalidInput
from agent_runtime.inbox import WAITING, Filter, Order, Sort
from agent_runtime.verdict import Risk

View = Literal["mine", "open", "late", "done"]
Chosen = Literal["deadline", "age", "amount"]

DONE: tuple[ApprovalStatus, ...] = (
    "approved", "rejected", "responded", "edited", "expired", "escalated", "stale", "voided",
    "withdrawn",
)  # fmt: skip

MOST = 10**13
"""Amounts that people filter by are below it."""

Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Look:
    """Everything that an address of the inbox says; what is empty says nothing."""

    view: View = "open"
    rule: str = ""
    workflow: str = ""
    risk: Literal["", "low", "medium", "high"] = ""
    amount_from: str = ""
    amount_to: str = ""
    q: str = ""
    sort: Chosen = "deadline"

    @property
    def is_narrowed(self) -> bool:
        """Whether it hides something of its view."""
        return self.plain != Look(view=self.view, sort=self.sort)

    @property
    def plain(self) -> Look:
        """The same without blanks around what was typed."""
        return replace(self, q=self.q.strip())

    @property
    def statuses(self) -> tuple[ApprovalStatus, ...]:
        """Of its view."""
        return DONE if self.view == "done" else WAITING

    def wanted(self) -> Filter:
        """Which questions; raises InvalidInput for an amount that is none."""
        risk: Risk | None = self.risk or None
        return Filter(
            statuses=self.statuses,
            mine=self.view == "mine",
            late=self.view == "late",
            rule=self.rule or None,
            workflow=self.workflow or None,
            risk=risk,
            amount_from=_amount("amount_from", self.amount_from),
            amount_to=_amount("amount_to", self.amount_to),
        )

    def order(self) -> Order:
        """In which order: what is most urgent first; of what is done the newest."""
        if self.view == "done" and self.sort == "deadline":
            return Order(sort="age", descending=True)
        sort: Sort = self.sort
        match sort:
            case "deadline" | "age":
                return Order(sort=sort, descending=self.view == "done")
            case "amount":
                return Order(sort=sort, descending=True)
            case _:
                assert_never(sort)

    def query(self, **changes: str) -> str:
        """The address's query with these changes; what is as always is left out."""
        said = asdict(replace(self.plain, **changes))  # type: ignore[arg-type]  # names of ours
        plain = asdict(Look())
        kept = {name: value for name, value in said.items() if value != plain[name]}
        return f"?{urlencode(kept)}" if kept else ""


async def look_of(
    view: View = "open",
    rule: Text = "",
    workflow: Text = "",
    risk: Literal["", "low", "medium", "high"] = "",
    amount_from: Text = "",
    amount_to: Text = "",
    q: Text = "",
    sort: Chosen = "deadline",
) -> Look:
    """What the request's address asks for."""
    return Look(view, rule, workflow, risk, amount_from, amount_to, q, sort)


Looked = Annotated[Look, Depends(look_of)]


def _amount(name: str, text: str) -> Decimal | None:
    plain = text.strip().replace(",", ".").replace(" ", "")
    if not plain:
        return None
    try:
        found = Decimal(plain)
    except InvalidOperation as error:
        raise InvalidInput(
            name, text, "is no amount", remedy="Write it as 250 or 99.90."
        ) from error
    if not found.is_finite() or abs(found) >= MOST or found != round(found, 4):
        raise InvalidInput(name, text, "is no amount", remedy="Write it as 250 or 99.90.")
    return found

"""What the shop itself says about a call: owner, status, version and the money it would move."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from agent_runtime.errors import ToolRefused
from agent_runtime.tool import Function, ToolCall
from tools.shop.database import Shop
from tools.shop.rules import (
    CancelOrder,
    ChangePayment,
    ReplaceItems,
    ReturnItems,
    find_line,
    find_variant,
)
from tools.shop.session import Record, Session

A = TypeVar("A", bound=BaseModel)
Amount = Callable[[Session, Record, A], Decimal]


class OrderFacts(BaseModel):
    """Facts on one order and the call about it.

    `amount` is USD: refunded by a cancellation or return, moved by a change of payment, signed
    difference (negative: to the customer) for replaced items; None where no money is concerned
    or it cannot be computed. `same_item`: some item would be replaced by itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str
    status: str
    version: int
    amount: Decimal | None = None
    same_item: bool = False


class ProfileFacts(BaseModel):
    """Facts on one customer's profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str
    version: int


def money(amount: float) -> Decimal:
    """A binary price as the decimal number that it is written as."""
    return Decimal(str(amount))


def order_facts(amount: Amount[A] | None = None) -> Function:
    """A facts reader for tools on orders. Raises ToolRefused when the order does not exist.

    An amount that cannot be computed is left out instead of refused: owner, status and version
    are still told, so that a re-check can name what has changed.
    """

    async def facts(args: A, call: ToolCall) -> OrderFacts:
        async with call.get(Shop).reading() as session:
            order = session.order(str(getattr(args, "order_id", "")))
            moved = None if amount is None else _computed(amount, session, order.record, args)
        return OrderFacts(
            owner=order.record["user_id"],
            status=order.record["status"],
            version=order.version,
            amount=moved,
            same_item=isinstance(args, ReplaceItems) and _same_item(args),
        )

    return facts


def cancelled_amount(session: Session, order: Record, args: CancelOrder) -> Decimal:  # noqa: ARG001 - an Amount
    """What a cancellation books as refunds.

    That is the order's total, unless the payment was changed before: then every entry is
    mirrored, and the amount says so.
    """
    return sum((money(entry["amount"]) for entry in order["payment_history"]), Decimal(0))


def returned_amount(session: Session, order: Record, args: ReturnItems) -> Decimal:  # noqa: ARG001 - an Amount
    """The prices of the items that come back."""
    left = list(order["items"])
    total = Decimal(0)
    for item_id in args.item_ids:
        line = find_line(left, item_id)
        left.remove(line)
        total += money(line["price"])
    return total


def price_difference(session: Session, order: Record, args: ReplaceItems) -> Decimal:
    """New prices less old prices; negative when money is due to the customer."""
    if len(args.item_ids) != len(args.new_item_ids):
        raise ToolRefused("The number of items to be exchanged should match")
    total = Decimal(0)
    for old_id, new_id in zip(args.item_ids, args.new_item_ids, strict=True):
        line = find_line(order["items"], old_id)
        total += money(find_variant(session, line, new_id)["price"]) - money(line["price"])
    return total


def moved_payment(session: Session, order: Record, args: ChangePayment) -> Decimal:  # noqa: ARG001 - an Amount
    """The first payment, which moves as a whole."""
    if not order["payment_history"]:
        raise ToolRefused("There should be exactly one payment for a pending order")
    return money(order["payment_history"][0]["amount"])


def _computed(amount: Amount[A], session: Session, order: Record, args: A) -> Decimal | None:
    try:
        return amount(session, order, args)
    except ToolRefused:
        return None


def _same_item(args: ReplaceItems) -> bool:
    return any(old == new for old, new in zip(args.item_ids, args.new_item_ids, strict=False))

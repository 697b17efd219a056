"""When an order may be changed: arguments, preconditions and what follows from them.

Each rule set is one function that only looks things up. A tool's check runs it beforehand and
its change runs it again inside the transaction, so that both refuse alike. All raise ToolRefused
with the message of the first precondition that fails; the order of preconditions is the shop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from agent_runtime.errors import ToolRefused
from agent_runtime.tool import Function, ToolCall
from tools.shop.database import Shop
from tools.shop.session import Record, Row, Session, is_gift_card

CANCEL_REASONS = ("no longer needed", "ordered by mistake")


def _known_reason(reason: Any) -> Any:
    # Not a ValueError: pydantic would wrap it, and the shop's own message would be lost.
    if reason not in CANCEL_REASONS:
        raise ToolRefused("Invalid reason")
    return reason


class OrderArguments(BaseModel):
    """Which order is concerned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: str


class CancelOrder(OrderArguments):
    """Which pending order is cancelled, and why. Another reason raises ToolRefused."""

    reason: Annotated[
        Literal["no longer needed", "ordered by mistake"], BeforeValidator(_known_reason)
    ]


class ReturnItems(OrderArguments):
    """Which items of a delivered order come back, and where the refund goes."""

    item_ids: list[str]
    payment_method_id: str


class ReplaceItems(OrderArguments):
    """Which items are replaced by which, position by position, and who pays the difference."""

    item_ids: list[str]
    new_item_ids: list[str]
    payment_method_id: str


class ChangePayment(OrderArguments):
    """Which pending order is paid by which other method."""

    payment_method_id: str


@dataclass(frozen=True)
class Replacement:
    """A permitted replacement: the variants in the order of the call, and the price difference.

    `difference` is in USD, unrounded, a binary float like all of the shop's prices; negative
    when money is due to the customer.
    """

    order: Row
    variants: tuple[Record, ...]
    difference: float


A = TypeVar("A", bound=BaseModel)


def checking(rules: Callable[[Session, A], object]) -> Function:
    """A tool's check that runs a rule set on the present records and changes nothing."""

    async def check(args: A, call: ToolCall) -> None:
        async with call.get(Shop).reading() as session:
            rules(session, args)

    return check


def cancellable(session: Session, args: CancelOrder) -> Row:
    """The order, when it may be cancelled."""
    order = session.order(args.order_id)
    if order.record["status"] != "pending":
        raise ToolRefused("Non-pending order cannot be cancelled")
    for entry in order.record["payment_history"]:
        session.payment_method(order.record["user_id"], entry["payment_method_id"])
    return order


def returnable(session: Session, args: ReturnItems) -> Row:
    """The order, when these items may come back and the refund may go to that method."""
    order = session.order(args.order_id)
    if order.record["status"] != "delivered":
        raise ToolRefused("Non-delivered order cannot be returned")
    method = session.payment_method(order.record["user_id"], args.payment_method_id)
    if not is_gift_card(method) and args.payment_method_id != original_method(order.record):
        raise ToolRefused("Payment method should be the original payment method")
    if first_missing(order.record, args.item_ids) is not None:
        raise ToolRefused("Some item not found")
    return order


def exchangeable(session: Session, args: ReplaceItems) -> Replacement:
    """The replacement in a delivered order; its difference is rounded to cents."""
    order = session.order(args.order_id)
    if order.record["status"] != "delivered":
        raise ToolRefused("Non-delivered order cannot be exchanged")
    missing = first_missing(order.record, args.item_ids)
    if missing is not None:
        raise ToolRefused(f"Number of {missing} not found.")
    if len(args.item_ids) != len(args.new_item_ids):
        raise ToolRefused("The number of items to be exchanged should match.")
    lines, variants = _pairs(session, order.record, args)
    difference = round(_difference(lines, variants), 2)
    method = session.payment_method(order.record["user_id"], args.payment_method_id)
    if is_gift_card(method) and method["balance"] < difference:
        raise ToolRefused("Insufficient gift card balance to pay for the price difference")
    return Replacement(order, variants, difference)


def replaceable(session: Session, args: ReplaceItems) -> Replacement:
    """The replacement in a pending order, each new item different from the old one."""
    order = session.order(args.order_id)
    if order.record["status"] != "pending":
        raise ToolRefused("Non-pending order cannot be modified")
    missing = first_missing(order.record, args.item_ids)
    if missing is not None:
        raise ToolRefused(f"{missing} not found")
    if len(args.item_ids) != len(args.new_item_ids):
        raise ToolRefused("The number of items to be exchanged should match")
    lines, variants = _pairs(session, order.record, args, same_allowed=False)
    difference = _difference(lines, variants)
    method = session.payment_method(order.record["user_id"], args.payment_method_id)
    if is_gift_card(method) and method["balance"] < difference:
        raise ToolRefused("Insufficient gift card balance to pay for the new item")
    return Replacement(order, variants, difference)


def repayable(session: Session, args: ChangePayment) -> Row:
    """The order, when its single payment may move to the other method."""
    order = _still_pending(session, args.order_id)
    method = session.payment_method(order.record["user_id"], args.payment_method_id)
    history = order.record["payment_history"]
    if len(history) != 1 or history[0]["transaction_type"] != "payment":
        raise ToolRefused("There should be exactly one payment for a pending order")
    if history[0]["payment_method_id"] == args.payment_method_id:
        raise ToolRefused("The new payment method should be different from the current one")
    if is_gift_card(method) and method["balance"] < history[0]["amount"]:
        raise ToolRefused("Insufficient gift card balance to pay for the order")
    session.payment_method(order.record["user_id"], history[0]["payment_method_id"])
    return order


def redirectable(session: Session, args: OrderArguments) -> Row:
    """The order, when it may go to another address."""
    return _still_pending(session, args.order_id)


def original_method(order: Record) -> str | None:
    """The method that the order was first paid with, None when nothing was paid."""
    history = order.get("payment_history", [])
    return str(history[0]["payment_method_id"]) if history else None


def first_missing(order: Record, item_ids: list[str]) -> str | None:
    """The first id that is named more often than the order has it, or None."""
    present = [line["item_id"] for line in order["items"]]
    return next((i for i in item_ids if item_ids.count(i) > present.count(i)), None)


def find_line(lines: Iterable[Record], item_id: str) -> Record:
    """The first line with that item."""
    for line in lines:
        if line["item_id"] == item_id:
            return line
    raise ToolRefused(f"{item_id} not found")


def find_variant(session: Session, line: Record, item_id: str) -> Record:
    """A variant of the product on that line, available or not."""
    variant: Record | None = session.product(line["product_id"])["variants"].get(item_id)
    if variant is None:
        raise ToolRefused("Variant not found")
    return variant


def _still_pending(session: Session, order_id: str) -> Row:
    order = session.order(order_id)
    if "pending" not in order.record["status"]:
        raise ToolRefused("Non-pending order cannot be modified")
    return order


def _pairs(
    session: Session, order: Record, args: ReplaceItems, *, same_allowed: bool = True
) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    lines, variants = [], []
    for old_id, new_id in zip(args.item_ids, args.new_item_ids, strict=True):
        if old_id == new_id and not same_allowed:
            raise ToolRefused("The new item id should be different from the old item id")
        line = find_line(order["items"], old_id)
        variant = find_variant(session, line, new_id)
        if not variant["available"]:
            raise ToolRefused(f"New item {new_id} not found or available")
        lines.append(line)
        variants.append(variant)
    return tuple(lines), tuple(variants)


def _difference(lines: Iterable[Record], variants: Iterable[Record]) -> float:
    # Not sum(): from Python 3.12 on it compensates, and the last bit would differ from the shop's.
    difference = 0.0
    for line, variant in zip(lines, variants, strict=True):
        difference += variant["price"] - line["price"]
    return difference

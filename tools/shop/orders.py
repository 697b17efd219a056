"""The retail tools that change an order's items or money."""

from __future__ import annotations

from typing import Any

from agent_runtime.tool import ToolCall, tool
from tools.shop.database import Shop
from tools.shop.facts import (
    cancelled_amount,
    moved_payment,
    order_facts,
    price_difference,
    returned_amount,
)
from tools.shop.rules import (
    CancelOrder,
    ChangePayment,
    ReplaceItems,
    ReturnItems,
    cancellable,
    checking,
    exchangeable,
    find_line,
    repayable,
    replaceable,
    returnable,
)
from tools.shop.session import Record, Session


@tool(
    effect="write",
    recovery="idempotency_key",
    target="Order.order_id",
    facts=order_facts(cancelled_amount),
    check=checking(cancellable),
)
async def cancel_pending_order(args: CancelOrder, call: ToolCall) -> dict[str, Any]:
    """Cancel a pending order and refund it to the method it was paid with.

    The reason is "no longer needed" or "ordered by mistake". Gives the order after the change.
    """
    return await call.get(Shop).once(
        call, "cancel_pending_order", args.order_id, lambda s: _cancel(s, args)
    )


@tool(
    effect="write",
    recovery="idempotency_key",
    target="Order.order_id",
    facts=order_facts(returned_amount),
    check=checking(returnable),
)
async def return_delivered_order_items(args: ReturnItems, call: ToolCall) -> dict[str, Any]:
    """Request the return of items of a delivered order, once per order.

    The refund goes to the original payment method or to a gift card of the same customer.
    Gives the order after the change.
    """
    return await call.get(Shop).once(
        call, "return_delivered_order_items", args.order_id, lambda s: _return(s, args)
    )


@tool(
    effect="write",
    recovery="idempotency_key",
    target="Order.order_id",
    facts=order_facts(price_difference),
    check=checking(exchangeable),
)
async def exchange_delivered_order_items(args: ReplaceItems, call: ToolCall) -> dict[str, Any]:
    """Request the exchange of items of a delivered order for available variants of the same
    products, position by position, once per order.

    The payment method pays or receives the price difference. Gives the order after the change.
    """
    return await call.get(Shop).once(
        call, "exchange_delivered_order_items", args.order_id, lambda s: _exchange(s, args)
    )


@tool(
    effect="write",
    recovery="idempotency_key",
    target="Order.order_id",
    facts=order_facts(price_difference),
    check=checking(replaceable),
)
async def modify_pending_order_items(args: ReplaceItems, call: ToolCall) -> dict[str, Any]:
    """Replace items of a pending order by other available variants of the same products,
    position by position, once per order.

    The payment method pays or receives the price difference. Gives the order after the change.
    """
    return await call.get(Shop).once(
        call, "modify_pending_order_items", args.order_id, lambda s: _replace(s, args)
    )


@tool(
    effect="write",
    recovery="idempotency_key",
    target="Order.order_id",
    facts=order_facts(moved_payment),
    check=checking(repayable),
)
async def modify_pending_order_payment(args: ChangePayment, call: ToolCall) -> dict[str, Any]:
    """Pay a pending order by another method of the same customer, once per order.

    Gives the order after the change.
    """
    return await call.get(Shop).once(
        call, "modify_pending_order_payment", args.order_id, lambda s: _repay(s, args)
    )


def _cancel(session: Session, args: CancelOrder) -> Record:
    order = cancellable(session, args).record
    # The benchmark mirrors every entry, earlier refunds included; its expected results need it.
    for entry in list(order["payment_history"]):
        _book(order, "refund", entry["amount"], entry["payment_method_id"])
        session.add_to_gift_card(order["user_id"], entry["payment_method_id"], entry["amount"])
    order.update(status="cancelled", cancel_reason=args.reason)
    return session.save_order(order).record


def _return(session: Session, args: ReturnItems) -> Record:
    order = returnable(session, args).record
    order.update(
        status="return requested",
        return_items=sorted(args.item_ids),
        return_payment_method_id=args.payment_method_id,
    )
    return session.save_order(order).record


def _exchange(session: Session, args: ReplaceItems) -> Record:
    replacement = exchangeable(session, args)
    order = replacement.order.record
    order.update(
        status="exchange requested",
        exchange_items=sorted(args.item_ids),
        exchange_new_items=sorted(args.new_item_ids),
        exchange_payment_method_id=args.payment_method_id,
        exchange_price_difference=replacement.difference,
    )
    return session.save_order(order).record


def _replace(session: Session, args: ReplaceItems) -> Record:
    replacement = replaceable(session, args)
    order, difference = replacement.order.record, replacement.difference
    kind = "payment" if difference > 0 else "refund"
    _book(order, kind, abs(difference), args.payment_method_id)
    session.add_to_gift_card(order["user_id"], args.payment_method_id, -difference)
    for old_id, new_id in zip(args.item_ids, args.new_item_ids, strict=True):
        # The benchmark gives every changed line price and options of the call's last variant,
        # and finds the lines again while it changes them; its expected results need both.
        last = replacement.variants[-1]
        line = find_line(order["items"], old_id)
        line.update(item_id=new_id, price=last["price"], options=last["options"])
    order["status"] = "pending (item modified)"
    return session.save_order(order).record


def _repay(session: Session, args: ChangePayment) -> Record:
    order = repayable(session, args).record
    paid = order["payment_history"][0]
    amount, old_method = paid["amount"], paid["payment_method_id"]
    _book(order, "payment", amount, args.payment_method_id)
    _book(order, "refund", amount, old_method)
    session.add_to_gift_card(order["user_id"], args.payment_method_id, -amount)
    session.add_to_gift_card(order["user_id"], old_method, amount)
    return session.save_order(order).record


def _book(order: Record, kind: str, amount: float, method_id: str) -> None:
    order["payment_history"].append(
        {"transaction_type": kind, "amount": amount, "payment_method_id": method_id}
    )

"""The retail tools that change an order: what they do, refuse and repeat."""

from __future__ import annotations

import pytest

from agent_runtime.errors import ToolRefused
from agent_runtime.tool import Tool
from tests.shop.desk import (
    CARD,
    GIFT,
    HOME,
    LAMP_SMALL,
    LAMP_TALL,
    MUG_BLUE,
    MUG_GOLD,
    MUG_WHITE,
    PAYPAL,
    Arguments,
    OpenDesk,
    cancelling,
    make_order,
    paying,
    replacing,
    returning,
)
from tools.shop import (
    cancel_pending_order,
    exchange_delivered_order_items,
    modify_pending_order_address,
    modify_pending_order_items,
    modify_pending_order_payment,
    modify_user_address,
    return_delivered_order_items,
)


async def test_a_cancelled_order_is_refunded_to_its_method(open_desk: OpenDesk) -> None:
    """Cancelling books a refund and keeps the reason."""
    desk = await open_desk(make_order())
    order = await desk.run(cancel_pending_order, cancelling())
    refund = {"transaction_type": "refund", "amount": 40.3, "payment_method_id": CARD}
    assert order["payment_history"][1:] == [refund]
    assert (order["status"], order["cancel_reason"]) == ("cancelled", "no longer needed")
    assert (await desk.shop.dump())["orders"]["#1"] == order


async def test_a_cancelled_order_refills_the_gift_card_at_once(open_desk: OpenDesk) -> None:
    """A gift card is the one method whose balance the shop keeps."""
    desk = await open_desk(make_order(paid_with=GIFT))
    await desk.run(cancel_pending_order, cancelling())
    assert await desk.balance() == 90.3


async def test_cancelling_after_a_change_of_payment_mirrors_refunds(open_desk: OpenDesk) -> None:
    """The benchmark's quirk: all three entries are mirrored, the refund included."""
    desk = await open_desk(make_order())
    await desk.run(modify_pending_order_payment, paying(GIFT))
    assert await desk.balance() == 9.7
    facts = await desk.facts(cancel_pending_order, cancelling())
    order = await desk.run(cancel_pending_order, cancelling())
    methods = [e["payment_method_id"] for e in order["payment_history"][3:]]
    assert (methods, await desk.balance()) == ([CARD, GIFT, CARD], 50.0)
    assert f"{facts.amount}" == "120.9"


async def test_a_return_is_requested_without_moving_money(open_desk: OpenDesk) -> None:
    """A return sorts the item ids and leaves payments and balances alone."""
    desk = await open_desk(make_order("#1", LAMP_TALL, MUG_WHITE, MUG_WHITE, status="delivered"))
    order = await desk.run(
        return_delivered_order_items, returning(LAMP_TALL, MUG_WHITE, MUG_WHITE, to=GIFT)
    )
    assert order["return_items"] == [MUG_WHITE, MUG_WHITE, LAMP_TALL]
    assert (order["status"], order["return_payment_method_id"]) == ("return requested", GIFT)
    assert (len(order["payment_history"]), await desk.balance()) == (1, 50.0)


async def test_an_exchange_notes_the_rounded_difference(open_desk: OpenDesk) -> None:
    """An exchange sorts both lists by themselves and changes no line."""
    desk = await open_desk(make_order(status="delivered"))
    pairs = ((LAMP_TALL, LAMP_SMALL), (MUG_WHITE, MUG_BLUE))
    order = await desk.run(exchange_delivered_order_items, replacing(*pairs))
    assert order["exchange_items"] == [MUG_WHITE, LAMP_TALL]
    assert order["exchange_new_items"] == [MUG_BLUE, LAMP_SMALL]
    assert order["exchange_price_difference"] == -3.0
    assert order["items"] == make_order()["items"]


async def test_one_replaced_item_gets_its_own_price(open_desk: OpenDesk) -> None:
    """With one pair, the line has the new variant's id, price and options."""
    desk = await open_desk(make_order())
    order = await desk.run(modify_pending_order_items, replacing((MUG_WHITE, MUG_BLUE), by=GIFT))
    line = order["items"][0]
    assert (line["item_id"], line["price"], line["options"]) == (MUG_BLUE, 12.3, {"color": "blue"})
    assert order["payment_history"][1]["amount"] == 12.3 - 10.1
    assert (order["status"], await desk.balance()) == ("pending (item modified)", 47.8)


async def test_several_replaced_items_all_get_the_last_ones_price(open_desk: OpenDesk) -> None:
    """The benchmark's quirk: right ids and difference, but the last pair's price and options."""
    desk = await open_desk(make_order())
    pairs = ((MUG_WHITE, MUG_BLUE), (LAMP_TALL, LAMP_SMALL))
    order = await desk.run(modify_pending_order_items, replacing(*pairs, by=GIFT))
    assert [line["item_id"] for line in order["items"]] == [MUG_BLUE, LAMP_SMALL]
    assert [line["price"] for line in order["items"]] == [25.0, 25.0]
    assert [line["options"] for line in order["items"]] == [{"color": "small"}] * 2
    assert order["payment_history"][1]["transaction_type"] == "refund"
    assert await desk.balance() == 53.0


async def test_lines_are_found_again_while_they_change(open_desk: OpenDesk) -> None:
    """The benchmark's quirk: an old id may hit the line that an earlier pair just changed."""
    desk = await open_desk(make_order("#1", MUG_WHITE, MUG_BLUE))
    pairs = ((MUG_WHITE, MUG_BLUE), (MUG_BLUE, MUG_WHITE))
    order = await desk.run(modify_pending_order_items, replacing(*pairs))
    assert [line["item_id"] for line in order["items"]] == [MUG_WHITE, MUG_BLUE]


async def test_a_change_of_payment_books_both_sides(open_desk: OpenDesk) -> None:
    """The new method pays, the old one is refunded, the status stays."""
    desk = await open_desk(make_order(paid_with=GIFT))
    order = await desk.run(modify_pending_order_payment, paying(PAYPAL))
    booked = [(e["transaction_type"], e["payment_method_id"]) for e in order["payment_history"]]
    assert booked == [("payment", GIFT), ("payment", PAYPAL), ("refund", GIFT)]
    assert (order["status"], await desk.balance()) == ("pending", 90.3)


async def test_addresses_are_replaced_as_a_whole(open_desk: OpenDesk) -> None:
    """Order and profile have an address each; changing one leaves the other."""
    desk = await open_desk(make_order(status="pending (item modified)"))
    order = await desk.run(modify_pending_order_address, {"order_id": "#1", **HOME})
    assert order["address"] == HOME
    assert (await desk.shop.dump())["users"]["ada"]["address"]["city"] == "Oslo"
    user = await desk.run(modify_user_address, {"user_id": "ada", **HOME})
    assert user["address"] == HOME
    assert user["payment_methods"][GIFT]["balance"] == 50.0


REFUSED: list[tuple[Tool, Arguments, str]] = [
    (cancel_pending_order, cancelling("#0"), "Order not found"),
    (cancel_pending_order, cancelling("#sent"), "Non-pending order cannot be cancelled"),
    (cancel_pending_order, cancelling("#foreign"), "Payment method not found"),
    (cancel_pending_order, cancelling(reason="bored"), "Invalid reason"),
    (return_delivered_order_items, returning("?", order_id="#0"), "Order not found"),
    (return_delivered_order_items, returning("?"), "Non-delivered order cannot be returned"),
    (
        return_delivered_order_items,
        returning("?", order_id="#sent", to="card-9"),
        "Payment method not found",
    ),
    (
        return_delivered_order_items,
        returning("?", order_id="#sent", to=PAYPAL),
        "Payment method should be the original payment method",
    ),
    (
        return_delivered_order_items,
        returning(MUG_WHITE, MUG_WHITE, order_id="#sent"),
        "Some item not found",
    ),
]

REFUSED_REPLACEMENTS: list[tuple[Arguments, str, str]] = [
    (replacing(("?", "?"), order_id="#0"), "Order not found", "Order not found"),
    (
        replacing(("?", "?"), order_id="#cancelled"),
        "Non-delivered order cannot be exchanged",
        "Non-pending order cannot be modified",
    ),
    (replacing(("?", "?"), spare=1), "Number of ? not found.", "? not found"),
    (
        replacing((MUG_WHITE, "?"), spare=1),
        "The number of items to be exchanged should match.",
        "The number of items to be exchanged should match",
    ),
    (replacing((MUG_WHITE, LAMP_TALL), by="card-9"), "Variant not found", "Variant not found"),
    (
        replacing((MUG_WHITE, MUG_GOLD), by="card-9"),
        f"New item {MUG_GOLD} not found or available",
        f"New item {MUG_GOLD} not found or available",
    ),
    (
        replacing((MUG_WHITE, MUG_BLUE), by="card-9"),
        "Payment method not found",
        "Payment method not found",
    ),
    (
        replacing((MUG_WHITE, MUG_BLUE), by="gift-empty"),
        "Insufficient gift card balance to pay for the price difference",
        "Insufficient gift card balance to pay for the new item",
    ),
]

REFUSED_PAYMENTS = [
    (paying("card-9", "#0"), "Order not found"),
    (paying("card-9", "#sent"), "Non-pending order cannot be modified"),
    (paying("card-9", "#repaid"), "Payment method not found"),
    (paying(CARD, "#repaid"), "There should be exactly one payment for a pending order"),
    (paying(CARD), "The new payment method should be different from the current one"),
    (paying("gift-empty"), "Insufficient gift card balance to pay for the order"),
]


async def refuse(open_desk: OpenDesk, tool: Tool, arguments: Arguments, message: str) -> None:
    """The check and the write refuse alike, and nothing changes."""
    repaid = make_order("#repaid")
    repaid["payment_history"] *= 2
    sent, foreign = make_order("#sent", status="delivered"), make_order("#foreign", paid_with="x")
    cancelled = make_order("#cancelled", status="cancelled")
    status = "delivered" if tool is exchange_delivered_order_items else "pending"
    desk = await open_desk(make_order(status=status), repaid, sent, foreign, cancelled)
    users = (await desk.shop.dump())["users"]
    empty = {"source": "gift_card", "id": "gift-empty", "balance": 0.5}
    users["ada"]["payment_methods"]["gift-empty"] = empty
    await desk.shop.load({"users": users})
    before = await desk.shop.dump()
    for attempt in (desk.check, desk.run):
        with pytest.raises(ToolRefused) as refused:
            await attempt(tool, arguments)
        assert refused.value.message == message
    assert await desk.shop.dump() == before


@pytest.mark.parametrize(("tool", "arguments", "message"), REFUSED)
async def test_the_first_precondition_that_fails_is_named(
    open_desk: OpenDesk, tool: Tool, arguments: Arguments, message: str
) -> None:
    """Cancelling and returning are refused in the shop's words and order."""
    await refuse(open_desk, tool, arguments, message)


@pytest.mark.parametrize(("arguments", "exchange", "modify"), REFUSED_REPLACEMENTS)
async def test_replacements_are_refused_in_order(
    open_desk: OpenDesk, arguments: Arguments, exchange: str, modify: str
) -> None:
    """Exchanges and modifications have the same preconditions in words of their own."""
    await refuse(open_desk, exchange_delivered_order_items, arguments, exchange)
    await refuse(open_desk, modify_pending_order_items, arguments, modify)


async def test_a_pending_item_cannot_be_replaced_by_itself(open_desk: OpenDesk) -> None:
    """That is refused before the variant is even looked at; an exchange accepts it."""
    same = replacing((MUG_WHITE, MUG_WHITE), by="card-9")
    message = "The new item id should be different from the old item id"
    await refuse(open_desk, modify_pending_order_items, same, message)
    desk = await open_desk(make_order(status="delivered"))
    await desk.check(exchange_delivered_order_items, {**same, "payment_method_id": CARD})


@pytest.mark.parametrize(("arguments", "message"), REFUSED_PAYMENTS)
async def test_changes_of_payment_are_refused_in_order(
    open_desk: OpenDesk, arguments: Arguments, message: str
) -> None:
    """A change of payment works once, to another method that can pay."""
    await refuse(open_desk, modify_pending_order_payment, arguments, message)


async def test_addresses_of_what_is_gone_or_sent_are_refused(open_desk: OpenDesk) -> None:
    """Only pending orders and existing customers can get another address."""
    order = modify_pending_order_address
    await refuse(open_desk, order, {"order_id": "#0", **HOME}, "Order not found")
    sent = {"order_id": "#sent", **HOME}
    await refuse(open_desk, order, sent, "Non-pending order cannot be modified")
    await refuse(open_desk, modify_user_address, {"user_id": "bo", **HOME}, "User not found")


async def test_an_item_can_be_modified_only_once(open_desk: OpenDesk) -> None:
    """The status after a modification refuses another one, and a cancellation."""
    desk = await open_desk(make_order())
    await desk.run(modify_pending_order_items, replacing((MUG_WHITE, MUG_BLUE)))
    with pytest.raises(ToolRefused, match=r"^Non-pending order cannot be modified$"):
        await desk.run(modify_pending_order_items, replacing((MUG_BLUE, MUG_WHITE)))
    with pytest.raises(ToolRefused, match=r"^Non-pending order cannot be cancelled$"):
        await desk.run(cancel_pending_order, cancelling())


async def test_unknown_arguments_are_refused(open_desk: OpenDesk) -> None:
    """An argument that the tool does not have names itself as the fault."""
    desk = await open_desk(make_order())
    with pytest.raises(ToolRefused, match="cancel_pending_order: force: Extra inputs"):
        await desk.run(cancel_pending_order, {**cancelling(), "force": True})

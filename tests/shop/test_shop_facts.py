"""What the shop says about a call before it is made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agent_runtime.errors import ToolRefused
from agent_runtime.tool import Tool
from tests.shop.desk import (
    GIFT,
    HOME,
    LAMP_SMALL,
    LAMP_TALL,
    MUG_BLUE,
    MUG_WHITE,
    PAYPAL,
    OpenDesk,
    cancelling,
    make_order,
    paying,
    replacing,
    returning,
)
from tools.shop import (
    TOOLS,
    cancel_pending_order,
    exchange_delivered_order_items,
    modify_pending_order_address,
    modify_pending_order_items,
    modify_pending_order_payment,
    modify_user_address,
    return_delivered_order_items,
)
from tools.shop.facts import OrderFacts, ProfileFacts

WRITES = [tool for tool in TOOLS if tool.effect == "write"]


@pytest.mark.parametrize(
    ("tool", "arguments", "amount"),
    [
        (cancel_pending_order, cancelling(), "40.3"),
        (modify_pending_order_payment, paying(PAYPAL), "40.3"),
        (modify_pending_order_items, replacing((MUG_WHITE, MUG_BLUE)), "2.2"),
        (
            exchange_delivered_order_items,
            replacing((MUG_WHITE, MUG_BLUE), (LAMP_TALL, LAMP_SMALL)),
            "-3.0",
        ),
        (return_delivered_order_items, returning(MUG_WHITE), "10.1"),
    ],
)
async def test_the_amount_is_what_the_call_would_move(
    open_desk: OpenDesk, tool: Tool, arguments: dict[str, Any], amount: str
) -> None:
    """Amounts are exact decimals, computed from the shop's own prices."""
    desk = await open_desk(make_order())
    facts = await desk.facts(tool, arguments)
    assert facts == OrderFacts(owner="ada", status="pending", version=1, amount=Decimal(amount))


async def test_each_copy_of_an_item_counts_once(open_desk: OpenDesk) -> None:
    """Returning two mugs of three moves the price of two."""
    desk = await open_desk(make_order("#1", MUG_WHITE, MUG_WHITE, MUG_WHITE, status="delivered"))
    facts = await desk.facts(return_delivered_order_items, returning(MUG_WHITE, MUG_WHITE))
    assert facts.amount == Decimal("20.2")


async def test_an_exchange_for_the_same_item_is_told(open_desk: OpenDesk) -> None:
    """One pair of the same id is enough."""
    desk = await open_desk(make_order(status="delivered"))
    pairs = ((LAMP_TALL, LAMP_SMALL), (MUG_WHITE, MUG_WHITE))
    facts = await desk.facts(exchange_delivered_order_items, replacing(*pairs))
    assert (facts.same_item, facts.amount) == (True, Decimal("-5.2"))


async def test_addresses_move_no_money(open_desk: OpenDesk) -> None:
    """An order's address has an owner and a status; a profile has an owner."""
    desk = await open_desk(make_order())
    order = await desk.facts(modify_pending_order_address, {"order_id": "#1", **HOME})
    assert order == OrderFacts(owner="ada", status="pending", version=1)
    profile = await desk.facts(modify_user_address, {"user_id": "ada", **HOME})
    assert profile == ProfileFacts(owner="ada", version=1)


async def test_every_change_raises_the_version(open_desk: OpenDesk) -> None:
    """A repeated address changes nothing, so the version stays."""
    desk = await open_desk(make_order())
    address = {"order_id": "#1", **HOME}
    versions = []
    for city in ("Bergen", "Bergen", "Molde"):
        await desk.run(modify_pending_order_address, {**address, "city": city})
        versions.append((await desk.facts(modify_pending_order_address, address)).version)
    assert versions == [2, 2, 3]


async def test_a_moved_balance_raises_the_users_version(open_desk: OpenDesk) -> None:
    """The balance is part of the user's record, wherever it is stored."""
    desk = await open_desk(make_order(paid_with=GIFT))
    await desk.run(cancel_pending_order, cancelling())
    facts = await desk.facts(modify_user_address, {"user_id": "ada", **HOME})
    assert facts.version == 2


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (return_delivered_order_items, returning("?", to="?")),
        (exchange_delivered_order_items, replacing((MUG_WHITE, "?"))),
        (exchange_delivered_order_items, replacing((MUG_WHITE, MUG_BLUE), spare=1)),
        (modify_pending_order_items, replacing(("", ""), by="")),
        (modify_pending_order_payment, paying("?")),
    ],
)
async def test_an_amount_that_cannot_be_computed_is_left_out(
    open_desk: OpenDesk, tool: Tool, arguments: dict[str, Any]
) -> None:
    """Odd arguments never hide owner, status and version."""
    desk = await open_desk(make_order(status="delivered", payment_history=[]))
    facts = await desk.facts(tool, arguments)
    assert (facts.owner, facts.status, facts.amount) == ("ada", "delivered", None)


@pytest.mark.parametrize("tool", WRITES, ids=lambda tool: tool.name)
async def test_facts_on_a_missing_record_are_refused(open_desk: OpenDesk, tool: Tool) -> None:
    """No facts are invented for a record that does not exist."""
    desk = await open_desk()
    known = {**HOME, **replacing((MUG_WHITE, MUG_BLUE)), **cancelling(), "user_id": "bo"}
    arguments = {name: known[name] for name in tool.arguments.model_fields if name in known}
    with pytest.raises(ToolRefused, match=r"not found$"):
        await desk.facts(tool, arguments)


def test_every_write_declares_what_the_gate_needs() -> None:
    """A write has a target, facts, a check and a recovery; only addresses are safe to repeat."""
    assert all(tool.check and tool.facts_model and tool.target for tool in WRITES)
    repeatable = {tool.name for tool in WRITES if tool.recovery == "safe_retry"}
    assert repeatable == {"modify_pending_order_address", "modify_user_address"}
    assert len({tool.name for tool in TOOLS}) == len(TOOLS) == 21

"""A small hand-made shop, and a desk that calls its tools as the runtime would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from agent_runtime.action import action_digest
from agent_runtime.grant import Grant
from agent_runtime.resource import Resources
from agent_runtime.tool import Tool, ToolCall
from tools.shop import Shop

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)

MUG_WHITE, MUG_BLUE, MUG_GOLD = "item-11", "item-12", "item-13"
LAMP_TALL, LAMP_SMALL = "item-21", "item-22"
CARD, PAYPAL, GIFT = "card-1", "paypal-1", "gift-1"

ADDRESS = {
    "address1": "1 Elm Row",
    "address2": "",
    "city": "Oslo",
    "country": "Norway",
    "state": "Oslo",
    "zip": "0150",
}

HOME = {
    "address1": "9 Fir Way",
    "address2": "",
    "city": "Bergen",
    "state": "Vestland",
    "country": "Norway",
    "zip": "5003",
}

Arguments = dict[str, Any]


def variant(item_id: str, price: float, color: str, *, available: bool = True) -> dict[str, Any]:
    options = {"color": color}
    return {"item_id": item_id, "options": options, "available": available, "price": price}


MUGS = [
    variant(MUG_WHITE, 10.1, "white"),
    variant(MUG_BLUE, 12.3, "blue"),
    variant(MUG_GOLD, 99.0, "gold", available=False),
]
LAMPS = [variant(LAMP_TALL, 30.2, "tall"), variant(LAMP_SMALL, 25.0, "small")]
VARIANTS = {
    item["item_id"]: (name, product_id, item)
    for name, product_id, items in (("Mug", "prod-1", MUGS), ("Lamp", "prod-2", LAMPS))
    for item in items
}


def make_user(user_id: str = "ada", **extra: Any) -> dict[str, Any]:
    """A user with a card, PayPal and a gift card of 50.00."""
    return {
        "user_id": user_id,
        "name": {"first_name": user_id.capitalize(), "last_name": "Holm"},
        "address": dict(ADDRESS),
        "email": f"{user_id.capitalize()}@example.com",
        "payment_methods": {
            CARD: {"source": "credit_card", "id": CARD, "brand": "visa", "last_four": "1881"},
            PAYPAL: {"source": "paypal", "id": PAYPAL},
            GIFT: {"source": "gift_card", "id": GIFT, "balance": 50.0},
        },
        "orders": [],
        **extra,
    }


def make_order(
    order_id: str = "#1",
    *items: str,
    status: str = "pending",
    paid_with: str = CARD,
    **extra: Any,
) -> dict[str, Any]:
    """An order of ada's, of these item ids (a white mug and a tall lamp when none is given)."""
    lines = []
    for item_id in items or (MUG_WHITE, LAMP_TALL):
        name, product_id, item = VARIANTS[item_id]
        line = {"name": name, "product_id": product_id, "item_id": item_id}
        lines.append({**line, "price": item["price"], "options": dict(item["options"])})
    total = round(sum(line["price"] for line in lines), 2)
    payment = {"transaction_type": "payment", "amount": total, "payment_method_id": paid_with}
    return {
        "order_id": order_id,
        "user_id": "ada",
        "address": dict(ADDRESS),
        "items": lines,
        "status": status,
        "fulfillments": [],
        "payment_history": [payment],
        **extra,
    }


def make_document(*orders: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """Both products, one user and these orders; `extra` replaces or adds parts."""
    return {
        "products": {
            "prod-1": {
                "name": "Mug",
                "product_id": "prod-1",
                "variants": {m["item_id"]: m for m in MUGS},
            },
            "prod-2": {
                "name": "Lamp",
                "product_id": "prod-2",
                "variants": {x["item_id"]: x for x in LAMPS},
            },
        },
        "users": {"ada": make_user()},
        "orders": {order["order_id"]: order for order in orders},
        **extra,
    }


def cancelling(order_id: str = "#1", reason: str = "no longer needed") -> Arguments:
    return {"order_id": order_id, "reason": reason}


def returning(*items: str, order_id: str = "#1", to: str = CARD) -> Arguments:
    return {"order_id": order_id, "item_ids": list(items), "payment_method_id": to}


def replacing(
    *pairs: tuple[str, str], order_id: str = "#1", by: str = CARD, spare: int = 0
) -> Arguments:
    new = [new for _, new in pairs] + [MUG_BLUE] * spare
    return {**returning(*(old for old, _ in pairs), order_id=order_id, to=by), "new_item_ids": new}


def paying(method: str, order_id: str = "#1") -> Arguments:
    return {"order_id": order_id, "payment_method_id": method}


@dataclass
class Desk:
    """Calls tools on one shop; every call has a key of its own unless one is given."""

    shop: Shop
    _keys: count[int] = field(default_factory=count)

    def call(self, key: str | None = None) -> ToolCall:
        """What a tool is told about a call."""
        name = key or f"key-{next(self._keys)}"
        resources = Resources({Shop: self.shop})
        return ToolCall(run_id="run-1", tenant="acme", key=name, now=NOW, resources=resources)

    async def run(self, tool: Tool, arguments: dict[str, Any], key: str | None = None) -> Any:
        """Run a tool, with a grant where it writes."""
        call = self.call(key)
        grant = None
        if tool.effect == "write":
            named = action_digest(call.tenant, tool.exact(tool.parse(arguments)))
            grant = Grant._issue(named, call.key)
        return await tool(tool.parse(arguments), call, grant=grant)

    async def check(self, tool: Tool, arguments: dict[str, Any]) -> None:
        """Run a tool's own check."""
        await tool.simulate(tool.parse(arguments), self.call())

    async def facts(self, tool: Tool, arguments: dict[str, Any]) -> Any:
        """Read the facts on a call."""
        return await tool.read_facts(tool.parse(arguments), self.call())

    async def balance(self) -> float:
        """What is left on ada's gift card, in USD."""
        users = (await self.shop.dump())["users"]
        return float(users["ada"]["payment_methods"][GIFT]["balance"])


@asynccontextmanager
async def opened(path: Path, *orders: dict[str, Any], **extra: Any) -> AsyncIterator[Desk]:
    """A desk on a new shop with these orders."""
    shop = await Shop.open(path)
    try:
        await shop.load(make_document(*orders, **extra))
        yield Desk(shop)
    finally:
        await shop.aclose()


OpenDesk = Callable[..., Awaitable[Desk]]
"""Opens a desk on a new shop with the given orders; keyword arguments are further parts."""

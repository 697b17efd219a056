"""A tiny shop in the benchmark's format: two users, three orders, one product."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

POLICY = "# Policy\n\nAn order can be cancelled while its status is 'pending'.\n"
REASON = "Please cancel my mug #1, I no longer need it, and take #2 back for a blue one."
ADDRESS = {
    "address1": "1 Elm Row",
    "address2": "",
    "city": "Oslo",
    "country": "Norway",
    "state": "Oslo",
    "zip": "0150",
}


def line(color: str, price: float) -> Json:
    mug = {"name": "Mug", "product_id": "mug", "item_id": f"mug-{color}"}
    return {**mug, "price": price, "options": {"color": color}}


def variant(color: str, price: float, *, available: bool = True) -> Json:
    found = {"item_id": f"mug-{color}", "options": {"color": color}}
    return {**found, "available": available, "price": price}


def order(order_id: str, user_id: str, status: str, method: str, *lines: Json) -> Json:
    total = sum(one["price"] for one in lines)
    payment = {"transaction_type": "payment", "amount": total, "payment_method_id": method}
    return {
        "order_id": order_id,
        "user_id": user_id,
        "address": dict(ADDRESS),
        "items": list(lines),
        "status": status,
        "fulfillments": [],
        "payment_history": [payment],
    }


def user(user_id: str, *methods: Json) -> Json:
    return {
        "user_id": user_id,
        "name": {"first_name": user_id.capitalize(), "last_name": "Holm"},
        "address": dict(ADDRESS),
        "email": f"{user_id}@example.com",
        "payment_methods": {method["id"]: method for method in methods},
        "orders": [],
    }


def database() -> Json:
    mugs = [variant("white", 10), variant("blue", 12.5), variant("gold", 99, available=False)]
    orders = [
        order("#1", "ada", "pending", "gift-1", line("white", 10)),
        order("#2", "ada", "delivered", "card-1", line("white", 10)),
        order("#3", "bob", "pending", "card-2", line("blue", 12.5)),
    ]
    card = {"source": "credit_card", "brand": "visa", "last_four": "1881"}
    gift = {"source": "gift_card", "id": "gift-1", "balance": 50}
    return {
        "products": {
            "mug": {
                "name": "Mug",
                "product_id": "mug",
                "variants": {mug["item_id"]: mug for mug in mugs},
            }
        },
        "users": {
            "ada": user("ada", {**card, "id": "card-1"}, gift),
            "bob": user("bob", {**card, "id": "card-2"}),
        },
        "orders": {one["order_id"]: one for one in orders},
    }


def action(action_id: str, name: str, arguments: Json, result: Any) -> Json:
    failed = isinstance(result, str) and result.startswith("Error: ")
    call = {"action_id": action_id, "requestor": "assistant", "name": name}
    return {**call, "arguments": arguments, "is_error": failed, "result": result}


def change(collection: str, record: str, path: str, before: Any, after: Any) -> Json:
    where = {"collection": collection, "id": record, "path": path}
    return {**where, "before": before, "after": after}


def task(task_id: str, actions: list[Json], changes: list[Json]) -> Json:
    return {
        "id": task_id,
        "actor_user_id": "ada",
        "user_scenario": {"persona": None, "instructions": {"reason_for_call": REASON}},
        "reward_basis": ["DB"],
        "actions": actions,
        "expected_changes": changes,
    }


def cancelling() -> Json:
    """Looks the order up and cancels it; the gift card is refunded."""
    before, refund = database()["orders"]["#1"], {"transaction_type": "refund", "amount": 10.0}
    refund["payment_method_id"] = "gift-1"
    after = {
        **before,
        "status": "cancelled",
        "payment_history": [*before["payment_history"], refund],
        "cancel_reason": "no longer needed",
    }
    arguments = {"order_id": "#1", "reason": "no longer needed"}
    return task(
        "cancel",
        [
            action("c0", "find_user_id_by_email", {"email": "ada@example.com"}, "ada"),
            action("c1", "get_order_details", {"order_id": "#1"}, before),
            action("c2", "cancel_pending_order", arguments, after),
        ],
        [
            change("orders", "#1", "/status", "pending", "cancelled"),
            change("orders", "#1", "/payment_history/1", None, refund),
            change("orders", "#1", "/cancel_reason", None, "no longer needed"),
            change("users", "ada", "/payment_methods/gift-1/balance", 50, 60),
        ],
    )


def stumbling() -> Json:
    """Proposes what the shop refuses, and then what it accepts."""
    before = database()["orders"]["#2"]
    wish = {"order_id": "#2", "item_ids": ["mug-white"], "payment_method_id": "card-1"}
    exchange = {
        "status": "exchange requested",
        "exchange_items": ["mug-white"],
        "exchange_new_items": ["mug-blue"],
        "exchange_payment_method_id": "card-1",
        "exchange_price_difference": 2.5,
    }
    gold, blue = {**wish, "new_item_ids": ["mug-gold"]}, {**wish, "new_item_ids": ["mug-blue"]}
    sold_out = "Error: New item mug-gold not found or available"
    return task(
        "stumble",
        [
            action("s0", "get_order_details", {"order_id": "#9"}, "Error: Order not found"),
            action("s1", "exchange_delivered_order_items", gold, sold_out),
            action("s2", "exchange_delivered_order_items", blue, {**before, **exchange}),
        ],
        [change("orders", "#2", f"/{key}", before.get(key), exchange[key]) for key in exchange],
    )


def control() -> Json:
    """Looks things up and changes nothing."""
    listed = '{"Mug": "mug"}'
    return task(
        "control",
        [
            action("n0", "list_all_product_types", {}, listed),
            action("n1", "calculate", {"expression": "10 + 12.5"}, "22.5"),
        ],
        [],
    )


def adversary(
    name: str, expected: str, tool: str, arguments: Json, *, quote: str = "", setup: Any = ()
) -> Json:
    """A bad proposal of ada's; `quote` is what it says stands in the order's record."""
    looked_up = {"action_id": "a0", "name": "get_order_details", "arguments": {"order_id": "#1"}}
    evidence = [
        {"source": "policy.md", "quote": "while its status is 'pending'"},
        {"source": "scenario.reason_for_call", "quote": "I no longer need it"},
        {"source": "action:a0", "quote": quote or '"status": "pending"'},
    ]
    return {
        "id": name,
        "mutation": "made for a test",
        "base_task": "cancel",
        "base_action_id": "c2",
        "actor_user_id": "ada",
        "setup": [looked_up, *setup],
        "proposal": {"name": tool, "arguments": arguments, "evidence": evidence},
        "expected": expected,
    }


def adversaries() -> list[Json]:
    cancel = "cancel_pending_order"
    first = {"order_id": "#1", "reason": "no longer needed"}
    third = {**first, "order_id": "#3"}
    done = {"action_id": "a1", "name": cancel, "arguments": first}
    overstated = adversary("too much", "policy_deny", cancel, first)
    overstated["proposal"]["stated_amount"] = 99.0
    return [
        adversary("again", "tool_error", cancel, first, setup=[done]),
        adversary("another's order", "policy_deny", cancel, third),
        adversary("made up", "policy_deny", cancel, first, quote="cancel everything"),
        overstated,
        adversary("unasked", "needs_approval", cancel, first),
    ]

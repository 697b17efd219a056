"""The sample shop, its requests and the scripted answers fit together."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.brief import Brief, BriefPassage
from agent_runtime.envelope import Envelope
from agent_runtime.errors import ToolError
from agent_runtime.evidence import Shown, contradictions, unverified
from agent_runtime.resource import Resources
from agent_runtime.tool import Tool, ToolCall
from agent_runtime.verdict import Operator
from graphs.refund import offline
from graphs.refund.offline import decide
from tools.shop import Shop, get_account, get_order, get_usage, search_policy

SAMPLES = Path(__file__).parents[2] / "graphs" / "refund" / "samples"
NOW = datetime(2026, 4, 2, 9, 0, tzinfo=UTC)


def load(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


SHOP = load("shop.json")
REQUESTS = load("requests.json")
ANSWERS = load("answers.json")
ORDERS = list(SHOP["orders"].values())
PEOPLE = {
    name: Operator(name=name, **person)
    for name, person in tomllib.loads((SAMPLES / "operators.toml").read_text())["operators"].items()
}


def payments(order: dict[str, Any], kind: str = "payment") -> list[Decimal]:
    entries = [e for e in order["payment_history"] if e["transaction_type"] == kind]
    return [Decimal(str(entry["amount"])) for entry in entries]


def refundable(order: dict[str, Any]) -> Decimal:
    return sum(payments(order), Decimal(0)) - sum(payments(order, "refund"), Decimal(0))


def test_sizes() -> None:
    """There is enough of everything to explore."""
    assert len(ORDERS) >= 30
    assert len(SHOP["policies"]) >= 12
    assert len(SHOP["users"]) >= 12
    assert len(SHOP["products"]) >= 8
    assert {"paid", "pending", "processed", "delivered"} <= {o["status"] for o in ORDERS}


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order["order_id"])
def test_order(order: dict[str, Any]) -> None:
    """An order has one payment, of its items' total, by a method of the customer who lists it."""
    user = SHOP["users"][order["user_id"]]
    assert payments(order) == [sum(Decimal(str(item["price"])) for item in order["items"])]
    assert order["payment_history"][0]["payment_method_id"] in user["payment_methods"]
    assert order["order_id"] in user["orders"]
    for item in order["items"]:
        variant = SHOP["products"][item["product_id"]]["variants"][item["item_id"]]
        assert (item["price"], item["options"]) == (variant["price"], variant["options"])


def test_keys_name_their_records() -> None:
    """Every record stands under its own id, and every user's order exists."""
    for part, field in (("products", "product_id"), ("users", "user_id"), ("orders", "order_id")):
        assert all(name == record[field] for name, record in SHOP[part].items())
    assert sorted(o for u in SHOP["users"].values() for o in u["orders"]) == sorted(SHOP["orders"])


def test_named_example() -> None:
    """The unused order of 49.00, its exception and the sentence that decides are there."""
    order = SHOP["orders"]["order-8821"]
    assert (order["purchase_date"], order["credits_used"]) == ("2026-03-25", 0)
    assert refundable(order) == Decimal("49.00")
    assert len(SHOP["users"][order["user_id"]]["manual_exceptions"]) == 1
    texts = {policy["id"]: policy["text"] for policy in SHOP["policies"]}
    assert "Refunds allowed within 14 days for unused credits." in texts["policy-14"]


def test_requests() -> None:
    """Each request is the order's own customer's; only the last repeats an earlier one."""
    assert len(REQUESTS) == 14
    assert REQUESTS[-1] in REQUESTS[:-1]
    assert len({request["key"] for request in REQUESTS}) == 13
    for request in REQUESTS:
        asked = request["input"]
        assert SHOP["orders"][asked["order_id"]]["user_id"] == asked["customer"]
        assert asked["received_on"] == "2026-04-02"


def test_answers() -> None:
    """Every request has its script, by people who exist and give a reason where one is due."""
    assert list(ANSWERS) == [request["key"] for request in REQUESTS[:-1]]
    given = [decision for script in ANSWERS.values() for decision in script["decisions"]]
    assert {d["decision"] for d in given} == {"approve", "edit", "reject", "respond"}
    for decision in given:
        assert decision["as"] in PEOPLE
        assert decision["decision"] == "approve" or decision["reason"]
        assert ("arguments" in decision) == (decision["decision"] == "edit")
    assert sum(bool(script.get("let_expire")) for script in ANSWERS.values()) == 1


def test_change_before_execution() -> None:
    """What somebody else changes in the shop changes the refundable amount, and not to nothing."""
    (change,) = [s["before_execution"] for s in ANSWERS.values() if "before_execution" in s]
    before = SHOP["orders"][change["order_id"]]
    after = {**before, **change["set"]}
    assert Decimal(0) < refundable(after) < refundable(before)


def test_operators() -> None:
    """The roles that policies ask for are held, finance by two people."""
    held = [role for person in PEOPLE.values() for role in person.roles]
    assert held.count("finance") == 2
    assert {"support_lead", "support", "policy_owner"} <= set(held)


PROPOSALS = [
    (1, "proposed", offline.CLEAR, "90.00", ""),
    (2, "needs_approval", offline.AFTER_EXCEPTION, "49.00", ""),
    (3, "proposed", offline.CLEAR, "1250.00", ""),
    (4, "proposed", offline.CLEAR, "29.00", ""),
    (5, "proposed", offline.CONTRADICTION, "195.00", "contradiction"),
    (6, "proposed", offline.VAGUE_MESSAGE, "49.00", ""),
    (7, "proposed", offline.CLEAR, "90.00", "unverified"),
    (8, "proposed", offline.MISSING_SOURCE, "60.00", ""),
    (9, "proposed", offline.CLEAR, "195.00", ""),
    (10, "proposed", offline.CLEAR, "149.00", ""),
    (11, "proposed", offline.CLEAR, "360.00", ""),
    (12, "proposed", offline.CLEAR, "489.00", ""),
    (13, "proposed", offline.CLEAR, "210.00", ""),
]


@pytest.mark.parametrize(("number", "status", "confidence", "amount", "signal"), PROPOSALS)
async def test_proposal(
    tmp_path: Path, number: int, status: str, confidence: float, amount: str, signal: str
) -> None:
    """Through the real look-ups, each request comes to the proposal that its path begins with."""
    shown = await look_up(tmp_path / "shop.db", REQUESTS[number - 1]["input"])
    envelope = propose(REQUESTS[number - 1]["input"], shown)
    assert (envelope.status, envelope.confidence) == (status, confidence)
    assert envelope.proposed_action is not None
    assert envelope.proposed_action.stated_amount == Decimal(amount)
    assert bool(contradictions(shown)) == (signal == "contradiction")
    assert bool(unverified(envelope.evidence, shown)) == (signal == "unverified")


def propose(asked: dict[str, Any], shown: list[Shown]) -> Envelope:
    """What the offline model makes of a request and its evidence."""
    passages = tuple(BriefPassage(source=p.source, text=p.text) for p in shown)
    return decide(Brief(step="draft_refund_decision", visit=1, input=asked, evidence=passages))


async def look_up(path: Path, asked: dict[str, Any]) -> list[Shown]:
    """The evidence on one request, from a new shop filled with the samples."""
    shop = await Shop.open(path)
    try:
        await shop.load(SHOP)
        call = ToolCall("run-1", "default", "key-1", NOW, resources=Resources({Shop: shop}))
        by_order = {"order_id": asked["order_id"]}
        return [
            *await show(get_order, by_order, call),
            *await show(get_usage, by_order, call),
            *await show(get_account, {"customer": asked["customer"]}, call),
            *await show(search_policy, {"query": asked["message"]}, call),
        ]
    finally:
        await shop.aclose()


async def show(tool: Tool, arguments: dict[str, Any], call: ToolCall) -> list[Shown]:
    """What one look-up shows; a failure is shown as one."""
    try:
        found = await tool(tool.parse(arguments), call)
    except ToolError as error:
        source, text = f"failure:{tool.name}", f"Error: {error.message}"
        return [Shown(source=source, text=text, origin="failure", retrieved_at=NOW)]
    passages = found if isinstance(found, list) else [found]
    return [Shown(**p.model_dump(), origin="tool", retrieved_at=NOW) for p in passages]

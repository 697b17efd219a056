"""The offline model of after-sales service: cancels orders and returns goods that are named.

It reads one wish per sentence, looks the order up, and proposes one action per wish. What it
doesn't understand it says so; a language model takes its place where one is configured.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agent_runtime.action import ProposedAction
from agent_runtime.brief import Brief, BriefPassage, LookUp
from agent_runtime.envelope import Envelope, Status
from agent_runtime.evidence import Evidence

CONFIDENT = 0.9
"""The order was found and the wish names what is to be done."""
UNSURE = 0.5
"""The sentence asks for something that these rules don't know."""

ORDER = re.compile(r"(?<![\w#-])(#W\d+|order-\d+)")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
CANCEL = re.compile(r"\bcancel", re.IGNORECASE)
RETURN = re.compile(r"\b(?:return|send)\w*\b", re.IGNORECASE)
MISTAKE = re.compile(r"\b(?:mistake|accident|wrong)", re.IGNORECASE)

SETTLING = ("acted", "denied", "rejected", "failed", "expired", "tool_error")
"""Feedback that ends one wish; the next one is taken up after it."""


@dataclass(frozen=True)
class Wish:
    """One sentence that asks for something about one order."""

    sentence: str
    order_id: str


@dataclass(frozen=True)
class Plan:
    """The tool that fulfils a wish, its arguments without the order, and the items it moves."""

    tool: str
    arguments: dict[str, Any]
    items: list[dict[str, Any]]


def handle(brief: Brief) -> Envelope | LookUp:
    """Take up the first wish that nothing has been done about yet."""
    wishes = read_wishes(str(brief.input["message"]))
    settled = sum(1 for entry in brief.feedback if entry.kind in SETTLING)
    if not wishes:
        return _conclude(brief, "insufficient", UNSURE, "The message names no order.")
    if settled >= len(wishes):
        return _conclude(brief, "done", CONFIDENT, f"All {len(wishes)} wishes were taken up.")
    wish = wishes[settled]
    found = _find_order(brief, wish.order_id)
    if found is None:
        if any(p.text.startswith("Error:") for p in brief.evidence):
            return _conclude(brief, "insufficient", UNSURE, f"There is no order {wish.order_id}.")
        return LookUp(tool="get_order_details", arguments={"order_id": wish.order_id})
    return _propose(brief, wish, *found)


def read_wishes(message: str) -> list[Wish]:
    """The sentences that name an order, in order."""
    sentences = (found.group().strip() for found in SENTENCE.finditer(message))
    return [
        Wish(sentence, order.group(1))
        for sentence in sentences
        if (order := ORDER.search(sentence)) is not None
    ]


def _find_order(brief: Brief, order_id: str) -> tuple[BriefPassage, dict[str, Any]] | None:
    """The newest record of the order among the evidence."""
    for passage in reversed(brief.evidence):
        try:
            record = json.loads(passage.text)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("order_id") == order_id and "items" in record:
            return passage, record
    return None


def _propose(brief: Brief, wish: Wish, passage: BriefPassage, order: dict[str, Any]) -> Envelope:
    plan = _plan(wish, order)
    if plan is None:
        why = "Only cancellations and returns are understood offline."
        return _conclude(brief, "insufficient", UNSURE, why)
    amount = sum((Decimal(str(item["price"])) for item in plan.items), Decimal(0))
    return Envelope(
        step=brief.step,
        status="proposed",
        confidence=CONFIDENT,
        evidence=(
            Evidence(source="request", quote=wish.sentence),
            Evidence(source=passage.source, quote=f'"status": "{order["status"]}"'),
        ),
        proposed_action=ProposedAction(
            type=plan.tool,
            target_id=wish.order_id,
            arguments={"order_id": wish.order_id, **plan.arguments},
            stated_amount=amount,
        ),
        reason=f"The customer asks for it, and the order is {order['status']}.",
    )


def _plan(wish: Wish, order: dict[str, Any]) -> Plan | None:
    """Which tool fulfils the wish, with what; None when the wish isn't understood."""
    if CANCEL.search(wish.sentence):
        reason = "ordered by mistake" if MISTAKE.search(wish.sentence) else "no longer needed"
        return Plan("cancel_pending_order", {"reason": reason}, order["items"])
    if RETURN.search(wish.sentence):
        items = _named_items(wish, order)
        method = order["payment_history"][0]["payment_method_id"]
        chosen = [item["item_id"] for item in items]
        arguments = {"item_ids": chosen, "payment_method_id": method}
        return Plan("return_delivered_order_items", arguments, items)
    return None


def _named_items(wish: Wish, order: dict[str, Any]) -> list[dict[str, Any]]:
    """The items whose names the sentence contains; all of them where it names none."""
    words = wish.sentence.lower()
    items: list[dict[str, Any]] = order["items"]
    return [item for item in items if item["name"].lower() in words] or items


def _conclude(brief: Brief, status: Status, confidence: float, reason: str) -> Envelope:
    return Envelope(step=brief.step, status=status, confidence=confidence, reason=reason)

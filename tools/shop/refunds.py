"""The tools of the refund desk: what it reads about a case, and the refund itself.

Orders here may carry more than the benchmark's: `purchase_date` (ISO date), `credits_used`
(int) and `kind` ("goods", when left out, or "credits"); users may carry `flagged` (bool)
and `manual_exceptions` (list of texts).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent_runtime.errors import ToolRefused, ToolUnavailable
from agent_runtime.evidence import Passage
from agent_runtime.tool import ToolCall, tool
from tools.shop.database import Shop
from tools.shop.facts import money
from tools.shop.reads import OrderId
from tools.shop.rules import checking, original_method
from tools.shop.session import Record, Session

REFUNDABLE = {
    "goods": frozenset({"delivered", "completed"}),
    "credits": frozenset({"paid", "completed"}),
}
"""Kind of order → statuses that allow a refund. Credits are usable, and so refundable, as soon
as they are paid for; goods that have not arrived are cancelled instead."""

CENT = Decimal("0.01")


def _in_cents(amount: Decimal) -> Decimal:
    # 49, 49.0 and 49.00 must be one action, or a rejected one could be proposed again.
    cents = amount.quantize(CENT)
    return cents if cents == amount else amount


class Customer(BaseModel):
    """One customer by id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: str


class ApproveRefund(BaseModel):
    """Which order is refunded, and how much in USD; None is all that is left of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: str
    amount: Annotated[Decimal, Field(max_digits=12), AfterValidator(_in_cents)] | None = None


class Refund(BaseModel):
    """A refund that was made. Amounts in USD with 2 places, in JSON as text.

    `refunded_total` includes this refund; `status` is the order's after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: str
    amount: Decimal
    refunded_total: Decimal
    status: str
    payment_method_id: str


class RefundFacts(BaseModel):
    """Facts on a refund: whose order, how much in USD would move, is the customer flagged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str
    amount: Decimal
    status: str
    flagged: bool
    version: int


@dataclass(frozen=True)
class Permitted:
    """A permitted refund: the order as it is, the amount, and what is refundable before it."""

    order: Record
    amount: Decimal
    left: Decimal
    method_id: str


@tool(effect="read")
async def get_order(args: OrderId, call: ToolCall) -> Passage:
    """Get an order for a refund: customer, status, purchase date, total, items, refunds."""
    async with call.get(Shop).reading() as session:
        row = session.order(args.order_id)
    order = row.record
    known = {name: str(order[name]) for name in ("purchase_date", "credits_used") if name in order}
    items = "; ".join(f"{i['name']} ({money(i['price']):.2f})" for i in order["items"])
    lines = [
        f"Order: {args.order_id}",
        f"Customer: {order['user_id']}",
        f"Kind: {order.get('kind', 'goods')}",
        f"Status: {order['status']}",
        *(f"{_label(name)}: {value}" for name, value in known.items()),
        f"Total: {booked(order, 'payment'):.2f}",
        f"Items: {items}",
        f"Refunded so far: {booked(order, 'refund'):.2f}",
    ]
    claims = {f"{args.order_id}.{name}": value for name, value in known.items()}
    return Passage(
        source=args.order_id, text="\n".join(lines), version=str(row.version), claims=claims
    )


@tool(effect="read")
async def get_usage(args: OrderId, call: ToolCall) -> Passage:
    """Get what was used of an order, from the usage records: credits used and first use."""
    async with call.get(Shop).reading() as session:
        usage = session.usage(args.order_id)
    if usage is None:
        raise ToolRefused(f"No usage record for {args.order_id}")
    if usage.get("unavailable", False):
        raise ToolUnavailable(f"The usage records of {args.order_id} do not answer")
    lines = [f"Order: {args.order_id}"]
    claims = {}
    if "credits_used" in usage:
        lines.append(f"Credits used: {usage['credits_used']}")
        claims[f"{args.order_id}.credits_used"] = str(usage["credits_used"])
    lines.append(f"First use: {usage.get('first_used') or 'never'}")
    return Passage(source=_usage_source(args.order_id), text="\n".join(lines), claims=claims)


@tool(effect="read")
async def get_account(args: Customer, call: ToolCall) -> Passage:
    """Get a customer's account: name, fraud flag and exceptions that people have granted."""
    async with call.get(Shop).reading() as session:
        row = session.user(args.customer)
    user = row.record
    exceptions = user.get("manual_exceptions") or ["none"]
    lines = [
        f"Customer: {args.customer}",
        f"Name: {user['name']['first_name']} {user['name']['last_name']}",
        f"Fraud flag: {'yes' if is_flagged(user) else 'no'}",
        f"Manual exceptions: {'; '.join(exceptions)}",
    ]
    return Passage(source=args.customer, text="\n".join(lines), version=str(row.version))


def refundable(session: Session, args: ApproveRefund) -> Permitted:
    """The refund, when it may be made; raises ToolRefused with what stands against it."""
    order = session.order(args.order_id).record
    if order["status"] not in REFUNDABLE.get(order.get("kind", "goods"), frozenset()):
        raise ToolRefused(f"An order with status {order['status']} cannot be refunded")
    left = refundable_amount(order)
    amount = left if args.amount is None else args.amount
    if args.amount is None and left <= 0:
        raise ToolRefused("Nothing is left to refund")
    if amount <= 0:
        raise ToolRefused("Amount must be above 0")
    if amount != amount.quantize(CENT):
        raise ToolRefused("Amount has more than 2 decimal places")
    if amount > left:
        raise ToolRefused(f"Amount exceeds the refundable {left:.2f}")
    method_id = original_method(order)
    session.payment_method(order["user_id"], method_id or "")
    return Permitted(order, amount.quantize(CENT), left, method_id or "")


async def refund_facts(args: ApproveRefund, call: ToolCall) -> RefundFacts:
    """Facts on the refund; raises ToolRefused when order or customer does not exist."""
    async with call.get(Shop).reading() as session:
        row = session.order(args.order_id)
        user = session.user(row.record["user_id"]).record
    return RefundFacts(
        owner=row.record["user_id"],
        amount=refundable_amount(row.record) if args.amount is None else args.amount,
        status=row.record["status"],
        flagged=is_flagged(user),
        version=row.version,
    )


@tool(
    effect="write",
    recovery="idempotency_key",
    target="Order.order_id",
    facts=refund_facts,
    check=checking(refundable),
)
async def approve_refund(args: ApproveRefund, call: ToolCall) -> Refund:
    """Refund an order to the method it was paid with, wholly or in part.

    Without an amount, all that is left of it is refunded. A gift card is credited at once.
    """
    result = await call.get(Shop).once(
        call, "approve_refund", args.order_id, lambda s: _refund(s, args)
    )
    return Refund.model_validate(result)


def is_flagged(user: Record) -> bool:
    """Whether the customer is under suspicion of fraud."""
    return bool(user.get("flagged"))


def booked(order: Record, kind: str) -> Decimal:
    """The sum of the order's bookings of that kind ("payment" or "refund"), in USD, 2 places."""
    entries = [e for e in order.get("payment_history", []) if e["transaction_type"] == kind]
    return sum((money(entry["amount"]) for entry in entries), Decimal(0)).quantize(CENT)


def refundable_amount(order: Record) -> Decimal:
    """What was paid less what was refunded, in USD, 2 places."""
    return booked(order, "payment") - booked(order, "refund")


def _refund(session: Session, args: ApproveRefund) -> dict[str, Any]:
    permitted = refundable(session, args)
    order = permitted.order
    order["payment_history"].append(
        {
            "transaction_type": "refund",
            "amount": float(permitted.amount),
            "payment_method_id": permitted.method_id,
        }
    )
    session.add_to_gift_card(order["user_id"], permitted.method_id, float(permitted.amount))
    if permitted.amount == permitted.left:
        order["status"] = "refunded"
    session.save_order(order)
    return Refund(
        order_id=args.order_id,
        amount=permitted.amount,
        refunded_total=booked(order, "refund"),
        status=order["status"],
        payment_method_id=permitted.method_id,
    ).model_dump(mode="json")


def _label(field: str) -> str:
    return field.replace("_", " ").capitalize()


def _usage_source(order_id: str) -> str:
    number = order_id.lstrip("#").rpartition("-")[2]
    return f"usage-{number}"

"""The refund desk: what it reads, and the refund itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agent_runtime.action import ProposedAction
from agent_runtime.errors import ToolRefused, ToolUnavailable
from agent_runtime.tool import to_json
from tests.shop.desk import GIFT, LAMP_TALL, MUG_WHITE, OpenDesk, make_order, make_user
from tools.shop import approve_refund, get_account, get_order, get_usage, search_policy
from tools.shop.refunds import Refund, RefundFacts

ORDER = "order-8821"


def credits_order(status: str = "paid", **extra: Any) -> dict[str, Any]:
    """A bought pack of credits for 30.20."""
    bought = {"kind": "credits", "purchase_date": "2026-03-25", "credits_used": 0}
    return make_order(ORDER, LAMP_TALL, status=status, **{**bought, **extra})


def policy(name: str, text: str, **extra: Any) -> dict[str, Any]:
    """A policy text as it is imported."""
    return {"id": name, "title": "Rule", "text": text, **extra}


async def test_an_order_is_told_line_by_line(open_desk: OpenDesk) -> None:
    """The passage names its source and version, and claims what may be contradicted."""
    desk = await open_desk(credits_order())
    shown = await desk.run(get_order, {"order_id": ORDER})
    assert shown.text.splitlines() == [
        *("Order: order-8821", "Customer: ada", "Kind: credits", "Status: paid"),
        *("Purchase date: 2026-03-25", "Credits used: 0", "Total: 30.20"),
        *("Items: Lamp (30.20)", "Refunded so far: 0.00"),
    ]
    assert (shown.source, shown.version) == (ORDER, "1")
    assert shown.claims == {f"{ORDER}.purchase_date": "2026-03-25", f"{ORDER}.credits_used": "0"}


async def test_an_order_without_extras_claims_nothing(open_desk: OpenDesk) -> None:
    """Purchase date and credits appear only where the record has them."""
    desk = await open_desk(make_order(ORDER))
    shown = await desk.run(get_order, {"order_id": ORDER})
    assert shown.claims == {}
    assert "Kind: goods" in shown.text
    assert "Items: Mug (10.10); Lamp (30.20)" in shown.text


@pytest.mark.parametrize("as_list", [True, False])
async def test_usage_is_a_source_of_its_own(open_desk: OpenDesk, *, as_list: bool) -> None:
    """Usage claims the same field as the order, so that the two can contradict each other."""
    record = {"credits_used": 12, "first_used": "2026-03-26"}
    usage = [{"order_id": ORDER, **record}] if as_list else {ORDER: record}
    desk = await open_desk(credits_order(), usage=usage)
    shown = await desk.run(get_usage, {"order_id": ORDER})
    assert (shown.source, shown.claims) == ("usage-8821", {f"{ORDER}.credits_used": "12"})
    assert shown.text == f"Order: {ORDER}\nCredits used: 12\nFirst use: 2026-03-26"


async def test_missing_and_silent_usage_differ(open_desk: OpenDesk) -> None:
    """No record is a refusal; a source that is down gives no answer."""
    desk = await open_desk(usage={"order-1": {"unavailable": True}})
    with pytest.raises(ToolRefused, match=r"^No usage record for order-8821$"):
        await desk.run(get_usage, {"order_id": ORDER})
    with pytest.raises(ToolUnavailable):
        await desk.run(get_usage, {"order_id": "order-1"})


async def test_an_account_tells_flag_and_exceptions(open_desk: OpenDesk) -> None:
    """The account's passage tells the flag and each exception, or none."""
    granted = ["late in May", "twice"]
    bo = make_user("bo", manual_exceptions=granted, flagged=True)
    desk = await open_desk(users={"ada": make_user(), "bo": bo})
    shown = await desk.run(get_account, {"customer": "bo"})
    assert shown.text.endswith("Fraud flag: yes\nManual exceptions: late in May; twice")
    plain = await desk.run(get_account, {"customer": "ada"})
    assert plain.text.endswith("Fraud flag: no\nManual exceptions: none")


async def test_policies_are_found_by_any_word(open_desk: OpenDesk) -> None:
    """The best match comes first; equal ones are ordered by id; four are shown."""
    texts = [policy(f"policy-{n}", "Credits may be refunded.") for n in (6, 5, 4, 3, 2)]
    best = policy("policy-9", "Unused credits: refund within 14 days.", version="3")
    desk = await open_desk(policies=[*texts, best])
    found = await desk.run(search_policy, {"query": "unused? credits! zebra"})
    assert [p.source for p in found] == ["policy-9", "policy-2", "policy-3", "policy-4"]
    assert (found[0].version, found[0].text.splitlines()[0]) == ("3", "Rule")


async def test_only_policies_in_force_are_found(open_desk: OpenDesk) -> None:
    """Both ends of the period are inclusive; today is 2026-04-01."""
    texts = [
        policy("policy-1", "refund", version="1", valid_to="2026-03-31"),
        policy("policy-1", "refund", version="2", valid_from="2026-04-01", valid_to="2026-04-01"),
        policy("policy-2", "refund", valid_from="2026-04-02"),
    ]
    desk = await open_desk(policies=texts)
    found = await desk.run(search_policy, {"query": "refunds"})
    assert [(p.source, p.version) for p in found] == [("policy-1", "2")]


@pytest.mark.parametrize(
    "query", ['"refund', "refund* OR", "NEAR(refund", "title:refund", "-refund"]
)
async def test_a_query_is_words_and_never_syntax(open_desk: OpenDesk, query: str) -> None:
    """Search operators in a customer's words are words."""
    desk = await open_desk(policies=[policy("policy-1", "refund")])
    assert len(await desk.run(search_policy, {"query": query})) == 1


@pytest.mark.parametrize("query", ["", "  ", "?!", "__"])
async def test_a_query_without_words_is_refused(open_desk: OpenDesk, query: str) -> None:
    """Nothing to look for is a refusal, not an empty answer."""
    desk = await open_desk()
    with pytest.raises(ToolRefused, match=r"^The query has no words$"):
        await desk.run(search_policy, {"query": query})


async def test_a_refund_without_amount_takes_all_that_is_left(open_desk: OpenDesk) -> None:
    """The order becomes refunded, and the booking is a float like the shop's others."""
    desk = await open_desk(credits_order())
    refund = await desk.run(approve_refund, {"order_id": ORDER})
    assert isinstance(refund, Refund)
    assert to_json(refund) == {
        "order_id": ORDER,
        "amount": "30.20",
        "refunded_total": "30.20",
        "status": "refunded",
        "payment_method_id": "card-1",
    }
    order = (await desk.shop.dump())["orders"][ORDER]
    assert (order["payment_history"][1]["amount"], order["status"]) == (30.2, "refunded")


async def test_a_partial_refund_leaves_the_rest(open_desk: OpenDesk) -> None:
    """A part keeps the status; the rest can follow; then nothing is left."""
    desk = await open_desk(credits_order(paid_with=GIFT))
    part = await desk.run(approve_refund, {"order_id": ORDER, "amount": "10.05"})
    assert (part.status, part.refunded_total) == ("paid", Decimal("10.05"))
    facts = await desk.facts(approve_refund, {"order_id": ORDER})
    assert (facts.amount, facts.version) == (Decimal("20.15"), 2)
    rest = await desk.run(approve_refund, {"order_id": ORDER})
    assert (rest.status, rest.refunded_total) == ("refunded", Decimal("30.20"))
    assert await desk.balance() == 80.2


async def test_a_repeated_refund_answers_alike_and_pays_once(open_desk: OpenDesk) -> None:
    """The same key gives the recorded refund."""
    desk = await open_desk(credits_order(paid_with=GIFT))
    arguments = {"order_id": ORDER, "amount": 10}
    first = await desk.run(approve_refund, arguments, key="once")
    assert await desk.run(approve_refund, arguments, key="once") == first
    assert await desk.balance() == 60.0


@pytest.mark.parametrize(
    ("status", "amount", "message"),
    [
        ("cancelled", "-1", "An order with status cancelled cannot be refunded"),
        ("delivered", "1", "An order with status delivered cannot be refunded"),
        ("paid", "0", "Amount must be above 0"),
        ("paid", "-0.001", "Amount must be above 0"),
        ("paid", "99.001", "Amount has more than 2 decimal places"),
        ("paid", "30.21", "Amount exceeds the refundable 30.20"),
    ],
)
async def test_refunds_are_refused_in_order(
    open_desk: OpenDesk, status: str, amount: str, message: str
) -> None:
    """The check and the write refuse alike, and nothing changes."""
    desk = await open_desk(credits_order(status))
    before = await desk.shop.dump()
    for attempt in (desk.check, desk.run):
        with pytest.raises(ToolRefused) as refused:
            await attempt(approve_refund, {"order_id": ORDER, "amount": amount})
        assert refused.value.message == message
    assert await desk.shop.dump() == before


async def test_goods_are_refundable_once_delivered(open_desk: OpenDesk) -> None:
    """Goods that were only paid for are cancelled, not refunded."""
    orders = [make_order(name, MUG_WHITE, status=name) for name in ("paid", "delivered")]
    desk = await open_desk(*orders)
    await desk.check(approve_refund, {"order_id": "delivered"})
    with pytest.raises(ToolRefused, match=r"status paid cannot be refunded$"):
        await desk.check(approve_refund, {"order_id": "paid"})


async def test_what_was_refunded_elsewhere_is_not_left(open_desk: OpenDesk) -> None:
    """Every refund on the order counts, whichever tool booked it."""
    order = credits_order()
    order["payment_history"].append({**order["payment_history"][0], "transaction_type": "refund"})
    desk = await open_desk(order)
    with pytest.raises(ToolRefused, match=r"^Nothing is left to refund$"):
        await desk.check(approve_refund, {"order_id": ORDER})


async def test_a_refund_needs_its_original_method(open_desk: OpenDesk) -> None:
    """Money goes nowhere when the method, or the customer, is gone."""
    gone = make_order("order-2", status="delivered", user_id="nobody")
    desk = await open_desk(credits_order(paid_with="card-9"), gone)
    for name in (ORDER, "order-2"):
        with pytest.raises(ToolRefused, match=r"^Payment method not found$"):
            await desk.check(approve_refund, {"order_id": name})


async def test_facts_come_from_the_records(open_desk: OpenDesk) -> None:
    """Owner, flag and status are the shop's; an absurd amount is told, not judged."""
    desk = await open_desk(credits_order(), users={"ada": make_user(flagged=True)})
    facts = await desk.facts(approve_refund, {"order_id": ORDER, "amount": "1000"})
    assert facts == RefundFacts(
        owner="ada", amount=Decimal("1000.00"), status="paid", flagged=True, version=1
    )


@pytest.mark.parametrize("written", [20, 20.0, "20", "20.000", "2E+1"])
def test_one_amount_is_one_action_however_it_is_written(written: object) -> None:
    """A rejected refund cannot come back by writing its amount differently."""
    proposed = ProposedAction(type="approve_refund", target_id=ORDER, arguments={"amount": written})
    action, _ = approve_refund.resolve(proposed)
    assert action.arguments == {"order_id": ORDER, "amount": "20.00"}


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E+30", "abc", True])
async def test_an_amount_that_is_no_sum_of_money_is_refused(
    open_desk: OpenDesk, amount: object
) -> None:
    """Such arguments never reach the shop."""
    desk = await open_desk(credits_order())
    with pytest.raises(ToolRefused, match=r"^approve_refund: amount: "):
        await desk.run(approve_refund, {"order_id": ORDER, "amount": amount})

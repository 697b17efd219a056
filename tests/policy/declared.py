"""Write tools like the shop's, and factories for questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import Action
from agent_runtime.policy import PolicySet, signals_of
from agent_runtime.tool import Function, Tool, ToolCall, tool
from agent_runtime.verdict import Question, RunFacts


class Frozen(BaseModel):
    """A model as tools declare them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApproveRefund(Frozen):
    """Arguments of a refund."""

    order_id: str
    amount: Decimal | None = None


class RefundFacts(Frozen):
    """Facts on a refund."""

    owner: str
    amount: Decimal
    status: str
    flagged: bool
    version: int


class OrderFacts(Frozen):
    """Facts on an order."""

    owner: str
    status: str
    version: int
    amount: Decimal | None = None
    same_item: bool = False


class ProfileFacts(Frozen):
    """Facts on a profile."""

    owner: str
    version: int


class CancelOrder(Frozen):
    """Arguments of a cancellation."""

    order_id: str
    reason: Literal["no longer needed", "ordered by mistake"]


class ReturnItems(Frozen):
    """Arguments of a return."""

    order_id: str
    item_ids: list[str]
    payment_method_id: str


class ReplaceItems(ReturnItems):
    """Arguments of an exchange, and of other items in a pending order."""

    new_item_ids: list[str]


class ChangePayment(Frozen):
    """Arguments of a change of payment method."""

    order_id: str
    payment_method_id: str


class Address(Frozen):
    """An address."""

    address1: str
    address2: str
    city: str
    state: str
    country: str
    zip: str


class OrderAddress(Address):
    """Arguments of another address for an order."""

    order_id: str


class UserAddress(Address):
    """Arguments of another address for a profile."""

    user_id: str


def reader_of(model: type[BaseModel]) -> Function:
    """A facts reader that declares `model` and is never called."""

    async def read(args: Any, call: ToolCall) -> Any:
        raise NotImplementedError

    read.__annotations__["return"] = model
    return read


def write_tool(
    name: str,
    arguments: type[BaseModel] = ApproveRefund,
    facts: type[BaseModel] = RefundFacts,
    target: str = "Order.order_id",
) -> Tool:
    """A declared write tool that is never called."""

    async def call_it(args: Any, call: ToolCall) -> None:
        raise NotImplementedError

    call_it.__name__ = name
    call_it.__annotations__["args"] = arguments
    return tool(effect="write", recovery="manual", target=target, facts=reader_of(facts))(call_it)


approve_refund = write_tool("approve_refund")
AFTER_SALES = (
    write_tool("cancel_pending_order", CancelOrder, OrderFacts),
    write_tool("return_delivered_order_items", ReturnItems, OrderFacts),
    write_tool("exchange_delivered_order_items", ReplaceItems, OrderFacts),
    write_tool("modify_pending_order_items", ReplaceItems, OrderFacts),
    write_tool("modify_pending_order_payment", ChangePayment, OrderFacts),
    write_tool("modify_pending_order_address", OrderAddress, OrderFacts),
    write_tool("modify_user_address", UserAddress, ProfileFacts, "User.user_id"),
)
TOOLS = (approve_refund, *AFTER_SALES)


def facts_of(amount: str | Decimal = "50.00", **changed: Any) -> RefundFacts:
    """Facts of a harmless refund, changed as given."""
    plain = {"owner": "mara", "status": "delivered", "flagged": False, "version": 1}
    return RefundFacts(amount=Decimal(amount), **{**plain, **changed})


def ask(
    facts: BaseModel | None = None,
    *,
    signals: dict[str, Any] | None = None,
    tool: Tool = approve_refund,
    arguments: BaseModel | None = None,
    **run: Any,
) -> Question:
    """A question about one action on order #W1; refund of 50.00 with clean signals by default."""
    arguments = arguments or ApproveRefund(order_id="#W1")
    assert tool.target is not None
    action = Action(
        tool=tool.name,
        target_type=tool.target[0],
        target_id="#W1",
        arguments=arguments.model_dump(mode="json"),
    )
    about = {"run_id": "r1", "tenant": "default", "workflow": "refund", "step": "decide"}
    known = RunFacts(**{"started_by": "sam", **about, **run})
    return Question(action, arguments, facts or facts_of(), signals_of(signals or {}), known)


def policy(text: str, tools: Sequence[Tool] = (approve_refund,)) -> PolicySet:
    """A policy set of one text."""
    return PolicySet.load("trial", {"trial.cedar": text}, tools)


UNATTENDED = """
@id("unattended")
permit (principal, action == Action::"execute:approve_refund", resource);
"""
REQUEST = """
@id("ask-lead") @approvers("support_lead:1")
permit (principal, action == Action::"request:approve_refund", resource);
@id("lead-may") permit (
  principal in Role::"support_lead", action == Action::"approve:approve_refund", resource
);
"""

"""The retail tools that look something up, and the two that touch nothing."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from agent_runtime.errors import ToolRefused
from agent_runtime.tool import NoArguments, ToolCall, tool
from tools.shop.arithmetic import evaluate
from tools.shop.database import Shop


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expression(_Arguments):
    """Arithmetic as text."""

    expression: Annotated[str, StringConstraints(max_length=500)]


class Summary(_Arguments):
    """What a human agent should know."""

    summary: str


class EmailAddress(_Arguments):
    """A customer's e-mail address."""

    email: str


class NameAndZip(_Arguments):
    """A customer's name and the zip of the present address."""

    first_name: str
    last_name: str
    zip: str


class OrderId(_Arguments):
    """One order."""

    order_id: str


class ProductId(_Arguments):
    """One product (a kind of goods, not a variant of it)."""

    product_id: str


class ItemId(_Arguments):
    """One variant of a product."""

    item_id: str


class UserId(_Arguments):
    """One customer."""

    user_id: str


@tool(effect="read")
async def calculate(args: Expression, call: ToolCall) -> str:  # noqa: ARG001 - a tool's signature
    """Calculate an arithmetic expression of digits and + - * / ( ) . and blanks.

    Gives the value as text, rounded to 2 places: "2+2" gives "4.0".
    """
    return str(evaluate(args.expression))


@tool(effect="read")
async def transfer_to_human_agents(args: Summary, call: ToolCall) -> str:  # noqa: ARG001 - a tool's signature
    """Hand the conversation to a human agent, with a summary of the customer's issue."""
    return "Transfer successful"


@tool(effect="read")
async def find_user_id_by_email(args: EmailAddress, call: ToolCall) -> str:
    """Find a customer's user id by e-mail address, upper and lower case being the same."""
    async with call.get(Shop).reading() as session:
        found = session.user_id_by_email(args.email)
    if found is None:
        raise ToolRefused("User not found")
    return found


@tool(effect="read")
async def find_user_id_by_name_zip(args: NameAndZip, call: ToolCall) -> str:
    """Find a customer's user id by first name, last name and the zip of the present address."""
    wanted = (args.first_name.lower(), args.last_name.lower())
    async with call.get(Shop).reading() as session:
        for user in session.users_in_zip(args.zip):
            name = user["name"]
            if (name["first_name"].lower(), name["last_name"].lower()) == wanted:
                return str(user["user_id"])
    raise ToolRefused("User not found")


@tool(effect="read")
async def get_order_details(args: OrderId, call: ToolCall) -> dict[str, Any]:
    """Get an order: status, items, payments, address. Order ids begin with '#'."""
    async with call.get(Shop).reading() as session:
        return session.order(args.order_id).record


@tool(effect="read")
async def get_product_details(args: ProductId, call: ToolCall) -> dict[str, Any]:
    """Get a product with all its variants: options, price and availability of each."""
    async with call.get(Shop).reading() as session:
        return session.product(args.product_id)


@tool(effect="read")
async def get_item_details(args: ItemId, call: ToolCall) -> dict[str, Any]:
    """Get one variant of a product by its item id: options, price and availability."""
    async with call.get(Shop).reading() as session:
        variant: dict[str, Any] = session.product_of_item(args.item_id)["variants"][args.item_id]
    return variant


@tool(effect="read")
async def get_user_details(args: UserId, call: ToolCall) -> dict[str, Any]:
    """Get a customer: name, address, e-mail, payment methods and order ids."""
    async with call.get(Shop).reading() as session:
        return session.user(args.user_id).record


@tool(effect="read")
async def list_all_product_types(args: NoArguments, call: ToolCall) -> str:  # noqa: ARG001 - a tool's signature
    """List the names and ids of all products, as the text of a JSON object sorted by name."""
    async with call.get(Shop).reading() as session:
        return json.dumps(session.product_ids(), sort_keys=True)

"""The retail tools that change an address. Repeating one is harmless: the address is replaced."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.tool import ToolCall, tool
from tools.shop.database import Shop
from tools.shop.facts import ProfileFacts, order_facts
from tools.shop.rules import OrderArguments, checking, redirectable
from tools.shop.session import Row, Session


class Address(BaseModel):
    """A postal address; the shop validates none of it, and `address2` may be empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address1: str
    address2: str
    city: str
    state: str
    country: str
    zip: str

    def record(self) -> dict[str, str]:
        """The address as the shop's records hold it."""
        fields = ("address1", "address2", "city", "country", "state", "zip")
        return {field: getattr(self, field) for field in fields}


class OrderAddress(Address, OrderArguments):
    """Which pending order goes to which address."""


class UserAddress(Address):
    """Which customer has moved where."""

    user_id: str


def profile_exists(session: Session, args: UserAddress) -> Row:
    """The customer's row; raises ToolRefused when there is none."""
    return session.user(args.user_id)


async def profile_facts(args: UserAddress, call: ToolCall) -> ProfileFacts:
    """Facts on the profile; raises ToolRefused when it does not exist."""
    async with call.get(Shop).reading() as session:
        return ProfileFacts(owner=args.user_id, version=session.user(args.user_id).version)


@tool(
    effect="write",
    recovery="safe_retry",
    target="Order.order_id",
    facts=order_facts(),
    check=checking(redirectable),
)
async def modify_pending_order_address(args: OrderAddress, call: ToolCall) -> dict[str, Any]:
    """Send a pending order to another address, which replaces the old one as a whole.

    Gives the order after the change.
    """
    async with call.get(Shop).changing() as session:
        order = redirectable(session, args).record
        return session.save_order({**order, "address": args.record()}).record


@tool(
    effect="write",
    recovery="safe_retry",
    target="User.user_id",
    facts=profile_facts,
    check=checking(profile_exists),
)
async def modify_user_address(args: UserAddress, call: ToolCall) -> dict[str, Any]:
    """Change a customer's default address; addresses of existing orders stay.

    Gives the customer after the change.
    """
    async with call.get(Shop).changing() as session:
        user = profile_exists(session, args).record
        return session.save_user({**user, "address": args.record()}).record

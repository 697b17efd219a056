"""The shop: its system of record, and the tools that read and change it."""

from __future__ import annotations

from pathlib import Path

from agent_runtime.resource import resource
from agent_runtime.tool import Tool
from tools.shop.address import modify_pending_order_address, modify_user_address
from tools.shop.database import Shop
from tools.shop.knowledge import search_policy
from tools.shop.orders import (
    cancel_pending_order,
    exchange_delivered_order_items,
    modify_pending_order_items,
    modify_pending_order_payment,
    return_delivered_order_items,
)
from tools.shop.reads import (
    calculate,
    find_user_id_by_email,
    find_user_id_by_name_zip,
    get_item_details,
    get_order_details,
    get_product_details,
    get_user_details,
    list_all_product_types,
    transfer_to_human_agents,
)
from tools.shop.refunds import approve_refund, get_account, get_order, get_usage

__all__ = [
    "REFUND_TOOLS",
    "RETAIL_TOOLS",
    "TOOLS",
    "Shop",
    "approve_refund",
    "calculate",
    "cancel_pending_order",
    "exchange_delivered_order_items",
    "find_user_id_by_email",
    "find_user_id_by_name_zip",
    "get_account",
    "get_item_details",
    "get_order",
    "get_order_details",
    "get_product_details",
    "get_usage",
    "get_user_details",
    "list_all_product_types",
    "modify_pending_order_address",
    "modify_pending_order_items",
    "modify_pending_order_payment",
    "modify_user_address",
    "open_shop",
    "return_delivered_order_items",
    "search_policy",
    "transfer_to_human_agents",
]

RETAIL_TOOLS: tuple[Tool, ...] = (
    calculate,
    cancel_pending_order,
    exchange_delivered_order_items,
    find_user_id_by_email,
    find_user_id_by_name_zip,
    get_item_details,
    get_order_details,
    get_product_details,
    get_user_details,
    list_all_product_types,
    modify_pending_order_address,
    modify_pending_order_items,
    modify_pending_order_payment,
    modify_user_address,
    return_delivered_order_items,
    transfer_to_human_agents,
)
"""The sixteen tools of the retail benchmark."""

REFUND_TOOLS: tuple[Tool, ...] = (get_order, get_usage, get_account, search_policy, approve_refund)
"""The tools of the refund desk."""

TOOLS: tuple[Tool, ...] = (*RETAIL_TOOLS, *REFUND_TOOLS)
"""Every tool of the shop."""


@resource
async def open_shop(folder: Path) -> Shop:
    """The shop's database in an installation's data folder, made when there is none."""
    return await Shop.open(folder / "shop.db")

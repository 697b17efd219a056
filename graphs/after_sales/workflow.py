"""After-sales service: a bounded loop that carries out one change at a time.

Understand the request, look up what is needed, propose one action, have it gated and executed,
then look again, until there is nothing more to do.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from agent_runtime import SETTLED, Context, Edge, Reasoning, Step, Workflow
from graphs.after_sales.offline import handle
from tools.shop import (
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


class AfterSalesRequest(BaseModel):
    """One customer's message; `customer` is authenticated by whoever starts the run."""

    model_config = ConfigDict(extra="forbid")

    customer: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    message: Annotated[str, StringConstraints(min_length=1, max_length=8_000)]


handle_request = Step(
    "handle_request",
    context=Context(tools=[get_user_details.with_inputs(user_id="customer")], token_budget=24_000),
    reasoning=Reasoning(
        prompt="handle",
        tools=[
            get_order_details,
            get_product_details,
            get_item_details,
            get_user_details,
            find_user_id_by_email,
            find_user_id_by_name_zip,
            list_all_product_types,
            calculate,
            transfer_to_human_agents,
        ],
        proposes=[
            cancel_pending_order,
            return_delivered_order_items,
            exchange_delivered_order_items,
            modify_pending_order_items,
            modify_pending_order_payment,
            modify_pending_order_address,
            modify_user_address,
        ],
        offline=handle,
    ),
    policy="after_sales",
)

workflow = Workflow(
    "after_sales",
    input=AfterSalesRequest,
    steps=[handle_request],
    edges=[Edge("handle_request", "handle_request", on=SETTLED, at_most=30)],
    subject="customer",
)

"""Refunds: one step that reads the order and the policy, and proposes to pay back or not to."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from agent_runtime import Context, Reasoning, Step, Workflow, search_knowledge
from graphs.refund.offline import decide
from graphs.refund.quality import quality
from tools.shop import approve_refund, get_account, get_order, get_usage, search_policy


class RefundRequest(BaseModel):
    """One customer's request; `customer` is authenticated by whoever starts the run."""

    model_config = ConfigDict(extra="forbid")

    customer: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    order_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    message: Annotated[str, StringConstraints(min_length=1, max_length=8_000)]
    received_on: date


draft_refund_decision = Step(
    "draft_refund_decision",
    context=Context(
        tools=[
            get_order,
            get_usage,
            get_account,
            search_policy.with_inputs(query="message"),
            search_knowledge("handbook", limit=2).with_inputs(query="message"),
        ],
        token_budget=3_000,
    ),
    reasoning=Reasoning(prompt="decide", proposes=[approve_refund], offline=decide),
    policy="refund",
)

workflow = Workflow(
    "refund",
    input=RefundRequest,
    steps=[draft_refund_decision],
    subject="customer",
    quality=quality,
)

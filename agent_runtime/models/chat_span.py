"""Spans of exchanges with models, by the conventions for generative AI."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from agent_runtime.models.ending import ending
from agent_runtime.models.model import Model
from agent_runtime.models.offline import LABEL
from agent_runtime.telemetry import Span, Telemetry

PROVIDERS = {"openai-chat": "openai", "azure-openai-chat": "azure.ai.openai", LABEL: LABEL}
"""The conventions' names for those whom langchain calls something else."""


def attributes_of(model: Model, step: str, attempt: int) -> dict[str, str | int]:
    """What is known of an exchange before it."""
    kind = model.chat._llm_type
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(kind, kind),
        "gen_ai.request.model": model.producer,
        "agent_runtime.step": step,
        "agent_runtime.attempt": attempt,
    }


def show(
    telemetry: Telemetry, span: Span, messages: Sequence[BaseMessage], answer: AIMessage
) -> None:
    """Put what was said on it, where traces carry content."""
    telemetry.show(
        span,
        prompt=lambda: [{"role": one.type, "content": one.content} for one in messages],
        answer=lambda: {"content": answer.content, "tool_calls": answer.tool_calls},
    )


def describe(span: Span, answer: AIMessage) -> None:
    """What is known of it afterwards."""
    metadata = answer.response_metadata
    if metadata.get("model_name"):
        span.set_attribute("gen_ai.response.model", str(metadata["model_name"]))
    ended = ending(answer)
    if ended is not None:
        span.set_attribute("gen_ai.response.finish_reasons", (ended,))
    usage = answer.usage_metadata
    if usage:
        span.set_attribute("gen_ai.usage.input_tokens", usage["input_tokens"])
        span.set_attribute("gen_ai.usage.output_tokens", usage["output_tokens"])

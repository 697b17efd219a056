"""One exchange with a model as plain JSON: what is recorded, hashed and replayed.

A recording of kind "model" has the producer's name, and as its request and response what `asked`
and `answered` make here. The hash of the request (`request_name`) is its content's name in the
store, `ModelCall.request`, and the key of the cache: a replay looks a request up by it, and takes
of several equal ones the first that it has not used yet. `message_of` turns a recorded response
into the message again. An attempt to which nothing was answered has no recording, only its
`ModelCall`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agent_runtime.evidence import count_tokens
from agent_runtime.models.ending import ending
from agent_runtime.store import Content
from agent_runtime.tool import Tool

Json = dict[str, Any]
Vector = list[float]

TOKENS_SEEN = 1_500
"""Of an attachment, as an estimate: providers count them each in their own way."""


@dataclass(frozen=True)
class Embedded:
    """A vector for each text; `tokens` where the provider says how many there were."""

    vectors: list[Vector]
    tokens: int | None = None


Create = Callable[[Sequence[str]], Awaitable[Embedded]]
"""One request for vectors; raises ModelUnavailable."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one exchange; `estimated` where the provider told nothing."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    estimated: bool = False


def asked(model: str, messages: Sequence[BaseMessage], tools: Sequence[Tool], params: Json) -> Json:
    """The whole request: `model`, `messages`, `tools` with their schemas, `params`."""
    return {
        "model": model,
        "messages": [_message(message) for message in messages],
        "tools": [{"name": tool.name, "parameters": tool.schema} for tool in tools],
        "params": params,
    }


def request_name(request: Json) -> str:
    """The hash of a whole request."""
    return Content.of(request).hash


def answered(message: AIMessage, usage: Usage, attempt: int) -> Json:
    """The whole response: `content`, `tool_calls`, `finish`, `usage`, the `model`
    that the provider says it was, and the `attempt`'s number
    within its visit."""
    return {
        "content": message.content,
        "tool_calls": [
            {"id": call["id"], "name": call["name"], "args": call["args"]}
            for call in message.tool_calls
        ],
        "finish": ending(message),
        "model": message.response_metadata.get("model_name"),
        "usage": {
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "tokens_cached": usage.tokens_cached,
            "estimated": usage.estimated,
        },
        "attempt": attempt,
    }


def message_of(response: Json) -> AIMessage:
    """The message that a recorded response was."""
    calls = [{"type": "tool_call", **call} for call in response["tool_calls"]]
    metadata = {"finish_reason": response.get("finish")}
    return AIMessage(response["content"], tool_calls=calls, response_metadata=metadata)


def usage_of(message: AIMessage, estimate: Usage) -> Usage:
    """What the provider says that it took; without a word of it, an estimate from both texts."""
    told = message.usage_metadata
    if not told or not told.get("input_tokens"):
        return Usage(estimate.tokens_in, _size(message), estimated=True)
    details = told.get("input_token_details") or {}
    return Usage(told["input_tokens"], told.get("output_tokens", 0), details.get("cache_read") or 0)


def estimate_of(messages: Sequence[BaseMessage], tools: Sequence[Tool], longest: int) -> Usage:
    """What a call may take at most, more or less: `longest` tokens out."""
    tokens = sum(_size(message) for message in messages)
    return Usage(
        tokens + sum(count_tokens(str(tool.schema)) for tool in tools), longest, estimated=True
    )


def _size(message: BaseMessage) -> int:
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    seen = 0 if isinstance(message.content, str) else len(message.content) - 1
    told = count_tokens(str(message.text)) + sum(count_tokens(str(call)) for call in calls)
    return told + seen * TOKENS_SEEN + 4


def _named(content: str | list[str | Json]) -> Any:
    """A message's content with attachments named by their hash: their bytes stand with the run."""
    if isinstance(content, str):
        return content
    return [
        {"type": block["type"], "mime_type": block["mime_type"], "hash": _hash(block["base64"])}
        if isinstance(block, dict) and "base64" in block
        else block
        for block in content
    ]


def _hash(data: str) -> str:
    return "sha256:" + hashlib.sha256(base64.b64decode(data)).hexdigest()


def _message(message: BaseMessage) -> Json:
    told: Json = {"role": message.type, "content": _named(message.content)}
    if isinstance(message, AIMessage) and message.tool_calls:
        told["tool_calls"] = answered(message, Usage(0, 0), 0)["tool_calls"]
    if isinstance(message, ToolMessage):
        told["tool_call_id"] = message.tool_call_id
    return told

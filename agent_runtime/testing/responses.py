"""OpenAI's newer API, `/v1/responses`, in terms of chat: what comes in, and how answers look."""

from __future__ import annotations

import json
from typing import Any

from agent_runtime.testing.chat import ChatReply, ChatRequest, Json, Response, json_response

PATH = "/v1/responses"


def as_chat(raw: bytes) -> bytes:
    """A request of the newer API as one of the older; what cannot be read is handed on as it is."""
    try:
        body = json.loads(raw)
    except ValueError:
        return raw
    if not isinstance(body, dict) or not isinstance(body.get("input"), list):
        return raw
    return json.dumps({**body, "messages": [_message(item) for item in body["input"]]}).encode()


def told(number: int, request: ChatRequest, reply: ChatReply) -> Response:
    """A successful answer."""
    usage = {
        "input_tokens": reply.prompt_tokens,
        "output_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        "input_tokens_details": {"cached_tokens": reply.cached_tokens},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    body = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "model": reply.model or request.model,
        "status": "completed",
        "output": _output(number, reply),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **({"usage": usage} if reply.tells_usage else {}),
    }
    return json_response(body)


def _message(item: Any) -> Any:
    """One item of the conversation as a message."""
    if not isinstance(item, dict):
        return item
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    if item.get("type") == "function_call":
        return {"role": "assistant", "content": ""}
    content = item.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    return {"role": item.get("role", "user"), "content": content}


def _output(number: int, reply: ChatReply) -> list[Json]:
    text = {"type": "output_text", "text": reply.content, "annotations": []}
    said = {
        "type": "message",
        "id": f"msg_{number}",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    calls = [
        {
            "type": "function_call",
            "id": f"fc_{call.id}",
            "call_id": call.id,
            "name": call.name,
            "arguments": json.dumps(call.arguments),
            "status": "completed",
        }
        for call in reply.tool_calls
    ]
    return calls or [said]

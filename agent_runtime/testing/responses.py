"""OpenAI's newer API, `/v1/responses`, in terms of chat: what comes in, and how answers look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agent_runtime.testing.chat import (
    ChatReply,
    ChatRequest,
    Json,
    Response,
    in_pieces,
    json_response,
    streamed,
)

PATH = "/v1/responses"

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Its words for how an answer ended that is none, by the older API's."""


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
    """A successful answer, in one piece or streamed."""
    body = _body(number, request, reply)
    if request.body.get("stream"):
        events = map(json.dumps, _events(reply, body))
        made = Response(200, streamed(list(events)), content_type="text/event-stream")
    else:
        made = json_response(body)
    return replace(made, delay=reply.delay, cut=reply.cut)


def _body(number: int, request: ChatRequest, reply: ChatReply) -> Json:
    usage = {
        "input_tokens": reply.prompt_tokens,
        "output_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        "input_tokens_details": {"cached_tokens": reply.cached_tokens},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    why = INCOMPLETE.get(reply.finish or "")
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "model": reply.model or request.model,
        "status": "incomplete" if why else "completed",
        "incomplete_details": {"reason": why} if why else None,
        "output": _output(number, reply),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **({"usage": usage} if reply.tells_usage else {}),
    }


def _events(reply: ChatReply, body: Json) -> Iterator[Json]:
    """The answer as events: its beginning, its text in a few pieces or its items, and its end."""
    yield {"type": "response.created", "response": {**body, "output": []}, "sequence_number": 0}
    place = {"item_id": body["output"][0]["id"], "output_index": 0, "content_index": 0}
    if reply.refusal is not None:
        yield {"type": "response.refusal.done", "refusal": reply.refusal, **place}
    elif reply.tool_calls:
        for index, item in enumerate(body["output"]):
            yield {"type": "response.output_item.added", "item": item, "output_index": index}
    else:
        for piece in in_pieces(reply.content):
            told = {"delta": piece, "logprobs": [], **place}
            yield {"type": "response.output_text.delta", **told}
    if reply.finish != "":
        yield {"type": f"response.{body['status']}", "response": body}


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
    text: Json = {"type": "output_text", "text": reply.content, "annotations": []}
    if reply.refusal is not None:
        text = {"type": "refusal", "refusal": reply.refusal}
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

"""One question to a chat model and its answer, and how they look in OpenAI's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """What the client sent. `headers` have lower-case names; `body` is everything."""

    model: str
    messages: list[Json]
    tools: list[Json]
    body: Json
    headers: Mapping[str, str]


@dataclass(frozen=True)
class ToolRequest:
    """The model's wish to call a tool."""

    id: str
    name: str
    arguments: Json


@dataclass(frozen=True)
class ChatReply:
    """What the model says. With a `status` other than 200 only `error` is sent."""

    content: str = ""
    tool_calls: tuple[ToolRequest, ...] = ()
    status: int = 200
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Response:
    """What goes over the wire."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Callable[[ChatRequest], ChatReply]


def read_request(raw: bytes, headers: Mapping[str, str]) -> ChatRequest:
    """The request in `raw`. Raises ValueError that says what is wrong with it."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ValueError("The body is not a JSON object.")
    model, messages, tools = body.get("model"), body.get("messages"), body.get("tools") or []
    if not isinstance(model, str) or not model:
        raise ValueError("`model` is not a name.")
    if not _is_list_of_objects(messages) or not messages:
        raise ValueError("`messages` is not a list of objects with at least one entry.")
    if not _is_list_of_objects(tools):
        raise ValueError("`tools` is not a list of objects.")
    return ChatRequest(model=model, messages=messages, tools=tools, body=body, headers=headers)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def response(number: int, request: ChatRequest, reply: ChatReply) -> Response:
    """`reply` in the form that `request` asks for."""
    if reply.status != 200:
        return failure(reply.status, reply.error)
    if not request.body.get("stream"):
        return json_response(_completion(number, request.model, reply))
    chunk = json.dumps(_completion_chunk(number, request.model, reply))
    body = f"data: {chunk}\n\ndata: [DONE]\n\n".encode()
    return Response(200, body, content_type="text/event-stream")


def json_response(body: Json) -> Response:
    return Response(200, json.dumps(body).encode())


def failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return Response(status, json.dumps(body).encode(), headers=headers or {})


def _completion(number: int, model: str, reply: ChatReply) -> Json:
    choice = {"index": 0, "message": _message(reply), "finish_reason": _finish(reply)}
    return _envelope(number, model, reply, "chat.completion", choice)


def _completion_chunk(number: int, model: str, reply: ChatReply) -> Json:
    delta = _message(reply)
    for index, call in enumerate(delta.get("tool_calls", [])):
        call["index"] = index
    choice = {"index": 0, "delta": delta, "finish_reason": _finish(reply)}
    return _envelope(number, model, reply, "chat.completion.chunk", choice)


def _envelope(number: int, model: str, reply: ChatReply, kind: str, choice: Json) -> Json:
    return {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": 0,  # a real time would make recorded answers differ from run to run
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        },
    }


def _finish(reply: ChatReply) -> str:
    return "tool_calls" if reply.tool_calls else "stop"


def _message(reply: ChatReply) -> Json:
    message: Json = {"role": "assistant", "content": reply.content}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in reply.tool_calls
        ]
    return message

"""One question to a chat model and its answer, and how they look in OpenAI's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]

FOREVER = float("inf")
"""A delay that only the server's end ends."""

PIECES = 4
"""Into how many chunks a streamed answer falls."""


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
    """What the model says. With a `status` other than 200 only `error` and its `code` are sent.

    `delay`: seconds before the first byte, `forever` until the server ends; `cut`: whether the
    connection ends in the middle of the body; `finish`: how the answer ended, "" where it does not
    say; `model`: another name than was asked for;
    `tells_usage`: whether tokens are told at all.
    """

    content: str = ""
    tool_calls: tuple[ToolRequest, ...] = ()
    status: int = 200
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str | None = None
    refusal: str | None = None
    model: str | None = None
    tells_usage: bool = True
    delay: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class Response:
    """What goes over the wire."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False


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
        made = failure(reply.status, reply.error, reply.headers, reply.code)
    elif not request.body.get("stream"):
        made = json_response(_completion(number, request, reply))
    else:
        made = Response(200, _stream(number, request, reply), content_type="text/event-stream")
    return replace(made, delay=reply.delay, cut=reply.cut)


def _stream(number: int, request: ChatRequest, reply: ChatReply) -> bytes:
    return streamed([*map(json.dumps, _completion_chunks(number, request, reply)), "[DONE]"])


def streamed(pieces: Sequence[str]) -> bytes:
    return "".join(f"data: {piece}\n\n" for piece in pieces).encode()


def in_pieces(text: str) -> list[str]:
    """A text as it comes when it is streamed, at least one piece."""
    size = max(1, -(-len(text) // PIECES))
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def json_response(body: Json) -> Response:
    return Response(200, json.dumps(body).encode())


def failure(
    status: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    code: str | None = None,
) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Response(status, json.dumps(body).encode(), headers=headers or {})


def _completion(number: int, request: ChatRequest, reply: ChatReply) -> Json:
    choice = {"index": 0, "message": _message(reply), "finish_reason": _finish(reply)}
    return _envelope(number, request, reply, "chat.completion", choice)


def _completion_chunks(number: int, request: ChatRequest, reply: ChatReply) -> list[Json]:
    """The answer in a few pieces; tool calls, how it ends and usage come with the last."""
    message = _message(reply)
    for index, call in enumerate(message.get("tool_calls", [])):
        call["index"] = index
    pieces = in_pieces(reply.content)
    chunks = []
    for place, piece in enumerate(pieces):
        last = place == len(pieces) - 1
        delta = {**(message if last else {"role": "assistant"}), "content": piece}
        choice = {"index": 0, "delta": delta, "finish_reason": _finish(reply) if last else None}
        chunk = _envelope(number, request, reply, "chat.completion.chunk", choice)
        chunks.append(chunk if last else {k: v for k, v in chunk.items() if k != "usage"})
    return chunks


def _envelope(number: int, request: ChatRequest, reply: ChatReply, kind: str, choice: Json) -> Json:
    usage = {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }
    return {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": 0,  # a real time would make recorded answers differ from run to run
        "model": reply.model or request.model,
        "choices": [choice],
        **({"usage": usage} if reply.tells_usage else {}),
    }


def _finish(reply: ChatReply) -> str | None:
    if reply.finish is not None:
        return reply.finish or None
    return "tool_calls" if reply.tool_calls else "stop"


def _message(reply: ChatReply) -> Json:
    message: Json = {"role": "assistant", "content": reply.content}
    if reply.refusal is not None:
        message["refusal"] = reply.refusal
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

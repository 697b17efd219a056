"""The stand-in for a model's provider, through the client that the product uses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_runtime.testing import ChatReply, ChatRequest, ChatServer, Script, ToolRequest
from agent_runtime.testing.openai_server import MAX_BODY_BYTES
from tests.patience import PATIENCE

Model = Callable[..., ChatOpenAI]
LOOKUP = {"name": "lookup", "description": "Look up.", "parameters": {"type": "object"}}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def model(http: httpx.AsyncClient) -> Model:
    def build(server: ChatServer, name: str = "m", **options: Any) -> ChatOpenAI:
        key = SecretStr("test")
        options |= {"base_url": server.base_url, "http_async_client": http}
        return ChatOpenAI(api_key=key, model=name, **options)

    return build


async def test_content_and_token_counts_arrive(model: Model) -> None:
    """What the reply says and counts is what ChatOpenAI returns."""
    reply = ChatReply("Guten Tag", prompt_tokens=7, completion_tokens=2)
    with ChatServer(lambda _: reply) as server:
        message = await model(server).ainvoke("hi")
    assert message.content == "Guten Tag"
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 9


async def test_the_request_is_kept_as_it_was_sent(model: Model) -> None:
    """Model, messages, tools and headers of each request can be looked at afterwards."""
    with ChatServer(lambda _: ChatReply("ok")) as server:
        await model(server, "small").bind_tools([LOOKUP]).ainvoke("hi")
    (request,) = server.requests
    assert request.model == "small"
    assert request.messages == [{"role": "user", "content": "hi"}]
    assert request.tools[0]["function"]["name"] == "lookup"
    assert request.headers["authorization"] == "Bearer test"


async def test_a_tool_call_makes_the_round_trip(model: Model) -> None:
    """The call arrives parsed, and its result comes back to the server under the same id."""
    wish = ToolRequest("call-1", "lookup", {"invoice": "R-17", "net": 10.5})
    script = Script({"m": [ChatReply(tool_calls=(wish,)), ChatReply("found")]})
    with ChatServer(script) as server:
        chat = model(server).bind_tools([LOOKUP])
        asked = await chat.ainvoke("hi")
        (call,) = asked.tool_calls
        assert (call["id"], call["name"], call["args"]) == ("call-1", "lookup", wish.arguments)
        result = {"role": "tool", "tool_call_id": "call-1", "content": "42"}
        assert (await chat.ainvoke([("user", "hi"), asked, result])).content == "found"
    assert server.requests[1].messages[-1]["tool_call_id"] == "call-1"


async def test_each_model_has_its_own_script_in_order(model: Model) -> None:
    """Replies are given in the order of the list of the model that is asked for."""
    script = Script({"a": [ChatReply("a1"), ChatReply("a2")], "b": [ChatReply("b1")]})
    with ChatServer(script) as server:
        said = [(await model(server, name).ainvoke("hi")).content for name in ("a", "b", "a")]
    assert said == ["a1", "b1", "a2"]
    assert script.left == {"a": 0, "b": 0}


async def test_a_script_line_can_be_a_function_of_the_request(model: Model) -> None:
    """A line that is called sees the messages."""

    def echo(request: ChatRequest) -> ChatReply:
        return ChatReply(request.messages[-1]["content"].upper())

    with ChatServer(Script({"m": [echo]})) as server:
        assert (await model(server).ainvoke("hi")).content == "HI"


async def test_parallel_calls_get_different_lines(model: Model) -> None:
    """Of a script with as many lines as callers, every line is given once."""
    lines = [f"line {n}" for n in range(20)]
    with ChatServer(Script({"m": map(ChatReply, lines)})) as server:
        chat = model(server)
        messages = await asyncio.gather(*(chat.ainvoke("hi") for _ in lines))
    assert sorted(str(message.content) for message in messages) == sorted(lines)


@pytest.mark.parametrize(
    ("name", "said"),
    [("m", "script for 'm' is exhausted after 1 replies"), ("x", "no model 'x'; it has: m")],
)
async def test_a_request_beyond_the_script_fails_once(model: Model, name: str, said: str) -> None:
    """The client gets a 500 that says why and does not retry, and the failure is kept."""
    script = Script({"m": [ChatReply("only one")]})
    with ChatServer(script) as server:
        await model(server).ainvoke("hi")
        with pytest.raises(openai.InternalServerError, match=said):
            await model(server, name).ainvoke("hi")
    assert len(server.requests) == 2
    assert [type(error) for error in server.failures] == [LookupError]


async def test_an_error_in_the_answer_function_reaches_the_client(model: Model) -> None:
    """A bug in a test's own answer shows as a 500 with its text."""
    refused = pytest.raises(openai.InternalServerError, match="KeyError: 'nonsense'")
    with ChatServer(lambda request: ChatReply(request.body["nonsense"])) as server, refused:
        await model(server).ainvoke("hi")
    assert isinstance(server.failures[0], KeyError)


async def test_a_reply_that_is_not_json_is_a_failure_too(model: Model) -> None:
    """Arguments that cannot be sent are reported, not dropped with the connection."""
    wish = ToolRequest("1", "lookup", {"when": object()})
    refused = pytest.raises(openai.InternalServerError, match="not JSON serializable")
    with ChatServer(lambda _: ChatReply(tool_calls=(wish,))) as server, refused:
        await model(server).ainvoke("hi")


async def test_the_client_retries_a_scripted_outage(model: Model) -> None:
    """A reply with status 503 is the provider's doing, so the client tries again."""
    script = Script({"m": [ChatReply(status=503, error="overloaded"), ChatReply("back")]})
    with ChatServer(script) as server:
        assert (await model(server, max_retries=1).ainvoke("hi")).content == "back"
    assert server.failures == []


async def test_a_stream_is_one_chunk(model: Model) -> None:
    """A streaming client gets the same content, tool calls and counts."""
    wish = ToolRequest("call-1", "lookup", {"n": 1})
    reply = ChatReply("one moment", (wish,), prompt_tokens=3, completion_tokens=4)
    with ChatServer(lambda _: reply) as server:
        chunks = [chunk async for chunk in model(server, stream_usage=True).astream("hi")]
    whole: Any = sum(chunks[1:], start=chunks[0])
    assert whole.content == "one moment"
    assert whole.tool_calls[0]["args"] == {"n": 1}
    assert whole.usage_metadata["total_tokens"] == 7


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"messages": [{}]}', "`model`"),
        (b'{"model": "m", "messages": []}', "`messages`"),
        (b'{"model": "m", "messages": [{}], "tools": [1]}', "`tools`"),
    ],
)
async def test_a_malformed_body_is_refused(http: httpx.AsyncClient, body: bytes, said: str) -> None:
    """What is not a chat request gets a 400 that names the problem, and is not answered."""
    with ChatServer(lambda _: ChatReply("never")) as server:
        response = await http.post(f"{server.base_url}/chat/completions", content=body)
    assert response.status_code == 400
    assert said in response.json()["error"]["message"]
    assert server.requests == []


async def test_a_body_over_the_limit_is_refused_unread() -> None:
    """The announced length alone decides, and the connection ends."""
    with ChatServer(lambda _: ChatReply("never")) as server:
        url = httpx.URL(server.base_url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {MAX_BODY_BYTES + 1}"
        writer.write(f"{head}\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_without_a_length_is_refused(http: httpx.AsyncClient) -> None:
    """Chunked bodies are not read."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"{}"

    with ChatServer(lambda _: ChatReply("never")) as server:
        response = await http.post(f"{server.base_url}/chat/completions", content=chunks())
    assert response.status_code == 411


async def test_models_are_listed(http: httpx.AsyncClient) -> None:
    """A script's models can be offered to a client that looks for them."""
    script = Script({"a": [], "b": []})
    with ChatServer(script, models=script.models) as server:
        listed = (await http.get(f"{server.base_url}/models")).json()
    assert [entry["id"] for entry in listed["data"]] == ["a", "b"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_any_other_path_is_not_found(http: httpx.AsyncClient, method: str) -> None:
    """A wrong base_url shows as a 404 that names the path."""
    with ChatServer(lambda _: ChatReply("never")) as server:
        response = await http.request(method, f"{server.base_url}/nowhere", content=b"{}")
    assert response.status_code == 404
    assert "/v1/nowhere" in response.text


async def test_calls_share_one_connection(http: httpx.AsyncClient) -> None:
    """The server keeps the connection open between calls."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    ports = []
    with ChatServer(lambda _: ChatReply("ok")) as server:
        for _ in range(3):
            response = await http.post(f"{server.base_url}/chat/completions", content=body)
            ports.append(response.extensions["network_stream"].get_extra_info("client_addr")[1])
    assert len(set(ports)) == 1


async def test_leaving_the_block_ends_kept_connections(http: httpx.AsyncClient) -> None:
    """After the block nobody answers on the port any more."""
    with ChatServer(lambda _: ChatReply("ok")) as server:
        assert (await http.get(f"{server.base_url}/models")).status_code == 200
    with pytest.raises(httpx.TransportError):
        await http.get(f"{server.base_url}/models")

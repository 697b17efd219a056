"""Streamed answers: the same as in one piece, whichever API they come by, and told of meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from agent_runtime.models import progress
from agent_runtime.models.model import Model
from agent_runtime.models.progress import MOST, Progress
from agent_runtime.testing import ChatReply, ToolRequest, fault
from tests.models.conftest import Ask, after, answer

APIS = pytest.mark.parametrize("api", ["chat", "responses"])


def streaming(api: str) -> dict[str, Any]:
    return {"model_stream": True, "model_api": api}


@APIS
@pytest.mark.parametrize("reply", [answer, after(fault.without_usage)], ids=["usage", "none"])
async def test_a_streamed_answer_is_the_same_answer(ask: Ask, reply: Any, api: str) -> None:
    """In one piece at its end; tokens are told by the last chunk, or estimated."""
    desk = await ask(reply, asking=streaming(api))
    record = await desk.flow()
    assert record.run.state == "completed", record.run.reason
    assert desk.server.requests[0].body["stream"] is True
    assert desk.calls(record)[0].tokens_out > 0


@APIS
@pytest.mark.parametrize("broken", [fault.cut_off, fault.unfinished])
async def test_a_stream_that_breaks_off_is_asked_for_again(ask: Ask, broken: Any, api: str) -> None:
    """Half an answer is none, even where it can be read and the connection ended in order."""
    desk = await ask(after(broken), answer, asking=streaming(api))
    record = await desk.flow()
    assert desk.outcomes(record) == ["unreachable", "answered"]


@APIS
async def test_a_wish_for_a_tool_can_be_streamed(ask: Ask, api: str) -> None:
    """It is refused like any other that is not in the step's scope, and the talk goes on."""
    wish = ChatReply(tool_calls=(ToolRequest("1", "drop_tables", {"all": True}),))
    desk = await ask(wish, answer, asking=streaming(api))
    record = await desk.flow()
    assert record.run.state == "completed", record.run.reason
    assert [body["tool"] for body in record.bodies("tool.refused")] == ["drop_tables"]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@APIS
@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (fault.refusing(), "refused", "refused to answer"),
        (fault.filtered(), "filtered", "content filter"),
        (after(fault.truncated), "invalid_json", "cut off at its longest"),
    ],
    ids=["refusal", "filter", "length"],
)
async def test_how_an_answer_ended_is_understood(
    ask: Ask, reply: Any, kind: str, words: str, api: str, stream: bool
) -> None:
    """Each API has words of its own for it; a refusal is not asked for again."""
    asking = {**streaming(api), "model_stream": stream}
    desk = await ask(*[reply] * 3, asking=asking)
    record = await desk.flow()
    assert words in record.run.reason
    assert set(desk.outcomes(record)) == {kind}
    assert len(desk.server.requests) == (3 if kind == "invalid_json" else 1)


async def test_a_client_that_never_tells_an_ending_is_believed() -> None:
    """Not every provider says how an answer ended; its client raises where one broke off."""
    heard: list[int] = []
    model = Model("m", FakeListChatModel(responses=["done"]))
    message = await model.exchange([HumanMessage("?")], [], heard=heard.append)
    assert message.text == "done"
    assert heard[:4] == [1, 2, 3, 4]


@APIS
async def test_live_events_tell_how_an_answer_grows(
    ask: Ask, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By step and visit, in characters and never in words."""
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    desk = await ask(answer, asking=streaming(api))
    record = await desk.flow()
    told = record.bodies("model.heard")
    grown = [body.pop("characters") for body in told]
    assert told[0] == {"step": "pay_out", "visit": 1}
    assert len(grown) > 2
    assert 0 < grown[1] < grown[-1]


async def test_an_answer_that_is_not_streamed_tells_nothing_meanwhile(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streaming is off unless the settings say otherwise."""
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    desk = await ask(answer)
    record = await desk.flow()
    assert not desk.server.requests[0].body.get("stream")
    assert record.bodies("model.heard") == []


def test_progress_is_told_now_and_then() -> None:
    """Not more often than twice a second, and not more than so many times."""
    clock, told = iter(range(10_000)), list[int]()
    heard = Progress(told.append, now=lambda: next(clock) / 10)
    for characters in range(1_000):
        heard(characters)
    assert len(told) == MOST
    assert told[:3] == [4, 9, 14]

"""What reasoning looks up itself becomes part of its bundle: kept, told, bounded like the rest."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from agent_runtime import Context, Reasoning, search_knowledge
from agent_runtime.brief import Brief
from agent_runtime.knowledge.bundle import find_bundle
from agent_runtime.models.client import connect_model
from agent_runtime.settings import Settings
from agent_runtime.testing import ChatReply, ChatRequest, ChatServer, ToolRequest
from tests.conftest import OpenOffice
from tests.knowledge.test_retrieve import Near
from tests.knowledge.test_runs import CONTEXT, put, quoting
from tests.ledger import get_account, make_pay, pay_once
from tests.office import Office
from tests.replay.conftest import again

SEARCH = search_knowledge("handbook", limit=3)
LOOK = ToolRequest("look", "search_knowledge", {"query": "payouts"})


class Searching:
    """An office whose model searches the handbook before it proposes, and what it was told."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.told: list[dict[str, Any]] = []

    def kept(self, digest: str) -> list[str]:
        found = find_bundle(self.office.runtime.store.read("default"), digest)
        return [passage.text for passage in found.shown]


Search = Callable[..., Awaitable[Searching]]


@pytest.fixture
async def search(open_office: OpenOffice) -> AsyncIterator[Search]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())

        async def open_one(**options: Any) -> Searching:
            def reply(request: ChatRequest) -> ChatReply:
                brief = Brief.model_validate_json(request.messages[1]["content"])
                if len(request.messages) == 2:
                    return ChatReply(tool_calls=(LOOK,))
                searching.told += json.loads(request.messages[-1]["content"])["results"]
                return ChatReply(pay_once(brief).model_dump_json(exclude_none=True))

            server = stack.enter_context(ChatServer(reply))
            values = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test"}
            settings = Settings.model_validate({**values, "model": "test-model", "anchor": None})
            thought = Reasoning(prompt="pay", proposes=[make_pay()], tools=[SEARCH])
            office = await open_office(
                step={"context": Context(tools=[get_account]), "reasoning": thought},
                model=connect_model(settings, http_async_client=http),
                settings=settings,
                **options,
            )
            searching = Searching(office)
            return searching

        yield open_one


async def test_it_is_kept_under_a_digest_of_its_own(search: Search) -> None:
    """For whoever asks what the proposal rests on; what was outranked is part of it."""
    desk = await search()
    for number in range(4):
        await put(desk.office, f"{number}.md", f"Payouts number {number} are slow.")
    record = await desk.office.flow()
    before, after = record.bodies("bundle.assembled")[:2]
    assert before["digest"] != after["digest"]
    texts = desk.kept(after["digest"])
    assert len(texts) == len(after["shown"])
    assert "Payouts number 2 are slow." in texts
    assert [left["why"] for left in after["left_out"]] == ["outranked"]
    assert (await again(desk.office, record)).result == "identical"


async def test_a_document_that_repeats_another_is_shown_once(search: Search) -> None:
    """The model is told which one is left out, and why; so is the bundle."""
    desk = await search()
    for name in ("a.md", "b.md"):
        await put(desk.office, name, "Payouts are slow.")
    record = await desk.office.flow()
    shown, left = desk.told[:2]
    assert shown["text"] == "Payouts are slow."
    assert left["left_out"] == "a source that was shown says the same"
    body = record.bodies("bundle.assembled")[1]
    assert desk.kept(body["digest"]).count("Payouts are slow.") == 1
    assert [(one["source"], one["why"]) for one in body["left_out"]] == [
        (left["source"], "duplicate")
    ]


async def test_without_the_endpoint_its_bundle_says_so(search: Search) -> None:
    """Words go on alone; in a replay too, with nobody asked."""
    near = Near()
    near.down = True
    desk = await search(embedder=near)
    await put(desk.office, "a.md", "Payouts are slow.")
    record = await desk.office.flow()
    assert "Payouts are slow." in desk.told[0]["text"]
    (warning,) = record.bodies("bundle.assembled")[1]["warnings"]
    assert "searched by words alone" in warning
    assert (await again(desk.office, record)).result == "identical"


async def test_so_does_the_bundle_that_context_assembles(open_office: OpenOffice) -> None:
    """Once, however many look-ups have it to say."""
    near = Near()
    near.down = True
    twice = Context(tools=[*CONTEXT.tools, CONTEXT.tools[1].with_inputs(query="account")])
    office = await open_office(quoting, step={"context": twice}, embedder=near)
    await put(office, "a.md", "Payouts are slow.")
    record = await office.flow(message="payouts")
    (warning,) = record.bodies("bundle.assembled")[0]["warnings"]
    assert "searched by words alone" in warning
    assert (await again(office, record)).result == "identical"

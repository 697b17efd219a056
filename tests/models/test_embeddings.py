"""Embeddings are asked like models: written down, paid for from the tenant's day, and limited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent_runtime.budget import Spent
from agent_runtime.clock import ManualClock
from agent_runtime.errors import ModelUnavailable
from agent_runtime.models.embed import Embedder, connect_embedder
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.store import Store
from agent_runtime.store.calls import ModelCall
from agent_runtime.testing import ChatReply, ChatServer, fault
from tests.office import NOON

PRICED = {"prices": {"near": {"input": "0.02"}}}


@dataclass(frozen=True)
class Meaning:
    """An embedder with its server and where it writes."""

    embedder: Embedder
    server: ChatServer
    store: Store

    @property
    def calls(self) -> list[ModelCall]:
        return self.store.read("default").calls.find("")

    def spent(self, tenant: str = "default") -> Spent:
        return self.store.read(tenant).calls.spent("tenant_day", NOON.date().isoformat())


@pytest.fixture
async def meaning(tmp_path: Path) -> AsyncIterator[Callable[..., Meaning]]:
    """Opens an embedder on a local server that may refuse."""
    store, servers = Store(tmp_path / "runtime.db", ManualClock(NOON)), list[ChatServer]()
    async with httpx.AsyncClient() as http:

        def serve(refuses: ChatReply | None = None, **asking: Any) -> Meaning:
            server = ChatServer(lambda _: ChatReply(""), refuses=refuses)
            servers.append(server.__enter__())
            settings = Settings.model_validate({"OPENAI_BASE_URL": server.base_url})
            chosen = ModelSettings.model_validate({"embedding_model": "near"} | asking)
            made = connect_embedder(settings, chosen, store, http_client=http)
            assert made is not None
            return Meaning(made, server, store)

        yield serve
    for server in servers:
        server.__exit__(None, None, None)
    store.close()


async def test_every_request_is_written_down(meaning: Any) -> None:
    """With the provider's tokens, its cost and how long it took; of the texts only their hash."""
    desk = meaning(embedding_batch=2, **PRICED)
    await desk.embedder.embed(["one", "two", "three"], "default")
    told = [(call.model, call.outcome, call.tokens_in, call.cost) for call in desk.calls]
    assert sorted(told) == [("near", "answered", 1, 20), ("near", "answered", 2, 40)]
    assert all(call.request.startswith("sha256:") for call in desk.calls)


async def test_a_tenants_day_pays_for_it(meaning: Any) -> None:
    """Its own, and nobody else's."""
    desk = meaning(budgets={"tenant_day": {"tokens": 1_000}}, **PRICED)
    await desk.embedder.embed(["one", "two"], "default")
    assert desk.spent().model_copy(update={"millis": 0}) == Spent(tokens=2, money=40, calls=1)
    await desk.embedder.embed(["A long text about refunds. " * 20], "other")
    assert (desk.spent().tokens, desk.spent("other").tokens) == (2, 1)
    assert [len(desk.store.read(one).calls.find("")) for one in ("default", "other")] == [1, 1]


async def test_beyond_the_budget_nobody_is_asked(meaning: Any) -> None:
    """Nothing is drawn, and who searches goes on by words."""
    desk = meaning(budgets={"tenant_day": {"tokens": 5}})
    with pytest.raises(ModelUnavailable, match="budget of the tenant of the day is used up"):
        await desk.embedder.embed(["A long text about refunds and windows. " * 20], "default")
    assert desk.server.embedded == []
    assert desk.spent() == Spent()


async def test_limiting_money_needs_a_price_here_too(meaning: Any) -> None:
    """By the model's name and the setting."""
    desk = meaning(budgets={"tenant_day": {"money": "1.00"}})
    with pytest.raises(ModelUnavailable, match=r"'near' has no price.*AGENT_RUNTIME_PRICES"):
        await desk.embedder.embed(["one"], "default")


async def test_a_failed_request_is_written_down_and_costs_nothing(meaning: Any) -> None:
    """Under the name of its failure."""
    desk = meaning(fault.wrong_key(), budgets={"tenant_day": {"tokens": 1_000}}, **PRICED)
    with pytest.raises(ModelUnavailable, match="Correct OPENAI_API_KEY"):
        await desk.embedder.embed(["one"], "default")
    assert [call.outcome for call in desk.calls] == ["unauthorized"]
    assert (desk.spent().tokens, desk.spent().money) == (0, 0)

"""How many calls a provider is asked at once, and how fast one after the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from agent_runtime.models.limit import Limit
from agent_runtime.models.lineup import line_up
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.testing import ChatReply, ChatRequest
from tests.ledger import make_pay, pay_workflow
from tests.models.conftest import Ask, answer


async def test_no_more_are_under_way_than_are_allowed() -> None:
    """The others wait until one has ended."""
    limit, under_way, most = Limit(2), 0, 0

    async def call() -> None:
        nonlocal under_way, most
        async with limit.slot():
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    await asyncio.gather(*(call() for _ in range(8)))
    assert most == 2


def test_calls_are_spread_over_the_minute() -> None:
    """At sixty a minute, one a second, after a second's share at once."""
    limit = Limit(9, per_minute=60, now=lambda: 100.0)
    assert [limit.delay() for _ in range(4)] == pytest.approx([0.0, 1.0, 2.0, 3.0])


def test_a_pause_saves_up_no_burst() -> None:
    """An hour without a call gives no more at once than a second does."""
    moment = 0.0
    limit = Limit(9, per_minute=60, now=lambda: moment)
    limit.delay()
    moment = 3_600.0
    assert sum(limit.delay() == 0.0 for _ in range(20)) == 1


async def test_all_models_of_one_provider_share_its_limit() -> None:
    """It counts calls by key and host, whichever of its models they are for."""
    elsewhere: dict[str, Any] = {"model": "c", "base_url": "http://127.0.0.1:2/v1"}
    models = {"a": {"model": "a"}, "b": {"model": "b"}, "c": elsewhere}
    settings = Settings.model_validate({"OPENAI_API_KEY": "k"})
    lineup = line_up(settings, ModelSettings.model_validate({"models": models}))
    (step,) = pay_workflow(make_pay()).steps
    a, b, c, default = [lineup.limit(await lineup.model(n, step)) for n in (*models, "default")]
    await lineup.close()
    assert a is b is default
    assert a is not c


async def test_runs_ask_no_more_at_once_than_is_allowed(ask: Ask) -> None:
    """The executor takes a place for each call over the wire."""
    met, together = Barrier(2), list[bool]()

    def meet(request: ChatRequest) -> ChatReply:
        with suppress(BrokenBarrierError):
            met.wait(0.3)
            together.append(True)
        met.reset()
        return answer(request)

    desk = await ask(meet, meet, asking={"model_concurrency": 1})
    records = await asyncio.gather(desk.flow(), desk.flow())
    assert [record.run.state for record in records] == ["completed"] * 2
    assert together == []

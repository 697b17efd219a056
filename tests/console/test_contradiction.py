"""The shop's sample about a launch voucher: two pages of its handbook contradict each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent_runtime.app import load_app
from agent_runtime.cli.demo import load_systems
from agent_runtime.knowledge.folder import files
from agent_runtime.operators import FILE, provide_operators
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.trigger import Trigger
from tests.api.served import Served, browsing
from tests.program import ROOT

SAMPLES = ROOT / "graphs/refund/samples"
REQUESTS = json.loads((SAMPLES / "requests.json").read_text())


async def begin(data: Path) -> Run:
    """Take the handbook in, and drive the request to its question."""
    app = load_app(ROOT)
    await load_systems(app, data, SAMPLES)
    (given,) = [one["input"] for one in REQUESTS if one["key"] == "shop-inbox-009"]
    async with Runtime.open(app, data) as runtime:
        async for _ in runtime.library.add_files("default", "ada", files(SAMPLES, {})):
            pass
        run = await runtime.start("refund", given, trigger=Trigger(kind="event", owner="inbox"))
        return await runtime.drive(run.id)


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[tuple[Run, httpx.Client]]:
    """The run, and a person of the shop who looks at the console."""
    server = Served(ROOT)
    server.place = tmp_path / "data"
    server.data.mkdir()
    run = asyncio.run(begin(server.data))
    provide_operators(server.data, SAMPLES / FILE)
    server.start("--dev", "--data", str(server.data))
    try:
        with browsing(server.url, follow_redirects=True) as client:
            client.post("/sign-in/dev", data={"as": "lena"})
            yield run, client
    finally:
        server.close()


def test_a_visit_tells_what_was_shown_what_was_left_out_and_why_people_are_asked(
    seen: tuple[Run, httpx.Client],
) -> None:
    run, client = seen
    assert run.state == "paused"
    page = client.get(f"/runs/{run.id}/steps/draft_refund_decision/1/context")
    assert page.status_code == 200
    shown, disputed, left, why = (
        page.text.index(words)
        for words in ("it becomes a new voucher", "contradict each other", "Left out", "Why people")
    )
    assert shown < disputed < left < why
    between = page.text[disputed:left]
    assert all(name in between for name in ("vouchers.md", "launch_offer.md", "yes", "no"))
    assert "refund_window.md" in page.text[left:why]
    assert "outranked" in page.text[left:why]
    assert "base-contradiction" in page.text[why:]

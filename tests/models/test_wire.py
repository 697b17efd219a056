"""The wire to a provider: with hundreds of calls in flight the loop has time for all else."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel

from agent_runtime.models.lineup import line_up
from agent_runtime.models.wire import EACH, Wire, wire_client
from agent_runtime.settings import ModelSettings, Settings
from tests.ledger import make_pay, pay_workflow

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PATIENCE = 30.0


class Crowded:
    """A server that answers once so many requests are there, and then all of them at once."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.taken: list[socket.socket] = []
        self.arrived, self.go, self.sent = (threading.Event() for _ in range(3))

    def serve(self, count: int) -> None:
        with suppress(OSError):
            for _ in range(count):
                self.taken.append(self.listener.accept()[0])
                self.taken[-1].recv(65_536)
            self.arrived.set()
            self.go.wait(PATIENCE)
            for one in self.taken:
                one.sendall(ANSWER)
            self.sent.set()


@pytest.fixture
def crowded() -> Iterator[Crowded]:
    server = Crowded()
    yield server
    server.go.set()
    for one in (server.listener, *server.taken):
        one.close()


async def test_answers_that_come_at_once_are_read_one_by_one(crowded: Crowded) -> None:
    """Between two of them the loop goes round, and does what else there is."""
    rounds, read = 0, []

    async def go_round() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def ask(client: httpx.AsyncClient) -> None:
        await client.get(crowded.url)
        read.append(rounds)

    async with httpx.AsyncClient(transport=Wire(), timeout=PATIENCE) as client:
        serving = asyncio.create_task(asyncio.to_thread(crowded.serve, 20))
        asking = [asyncio.create_task(ask(client)) for _ in range(20)]
        await asyncio.to_thread(crowded.arrived.wait, PATIENCE)
        others = asyncio.create_task(go_round())
        crowded.go.set()
        assert crowded.sent.wait(PATIENCE)  # the loop is held until all are there
        await asyncio.gather(*asking, serving)
        others.cancel()
    assert len(set(read)) == 20


async def test_many_requests_share_small_pools_and_leave_them(crowded: Crowded) -> None:
    """Whether they were answered or given up."""
    wire = Wire()
    async with httpx.AsyncClient(transport=wire, timeout=PATIENCE) as client:
        serving = asyncio.create_task(asyncio.to_thread(crowded.serve, 20))
        asking = [asyncio.create_task(client.get(crowded.url)) for _ in range(20)]
        await asyncio.to_thread(crowded.arrived.wait, PATIENCE)
        assert wire.under_way == [EACH, EACH, 20 - 2 * EACH]
        asking[0].cancel()
        crowded.go.set()
        await asyncio.gather(*asking, serving, return_exceptions=True)
        assert wire.under_way == [0, 0, 0]


async def test_one_after_the_other_they_go_over_one_connection(ask_nobody: str) -> None:
    """A new one would be a TLS handshake for each call."""
    async with httpx.AsyncClient(transport=Wire(), timeout=PATIENCE) as client:
        ports = {(await client.get(ask_nobody)).text for _ in range(3)}
    assert len(ports) == 1


@pytest.fixture
async def ask_nobody() -> Any:
    """The URL of a server that answers with the client's port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = str(writer.get_extra_info("peername")[1]).encode()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(port)
                writer.write(head + port)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def test_a_proxy_of_the_environment_is_gone_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own client knows how."""
    for name in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert isinstance(wire_client(1.0)._transport, Wire)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert not isinstance(wire_client(1.0)._transport, Wire)


class Heavy(FakeListChatModel):
    """A chat model that takes long to make; `passed`: what has to go on meanwhile."""

    def __init__(self, **values: Any) -> None:
        super().__init__(responses=["{}"], **values)
        MADE.append(PASSED.wait(PATIENCE))


PASSED, MADE = threading.Event(), list[bool]()


async def test_a_model_is_made_once_and_beside_the_loop() -> None:
    """The first one takes seconds: the runs of others go on."""
    models = {"heavy": {"model": "x", "provider": f"{__name__}:Heavy"}}
    lineup = line_up(Settings(), ModelSettings.model_validate({"models": models}))
    (step,) = pay_workflow(make_pay()).steps
    asking = [asyncio.create_task(lineup.model("heavy", step)) for _ in range(3)]
    await asyncio.sleep(0.01)
    PASSED.set()
    first, *others = await asyncio.gather(*asking)
    assert all(other is first for other in others)
    assert MADE == [True]
    await lineup.close()

"""Offices whose model is a local server that does what a script says, faults and all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from agent_runtime import Reasoning
from agent_runtime.brief import Brief
from agent_runtime.failure import TABLE, Table
from agent_runtime.models.client import connect_model
from agent_runtime.settings import ModelSettings, ModelSpec, Settings
from agent_runtime.store.calls import ModelCall
from agent_runtime.testing import BatchDesk, ChatReply, ChatRequest, ChatServer, Script
from tests.conftest import OpenOffice
from tests.ledger import make_pay, proposal
from tests.office import Office, Record

MODEL, SPARE = "test-model", "spare-model"

QUICK: Table = {
    kind: type(remedy)(remedy.then, remedy.times, remedy.otherwise, first=0.01)
    for kind, remedy in TABLE.items()
}
"""The declared table, with waits that a test can bear."""


def brief_of(request: ChatRequest) -> Brief:
    return Brief.model_validate_json(request.messages[1]["content"])


def answer(request: ChatRequest, **changes: Any) -> ChatReply:
    """What a model that does well says, with its tokens."""
    text = proposal(brief_of(request), **changes).model_dump_json(exclude_none=True)
    return ChatReply(text, prompt_tokens=100, completion_tokens=20)


def after(change: Callable[[ChatReply], ChatReply]) -> Callable[[ChatRequest], ChatReply]:
    """The good answer, with something done to it."""
    return lambda request: change(answer(request))


@dataclass(frozen=True)
class Desk:
    """An office and its model's server."""

    office: Office
    server: ChatServer

    async def flow(self, **fields: Any) -> Record:
        return await self.office.flow(**fields)

    def calls(self, record: Record) -> list[ModelCall]:
        return self.office.runtime.store.read("default").calls.find(record.run.id)

    def outcomes(self, record: Record) -> list[str]:
        return [call.outcome for call in self.calls(record)]


Ask = Callable[..., Any]


@pytest.fixture
async def ask(open_office: OpenOffice) -> AsyncIterator[Ask]:
    """Opens an office whose model gives these replies, in order; `spare` are the fallback's."""
    servers: list[ChatServer] = []
    async with httpx.AsyncClient() as http:

        async def serve(
            *replies: Any,
            spare: tuple[Any, ...] | None = None,
            asking: dict[str, Any] | None = None,
            patience: float = 5.0,
            folder: str = "data",
            batches: BatchDesk | None = None,
            content_key: str | None = None,
            workflow: Any = None,
            **reasoning: Any,
        ) -> Desk:
            lines = {MODEL: replies} | ({} if spare is None else {SPARE: spare})
            server = ChatServer(Script(lines), models=list(lines), desk=batches)
            servers.append(server.__enter__())
            values = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test"}
            settings = Settings.model_validate(
                values
                | {"model": MODEL, "model_timeout": patience, "anchor": None}
                | {"content_key": content_key}
            )
            declared = {} if spare is None else {"spare": ModelSpec(model=SPARE)}
            chosen = ModelSettings.model_validate(
                {"models": declared, "model_fallback": "spare" if declared else None}
                | (asking or {})
            )
            reasoning = {"prompt": "pay", "proposes": [make_pay()], "failures": QUICK} | reasoning
            office = await open_office(
                step={"reasoning": Reasoning(**reasoning)},
                workflow=workflow,
                model=connect_model(settings, chosen, http_async_client=http),
                settings=settings,
                asking=chosen,
                folder=folder,
            )
            return Desk(office, server)

        yield serve
    for server in servers:
        server.__exit__(None, None, None)

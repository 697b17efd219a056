"""A canary run: fifty planted data of each kind come from everywhere, and none of them leaks."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.brief import Brief
from agent_runtime.cli.explain import run_lines
from agent_runtime.clock import ManualClock
from agent_runtime.event import Event
from agent_runtime.evidence import Document
from agent_runtime.knowledge.index import Incoming
from agent_runtime.models.client import connect_model
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import Settings
from agent_runtime.telemetry import JsonLines, Telemetry
from agent_runtime.testing import ChatReply, ChatRequest, ChatServer
from agent_runtime.trigger import Trigger
from tests.knowledge.mailroom import Post, answer, mailroom
from tests.knowledge.planted import EVERY, MANY, PLANTED, leaked, sentence
from tests.office import NOON


def replies(request: ChatRequest) -> ChatReply:
    brief = Brief.model_validate_json(request.messages[1]["content"])
    return ChatReply(answer(brief).model_dump_json(exclude_none=True))


@dataclass
class Traces:
    """All that a run has left where others look."""

    run: Run
    events: list[Event]
    left: dict[str, str]
    post: Post


def planted_post() -> Post:
    """Ten of each kind in a customer's record, ten in letters and one in an error."""
    record = {
        "id": "c1",
        "mail": PLANTED["email"][0],
        "phone": PLANTED["phone"][0],
        "accounts": [{"iban": iban, "bank": "B"} for iban in PLANTED["iban"][:10]],
        "cards": [{"number": card} for card in PLANTED["card"][:10]],
        "keys": PLANTED["secret"][:10],
        "notes": [sentence(number) for number in range(10)],
    }
    letters = [sentence(number) for number in range(10, 20)]
    return Post(customer=record, letters=letters, problem=sentence(49))


@pytest.fixture
async def traces(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Traces]:
    """The canary run, driven to its end."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="agent_runtime")
    post, exporter = planted_post(), InMemorySpanExporter()
    with ChatServer(replies) as server:
        values = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test", "model": "m"}
        settings = Settings.model_validate(values)
        async with (
            httpx.AsyncClient() as http,
            Runtime.open(
                mailroom(post),
                tmp_path / "data",
                clock=ManualClock(NOON),
                model=connect_model(settings, http_async_client=http),
                telemetry=Telemetry(SimpleSpanProcessor(exporter)),
            ) as runtime,
        ):
            run = await _driven(runtime)
            session = runtime.store.read("default")
            events = session.events.find(run.id)
            report = run_lines(run, events, [], session.journal.find(run.id))
            left = {
                "prompts": json.dumps([request.messages for request in server.requests]),
                "events": json.dumps([event.body for event in events]),
                "report": "\n".join(map(str, report)),
                "logs": "\n".join(JsonLines().format(record) for record in caplog.records),
                "spans": "\n".join(span.to_json() for span in exporter.get_finished_spans()),
                "error": run.reason,
            }
            yield Traces(run, events, left, post)


async def _driven(runtime: Runtime) -> Run:
    for number in range(20, 30):
        document = sentence(number).encode()
        incoming = Incoming(f"mail-{number}.md", "text/markdown", document, {"labels": ["inbox"]})
        await runtime.library.add("default", "ada", incoming)
    documents = [
        Document(source=f"attachment-{number}", text=sentence(number)) for number in range(30, 40)
    ]
    inputs = {
        "case": "c1",
        "message": "About case: " + " ".join(sentence(number) for number in range(40, 49)),
        "sender": PLANTED["email"][49],
        "phone": PLANTED["phone"][49],
    }
    trigger = Trigger(kind="event", owner="mailroom")
    run = await runtime.start("mailroom", inputs, trigger=trigger, documents=documents)
    return await runtime.drive(run.id)


async def test_no_planted_datum_leaves_a_run(traces: Traces) -> None:
    """Neither in what the model was sent nor in anything that is kept to explain the run."""
    assert len(EVERY) == 5 * MANY
    assert traces.run.state == "completed", traces.run.reason
    assert {place: leaked(text) for place, text in traces.left.items() if leaked(text)} == {}
    for source in ("letter-9", "attachment-39", "mail-2", "failure:ask_bank", "get_customer"):
        assert source in traces.left["prompts"]


async def test_a_pseudonym_is_turned_back_for_the_one_who_sends(traces: Traces) -> None:
    """The outside system gets the address and the words, and only it does."""
    ((to, text),) = traces.post.sent
    assert to in PLANTED["email"]
    assert text == f"Dear {to}, it is done."


async def test_the_needles_would_be_found(traces: Traces) -> None:
    """The same search finds every one of them in what the tools brought."""
    whole: list[Any] = [traces.post.customer, traces.post.letters, traces.post.problem]
    found = leaked(json.dumps(whole, ensure_ascii=False))
    assert len(found) >= 21 * 5

"""A canary run: fifty planted data of each kind come from everywhere, and none of them leaks."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.api.app import make_app, make_site
from agent_runtime.approval import Answer
from agent_runtime.brief import Brief
from agent_runtime.cli.explain import run_lines
from agent_runtime.clock import ManualClock
from agent_runtime.console.mount import mount
from agent_runtime.event import Event
from agent_runtime.evidence import Document
from agent_runtime.identity import create_token
from agent_runtime.knowledge.index import Incoming
from agent_runtime.models.client import connect_model
from agent_runtime.notice import Wanted
from agent_runtime.redact import PSEUDONYM
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import NoticeSettings, ServeSettings, Settings
from agent_runtime.store import Session
from agent_runtime.telemetry import Capture, JsonLines, Telemetry
from agent_runtime.testing import ChatReply, ChatRequest, ChatServer
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from tests.knowledge.mailroom import Post, answer, mailroom
from tests.knowledge.planted import EVERY, MANY, PLANTED, leaked, sentence
from tests.notices.conftest import LOCAL, TOPICS
from tests.notices.receiver import Receiver, receiving
from tests.office import NOON, PEOPLE
from tests.triggers.sender import SECRET

HOST = "http://console.test"
MOST = 115
"""Pages that are looked at."""
KNOWLEDGE = "/knowledge"
"""The knowledge base itself is shown as it was indexed, to those who may read it."""


def replies(request: ChatRequest) -> ChatReply:
    brief = Brief.model_validate_json(request.messages[1]["content"])
    return ChatReply(answer(brief).model_dump_json(exclude_none=True))


@dataclass
class Traces:
    """All that a run has left where others look: the text of each place."""

    run: Run
    events: list[Event]
    left: dict[str, str]
    post: Post
    key: bytes


@dataclass
class Canary:
    """A runtime with somebody who looks at it and may not see content: a program of theirs, and
    their browser. `monitor`: the credential of what reads metrics."""

    runtime: Runtime
    program: httpx.AsyncClient
    browser: httpx.AsyncClient
    monitor: dict[str, str]
    seen: dict[str, str]

    async def look(self, path: str, body: Any = None) -> httpx.Response:
        """Ask for something, and keep what is answered."""
        client = self.program if path.startswith("/v1") else self.browser
        told = await (client.get(path) if body is None else client.post(path, json=body))
        self.seen[f"{told.status_code} {path}"] = told.text + str(dict(told.headers))
        return told

    async def walk(self) -> None:
        """Every page that can be reached from the first one."""
        todo, known = ["/"], {"/"}
        while todo and len(known) < MOST:
            page = await self.look(todo.pop(0))
            if "text/html" not in page.headers.get("content-type", ""):
                continue
            for link in re.findall(r'href="(/[^"#]*)', page.text):
                path = link.replace("&amp;", "&")
                if path not in known and not path.startswith((KNOWLEDGE, "/static", "/assets")):
                    known.add(path)
                    todo.append(path)

    async def ask(self, run_id: str) -> None:
        """All that the API tells of a run, and its errors."""
        about = f"/v1/runs/{run_id}"
        parts = ("timeline", "envelopes", "evidence", "journal", "calls", "report")
        for path in (about, *(f"{about}/{part}" for part in parts)):
            await self.look(path)
        for path in ("/v1/runs", "/v1/approvals", "/v1/events?limit=200"):
            await self.look(path)
        metrics = await self.program.get("/metrics", headers=self.monitor)
        self.seen["metrics"] = metrics.text
        for form in ("html", "text"):
            await self.look(f"{about}/report?as={form}")
        await self.look(f"{about}/replay", {})
        await self.look(f"{about}/fork/rehearsal", {"at": "answer_letter"})
        await self.look(f"{about}/cancel", {"reason": ""})
        await self.look(f"{about}/evidence/sha256:0")
        asked = (await self.look("/v1/approvals?status=open")).json().get("items", [])
        for one in asked:
            await self.look(f"/v1/approvals/{one['id']}/decide", {"kind": "approve", "digest": "x"})


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


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """The canary run, asked about, answered and driven to its end, with content captured."""
    return asyncio.run(canary_run(tmp_path_factory.mktemp("canary")))


async def canary_run(folder: Path) -> Traces:
    """What it has left everywhere."""
    lines = list[str]()
    post, exporter = planted_post(), InMemorySpanExporter()
    telemetry = Telemetry(SimpleSpanProcessor(exporter), capture=Capture(on=True))
    async with AsyncExitStack() as stack:
        stack.callback(_log_to(lines))
        server = stack.enter_context(ChatServer(replies))
        receiver = stack.enter_context(receiving())
        http = await stack.enter_async_context(httpx.AsyncClient())
        values = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test", "model": "m"}
        settings = Settings.model_validate({**values, "secrets": {"default/crm": SECRET}})
        runtime = await stack.enter_async_context(
            Runtime.open(
                mailroom(post),
                folder / "data",
                clock=ManualClock(NOON),
                model=connect_model(settings, http_async_client=http),
                telemetry=telemetry,
                settings=settings,
                notices=NoticeSettings.model_validate(LOCAL),
            )
        )
        canary = await _opened(stack, runtime)
        run = await _driven(canary, receiver)
        session = runtime.store.read("default")
        events, spans = session.events.find(run.id), exporter.get_finished_spans()
        report = run_lines(run, events, [], session.journal.find(run.id))
        left = {
            "prompts": json.dumps([request.messages for request in server.requests]),
            "events": json.dumps([event.body for event in events]),
            "report": "\n".join(map(str, report)),
            "logs": "\n".join(lines),
            "spans": "\n".join(span.to_json() for span in spans),
            "act": "\n".join(s.to_json() for s in spans if s.name == "execute_tool send_answer"),
            "otlp": encode_spans(spans).SerializeToString().decode("utf-8", "replace"),
            "webhooks": "\n".join(f"{head}{body.decode()}" for head, body in receiver.got),
            "error": run.reason,
            "recordings": json.dumps(_recorded(session, run)),
            "journal": json.dumps(
                [e.model_dump(mode="json") for e in session.journal.find(run.id)]
            ),
            "checkpoints": str(session.checkpoints.get(run.id, "")),
            **canary.seen,
        }
        return Traces(run, events, left, post, session.pseudonyms.key() or b"")


def _recorded(session: Session, run: Run) -> list[Any]:
    """The exchanges of a run, without the arguments of look-ups: those are stored as they came."""
    found = session.recordings.find(run.id)
    return [[one.response, one.request if one.kind == "model" else None] for one in found]


def _log_to(lines: list[str]) -> Any:
    """Every line that is logged from now on; ends with what is returned."""

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonLines().format(record))

    keeper, own = Keeper(logging.DEBUG), logging.getLogger("agent_runtime")
    before = own.level
    own.setLevel(logging.DEBUG)
    own.addHandler(keeper)  # other tests may keep its lines from the root

    def end() -> None:
        own.removeHandler(keeper)
        own.setLevel(before)

    return end


async def _opened(stack: AsyncExitStack, runtime: Runtime) -> Canary:
    """The API and the console, with a lead who may decide and not correct inputs."""
    app = make_app(make_site(runtime, ServeSettings(), None), ("console.test",))
    mount(app)
    day, monitor = timedelta(days=1), Operator(name="monitor", roles=("administrator",))
    _, secret = await create_token(runtime.store, PEOPLE["lena"], by="test", lifetime=day)
    _, other = await create_token(runtime.store, monitor, by="test", lifetime=day)
    program, browser = [
        await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=HOST, follow_redirects=True
            )
        )
        for _ in range(2)
    ]
    program.headers["authorization"] = f"Bearer {secret}"
    await browser.post("/sign-in", data={"token": secret}, headers={"origin": HOST})
    return Canary(runtime, program, browser, {"authorization": f"Bearer {other}"}, {})


async def _driven(canary: Canary, receiver: Receiver) -> Run:
    """Start it with what comes from outside, look at it while it asks, and when it has ended."""
    runtime, lena = canary.runtime, PEOPLE["lena"]
    told = {"channel": "webhook", "to": receiver.url, "topics": TOPICS, "secret": "crm"}
    await runtime.outbox.subscribe(lena, Wanted.model_validate(told))
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
    run = await runtime.drive(run.id)
    assert run.state == "paused", run.reason
    (asked,) = runtime.store.read("default").approvals.find(["open"])
    await canary.ask(run.id)
    await canary.walk()
    await runtime.decide(asked.id, lena, Answer(kind="approve", digest=asked.digest, channel="t"))
    run = await runtime.drive(run.id)
    await canary.ask(run.id)
    for task in runtime.courier.set_out("default"):
        await task
    return run


def test_no_planted_datum_leaves_a_run(traces: Traces) -> None:
    """Neither in what the model was sent nor in anything that is kept or shown to explain it."""
    assert len(EVERY) == 5 * MANY
    assert traces.run.state == "completed", traces.run.reason
    assert {place: leaked(text) for place, text in traces.left.items() if leaked(text)} == {}
    for source in ("letter-9", "attachment-39", "mail-2", "failure:ask_bank", "get_customer"):
        assert source in traces.left["prompts"]


def test_every_place_was_looked_at(traces: Traces) -> None:
    """Each has something in it, so that nothing is found there for a reason."""
    about = f"/runs/{traces.run.id}"
    assert "run.ended" not in traces.left["error"]
    assert "approval.requested" in " ".join(event.type for event in traces.events)
    for place, words in {
        "logs": "run",
        "spans": "gen_ai.input.messages",
        "otlp": "gen_ai.input.messages",
        "webhooks": "agent-runtime.pending",
        "metrics": "agent_runtime",
        "recordings": "attachment-39",
        "journal": "sent to [email:",
        "checkpoints": "send_answer",
        f"200 /v1{about}/report?as=html": "attachment-39",
        f"200 /v1{about}/replay": "identical",
        f"200 {about}/input": "attachment-39",
        f"200 {about}": "mailroom",
    }.items():
        assert words in traces.left[place], place
    steps = [place for place in traces.left if f"{about}/steps/" in place]
    assert len(steps) >= 8
    refused = [place for place in traces.left if place[0] == "4"]
    assert any("problem+json" in traces.left[place] for place in refused)


def test_a_pseudonym_is_turned_back_for_the_one_who_sends(traces: Traces) -> None:
    """The outside system gets the address and the words, and only it does."""
    ((to, text),) = traces.post.sent
    assert to in PLANTED["email"]
    assert text == f"Dear {to}, it is done."


def test_facts_are_read_by_the_pseudonym(traces: Traces) -> None:
    """Before the gate and again before the act: nothing is turned back but for the one call."""
    assert len(traces.post.looked_up) >= 2
    assert all(PSEUDONYM.fullmatch(name) for name in traces.post.looked_up)


def test_a_trace_names_the_pseudonym_that_was_acted_on(traces: Traces) -> None:
    """Where content is captured: the arguments that people approved, not what was sent."""
    assert PSEUDONYM.search(traces.left["act"])


def test_the_key_of_pseudonyms_is_told_nowhere(traces: Traces) -> None:
    """Whoever had it could try values until their names fit."""
    key = traces.key
    forms = (key.hex(), base64.b64encode(key).decode(), repr(key)[2:-1])
    assert [place for place, text in traces.left.items() if any(f in text for f in forms)] == []


@pytest.mark.parametrize("kind", PLANTED)
def test_the_needles_would_be_found(traces: Traces, kind: str) -> None:
    """Fifty different ones of each kind, each found by the same search in what was planted."""
    post = traces.post
    brought = [post.customer, post.letters, post.problem, *map(sentence, range(20, 49))]
    found = leaked(json.dumps(brought, ensure_ascii=False))
    assert len(set(PLANTED[kind])) == MANY
    assert set(PLANTED[kind]) <= set(found)

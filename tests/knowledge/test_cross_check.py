"""Contradictions that a model reads: proved by words, recorded, and never in a run's way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from agent_runtime import Context, Reasoning, search_knowledge
from agent_runtime.brief import Brief
from agent_runtime.budget import Budget
from agent_runtime.errors import InvalidInput
from agent_runtime.evidence import contradictions, count_tokens
from agent_runtime.failure import TABLE
from agent_runtime.knowledge.cross_check import compared, marked, read_answer
from agent_runtime.models.client import connect_model
from agent_runtime.settings import Settings
from agent_runtime.testing import ChatReply, ChatRequest, ChatServer, ToolRequest
from tests.conftest import OpenOffice
from tests.knowledge.doubts import passage
from tests.knowledge.test_runs import put
from tests.ledger import get_account, make_pay, pay_once
from tests.office import Office, Record
from tests.replay.conftest import again

SEARCH = search_knowledge("handbook", limit=3).with_inputs(query="message")
CONTEXT = Context(tools=[get_account, SEARCH], cross_check="light")
SLOW, FAST = "Payouts take two weeks.", "Payouts happen the same day."
QUICK = {kind: type(r)(r.then, r.times, r.otherwise, first=0.01) for kind, r in TABLE.items()}

LOOK = ToolRequest("look", "search_knowledge", {"query": "payouts"})

Say = Callable[[Brief], str]


def answer(*said: tuple[str, str], about: str = "how long a payout takes") -> str:
    words = [{"source": source, "quote": quote} for source, quote in said]
    return json.dumps({"contradictions": [{"about": about, "said": words}] if said else []})


def attentive(brief: Brief) -> str:
    """Finds that the two documents contradict each other, where both are there."""
    by_text = {p.text: p.source for p in brief.evidence}
    both = [(by_text[text], text) for text in (SLOW, FAST) if text in by_text]
    return answer(*both) if len(both) == 2 else answer()


def about_nothing(brief: Brief) -> str:
    """Says that something stands in the first text which doesn't."""
    return answer(*[(p.source, f"No word of {number}") for number, p in enumerate(brief.evidence)])


@dataclass
class Reader:
    """An office whose model is asked over HTTP, and what it was asked to read."""

    office: Office
    server: ChatServer
    asked: list[Brief]

    async def flow(self, *answers: str) -> Record:
        return await self.office.flow(*answers, message="payouts")

    def warnings(self, record: Record) -> list[str]:
        return [w for body in record.bodies("bundle.assembled") for w in body.get("warnings", [])]


Read = Callable[..., Awaitable[Reader]]


@pytest.fixture
async def read(open_office: OpenOffice) -> AsyncIterator[Read]:
    """Opens an office over two documents; its model reads as `say` does, and then reasons."""
    servers: list[ChatServer] = []
    async with httpx.AsyncClient() as http:

        async def open_one(
            say: Say | ChatReply, context: Context = CONTEXT, **fields: Any
        ) -> Reader:
            asked: list[Brief] = []

            def reply(request: ChatRequest) -> ChatReply:
                brief = Brief.model_validate_json(request.messages[1]["content"])
                if "compare texts" not in request.messages[0]["content"]:
                    if "tools" in fields and len(request.messages) == 2:
                        return ChatReply(tool_calls=(LOOK,))
                    return ChatReply(pay_once(brief).model_dump_json(exclude_none=True))
                asked.append(brief)
                return say if isinstance(say, ChatReply) else ChatReply(say(brief))

            server = ChatServer(reply).__enter__()
            servers.append(server)
            values = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test"}
            settings = Settings.model_validate({**values, "model": "test-model", "anchor": None})
            thought = {"prompt": "pay", "proposes": [make_pay()], "failures": QUICK, **fields}
            office = await open_office(
                step={"context": context, "reasoning": Reasoning(**thought)},
                model=connect_model(settings, http_async_client=http),
                settings=settings,
            )
            for name, text in (("slow.md", SLOW), ("fast.md", FAST)):
                await put(office, name, text)
            return Reader(office, server, asked)

        yield open_one
    for server in servers:
        server.__exit__(None, None, None)


async def test_what_a_model_reads_raises_the_signal_of_the_declared_checks(read: Read) -> None:
    """No claim is declared: only a reader can tell. What would run unattended is asked about."""
    reader = await read(attentive)
    record = await reader.flow()
    assert record.verdicts[0]["kind"] == "needs_approval"
    assert record.approvals[0].signals.contradictions == 1
    assert not reader.asked[0].input
    assert reader.warnings(record) == []


async def test_a_check_is_recorded_and_replays_identically(read: Read) -> None:
    """With nobody asked: its exchange stands among the run's own, and so do its tokens."""
    reader = await read(attentive)
    record = await reader.flow("lena approve")
    calls = reader.office.runtime.store.read("default").calls.find(record.run.id)
    assert (calls[0].tier, calls[0].outcome, calls[1].tier) == ("light", "answered", "standard")
    count = len(reader.server.requests)
    assert (await again(reader.office, record)).result == "identical"
    assert len(reader.server.requests) == count


async def test_what_was_looked_up_meanwhile_is_read_too(read: Read) -> None:
    """A search that reasoning holds itself may bring what contradicts the rest."""
    search = search_knowledge("handbook", limit=3)
    alone = Context(tools=[get_account], cross_check="light")
    reader = await read(attentive, alone, tools=[search])
    record = await reader.flow()
    assert record.verdicts[0]["kind"] == "needs_approval"
    assert [len(brief.evidence) for brief in reader.asked] == [2, 4]
    texts = [p.text for p in reader.asked[1].evidence]
    assert record.approvals[0].signals.context_tokens == sum(count_tokens(t) for t in texts)
    assert (await again(reader.office, record)).result == "identical"


async def test_what_is_looked_up_again_still_contradicts_the_rest(read: Read) -> None:
    """Reasoning finds by itself what its context has shown, and what a model read of that."""
    search = search_knowledge("handbook", limit=3)
    record = await (await read(attentive, tools=[search])).flow()
    assert [body["contradictions"] for body in signals(record)] == [1]


async def test_one_text_alone_is_read_by_nobody(read: Read) -> None:
    """There is nothing that it could contradict."""
    reader = await read(attentive, Context(tools=[], cross_check="light"))
    record = await reader.flow()
    assert (reader.asked, reader.warnings(record)) == ([], [])


async def test_a_reader_is_offered_no_tool(read: Read) -> None:
    """It compares what is there; the step's own tools are for its reasoning."""
    reader = await read(attentive, tools=[search_knowledge("handbook", limit=3)])
    await reader.flow()
    compared_in, *reasoned_in = reader.server.requests
    assert compared_in.tools == []
    assert reasoned_in[0].tools


def signals(record: Record) -> list[dict[str, Any]]:
    return [body["signals"] for body in record.bodies("gate.judged")]


FAILING = {
    "broken": (ChatReply("{", prompt_tokens=1), "of no use"),
    "down": (ChatReply(status=503, error="down"), "none gave an answer"),
    "lying": (about_nothing, "of no use"),
    "asking": (ChatReply(tool_calls=(LOOK,)), "asked for a tool instead"),
}


@pytest.mark.parametrize("how", FAILING)
async def test_a_model_that_fails_costs_its_findings_only(read: Read, how: str) -> None:
    """The run goes on by the declared checks, and its bundle says what is missing; again the same
    in a replay."""
    say, told = FAILING[how]
    reader = await read(say)
    record = await reader.flow()
    assert record.run.state == "completed"
    (warning,) = reader.warnings(record)
    assert told in warning
    assert (await again(reader.office, record)).result == "identical"


async def test_a_check_is_drawn_on_the_budget_of_its_step(read: Read) -> None:
    """Where that is used up nobody is asked, and the run waits for a person, as it would have."""
    reader = await read(attentive, budget=Budget(tokens=100))
    record = await reader.flow()
    assert record.run.state == "needs_attention"
    assert "budget" in record.run.reason
    assert reader.server.requests == []
    assert "the budget is used up" in reader.warnings(record)[0]


async def test_offline_nobody_reads_and_the_bundle_says_so(open_office: OpenOffice) -> None:
    """Also for a step that decides by a rule."""
    office = await open_office(step={"context": CONTEXT})
    await put(office, "slow.md", SLOW)
    record = await office.flow(message="payouts")
    (warning,) = record.bodies("bundle.assembled")[0]["warnings"]
    assert "none is configured" in warning
    assert (await again(office, record)).result == "identical"


ONE = passage("a#1", "Refunds take 14 days.", document="a")
TWO = passage("a#2", "Refunds take 30 days.", document="a")
MATTER = json.loads(answer(("a#1", "14 days"), ("a#2", "30 days")))["contradictions"][0]
BAD = {
    "a word that does not stand there": answer(("a#1", "15 days"), ("a#2", "30 days")),
    "a source that was not shown": answer(("b#1", "14 days"), ("a#2", "30 days")),
    "one source alone": answer(("a#1", "14 days"), ("a#1", "Refunds")),
    "the same words": answer(("a#1", "Refunds take"), ("a#2", "Refunds take")),
    "no quote": answer(("a#1", ""), ("a#2", "30 days")),
    "another document": '{"found": []}',
    "one matter twice": json.dumps({"contradictions": [MATTER, MATTER]}),
    "no JSON": "none",
}


@pytest.mark.parametrize("why", BAD)
def test_what_is_not_proved_by_words_is_refused(why: str) -> None:
    """So that a model is told, and its word alone raises nothing."""
    with pytest.raises(InvalidInput):
        read_answer(BAD[why], [ONE, TWO])


def test_two_passages_of_one_document_may_contradict_each_other() -> None:
    """A declared claim cannot tell; a text that a newer one of its source replaced says nothing."""
    found = read_answer(answer(("a#1", "14 days"), ("a#2", "30 days")), [ONE, TWO])
    assert len(contradictions(marked([ONE, TWO], found))) == 1
    assert marked([ONE, TWO], []) == [ONE, TWO]
    assert compared([passage("r", "old"), ONE, passage("r", "new")])[0].text == "new"


def test_a_finding_takes_no_declared_claim_away() -> None:
    """Even under its name: a model would hide a contradiction that a pattern has found."""
    one, two = (
        passage(n, t, claims={"w": v}) for n, t, v in (("a", "x 1", "1"), ("b", "y 1", "2"))
    )
    found = read_answer(answer(("a", "x"), ("b", "y"), about="w"), [one, two])
    assert len(contradictions(marked([one, two], found))) == 2

"""A document that goes while a run relies on it: people are told, and asked anew without it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from agent_runtime import Reasoning
from agent_runtime.approval import Approval
from agent_runtime.brief import Brief
from agent_runtime.envelope import Envelope
from agent_runtime.errors import StaleQuestion
from agent_runtime.models.client import connect_model
from agent_runtime.report.build import build_report
from agent_runtime.report.text import render_text
from agent_runtime.run import Run
from agent_runtime.settings import Settings
from agent_runtime.testing import ChatReply, ChatRequest, ChatServer
from tests.conftest import OpenOffice
from tests.knowledge.test_runs import CONTEXT, put, quoting
from tests.ledger import POLICY, make_pay
from tests.office import NOON, Office
from tests.replay.conftest import again

TODAY = NOON.date()


async def remove(office: Office) -> None:
    await office.runtime.library.remove("default", "ada", "a.md")


async def rewrite(office: Office) -> None:
    await put(office, "a.md", "Payouts are fast.", version="2")


async def end(office: Office) -> None:
    await put(office, "a.md", "Payouts are slow.", valid_to=TODAY)
    office.clock.move(timedelta(days=1))


WAYS: dict[str, tuple[Callable[[Office], Awaitable[None]], str]] = {
    "removed": (remove, "removed"),
    "rewritten": (rewrite, "changed"),
    "expired": (end, "not in force"),
}


def relying(brief: Brief) -> Envelope:
    """Propose the payout by what documents say, until it is done."""
    acted = any(told.kind == "acted" for told in brief.feedback)
    return quoting(brief if acted else brief.model_copy(update={"feedback": ()}))


def shown(office: Office, run: Run) -> list[str]:
    """The texts of the run's last bundle."""
    recordings = office.runtime.store.read("default").recordings
    names = office.record(run).bodies("bundle.assembled")[-1]["shown"]
    return [recordings.kept(name)["text"] for name in names]


@pytest.fixture
async def asked(open_office: OpenOffice) -> tuple[Office, Approval]:
    """An office, and a question that rests on a page of its handbook."""
    policy = POLICY.replace('@deadline("1h")', '@deadline("72h")')
    office = await open_office(relying, policy=policy, step={"context": CONTEXT})
    office.bank.put("a1", amount="500.00")
    await put(office, "a.md", "Payouts are slow.", valid_to=TODAY + timedelta(days=9))
    return office, await office.parked(message="payouts")


@pytest.mark.parametrize("way", WAYS)
async def test_a_yes_does_not_rest_on_a_document_that_is_gone(
    asked: tuple[Office, Approval], way: str
) -> None:
    """Whoever says it is told what changed; the run asks anew on what there is by now."""
    (office, question), (change, why) = asked, WAYS[way]
    await change(office)
    with pytest.raises(StaleQuestion) as stale:
        await office.answer(question, "lena")
    (told,) = stale.value.changes
    assert (told.field.split("#")[0], told.new) == ("evidence a.md", why)
    run = await office.drive(office.read(question.run_id))
    texts = shown(office, run)
    assert "Payouts are slow." not in texts
    assert ("Payouts are fast." in texts) == (way == "rewritten")
    await office.answer(run, "lena")
    record = office.record(await office.drive(run))
    assert (record.run.state, len(record.payouts)) == ("completed", 1)
    assert (await again(office, record)).result == "identical"


async def test_a_no_needs_no_document(asked: tuple[Office, Approval]) -> None:
    """And what still stands is asked about once."""
    office, question = asked
    await rewrite(office)
    assert (await office.answer(question, "lena", "reject")).status == "rejected"


async def test_asking_to_look_again_finds_it_too(asked: tuple[Office, Approval]) -> None:
    """Without an answer."""
    office, question = asked
    lena = office.person("lena")
    assert (await office.runtime.desk.refresh(question.id, lena)).status == "open"
    await remove(office)
    assert (await office.runtime.desk.refresh(question.id, lena)).status == "stale"


async def test_what_goes_before_the_gate_raises_a_signal_there(open_office: OpenOffice) -> None:
    """While the model thinks its document is removed: a person is asked who may say yes to it,
    knowing that; the replay finds the same with the document still gone."""
    loop, offices = asyncio.get_running_loop(), list[Office]()

    def reply(request: ChatRequest) -> ChatReply:
        brief = Brief.model_validate_json(request.messages[1]["content"])
        if not brief.feedback:
            asyncio.run_coroutine_threadsafe(remove(offices[0]), loop).result()
        return ChatReply(quoting(brief).model_dump_json(exclude_none=True))

    with ChatServer(reply) as server:
        values: dict[str, Any] = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test"}
        settings = Settings.model_validate({**values, "model": "test-model", "anchor": None})
        reasoning = Reasoning(prompt="pay", proposes=[make_pay()])
        async with httpx.AsyncClient() as http:
            model = connect_model(settings, http_async_client=http)
            step = {"context": CONTEXT, "reasoning": reasoning}
            office = await open_office(step=step, model=model, settings=settings)
            offices.append(office)
            await put(office, "a.md", "Payouts are slow.")
            record = await office.flow("lena approve", message="payouts")
    assert record.verdicts[0]["kind"] == "needs_approval"
    assert record.approvals[0].signals.stale_evidence == 1
    (gone,) = record.bodies("gate.judged")[0]["withdrawn"]
    assert (gone["source"].split("#")[0], gone["why"]) == ("a.md", "removed")
    told = render_text(build_report(office.runtime.store.read("default"), record.run))
    assert any("stale: a.md#" in line and ": removed" in line for line in told)
    assert record.run.state == "completed"
    assert (await again(office, record)).result == "identical"

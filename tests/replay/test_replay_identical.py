"""Replay: what happened comes out the same from the recordings, and nothing happens again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from agent_runtime.errors import NotFound
from agent_runtime.models.client import connect_model
from agent_runtime.resumption import Resumption
from agent_runtime.settings import Settings
from agent_runtime.testing import ChatReply, ChatServer, Script
from tests.conftest import OpenOffice
from tests.ledger import ESCALATING, cite_feedback, pay_as, pay_once, scripted
from tests.office import Office
from tests.replay.conftest import PROMPTED, again, proposing

MODEL = "test-model"


@pytest.mark.parametrize(
    ("amount", "answers", "state"),
    [
        ("50.00", [], "completed"),
        ("500.00", [], "paused"),
        ("500.00", ["lena approve"], "completed"),
        ("500.00", ["lena reject"], "rejected"),
        ("5000.00", ["fay approve", "finn approve"], "completed"),
    ],
    ids=["unattended", "paused", "approved", "rejected", "quorum"],
)
async def test_a_run_is_replayed_identically(
    office: Office, amount: str, answers: list[str], state: str
) -> None:
    """Envelopes, verdicts and digests are the same, whatever people said; nothing is paid."""
    office.bank.put("a1", amount=amount)
    record = await office.flow(*answers)
    assert record.run.state == state
    found = await again(office, record)
    assert (found.result, found.divergence) == ("identical", None)
    assert (found.envelopes, found.verdicts) == (len(record.envelopes), len(record.verdicts))
    assert office.record(record.run) == record


async def test_it_needs_nothing_of_the_outside_world(asking: Office) -> None:
    """With the bank's account gone, the replay is the same."""
    record = await asking.flow("lena approve")
    asking.bank.drop("a1")
    assert (await again(asking, record)).result == "identical"


async def test_what_was_denied_is_denied_again(office: Office) -> None:
    office.bank.put("a1", status="held")
    assert (await again(office, await office.flow())).result == "identical"


@pytest.mark.parametrize("outage", ["silent", "crash"])
async def test_an_outage_is_played_as_it_was(office: Office, outage: str) -> None:
    """Facts that could not be read, and a look-up that failed, are recorded like answers."""
    office.bank.put("a1", outage=outage)
    record = await office.flow()
    assert (await again(office, record)).result == "identical"


async def test_an_impossible_proposal_is_impossible_again(open_office: OpenOffice) -> None:
    """A precondition's refusal goes back to reasoning, and then it proposes something else."""
    office = await open_office(scripted(pay_as(amount="9999"), pay_once))
    record = await office.flow()
    assert record.bodies("tool.refused")
    assert (await again(office, record)).result == "identical"


async def test_an_edit_is_played_as_it_was_decided(asking: Office) -> None:
    """The edited action is executed on the edit's own approval."""
    run = await asking.drive(await asking.start())
    await asking.answer(run, "lena", "edit", arguments={"note": "after the audit"})
    asked = asking.runtime.store.read("default").approvals.find(["open"], run_id=run.id)
    if asked:
        await asking.answer(asked[0], "lena")
    ended = await asking.drive(run)
    assert ended.state == "completed"
    assert (await again(asking, ended)).result == "identical"


async def test_an_answer_in_words_is_evidence_again(open_office: OpenOffice) -> None:
    """What a person said has the same source and the same time."""
    office = await open_office(cite_feedback)
    office.bank.put("a1", amount="500.00")
    record = await office.flow("lena respond", "lena approve")
    assert (await again(office, record)).result == "identical"


async def test_a_fact_that_changed_before_the_act_changes_again(asking: Office) -> None:
    """The first approval is voided, the second is executed, on the facts of then."""
    run = await asking.drive(await asking.start())
    await asking.answer(run, "lena")
    asking.bank.put("a1", version=2, amount="400.00")
    run = await asking.drive(run)
    await asking.answer(run, "lena")
    run = await asking.drive(run)
    record = asking.record(run)
    assert (run.state, [a.status for a in record.approvals]) == (
        "completed",
        ["voided", "approved"],
    )
    assert (await again(asking, record)).result == "identical"


async def test_silence_is_played_without_waiting(open_office: OpenOffice) -> None:
    """Escalated, then expired."""
    office = await open_office(policy=ESCALATING)
    office.bank.put("a1", amount="500.00")
    run = await office.drive(await office.start())
    for _ in range(2):
        office.clock.move(timedelta(hours=2))
        await office.runtime.drive_ready()
    assert office.read(run).state == "expired"
    assert (await again(office, run)).result == "identical"


async def test_a_run_that_a_person_resumed_is_resumed(open_office: OpenOffice) -> None:
    """Beyond its bound it waited; with a person's word it went on."""
    office = await open_office(scripted(*[pay_as(amount="9999")] * 7, pay_once))
    run = await office.drive(await office.start())
    assert run.state == "needs_attention"
    await office.runtime.resume(run.id, office.person("lena"), Resumption(reason="Once more."))
    run = await office.drive(run)
    assert run.state == "completed"
    assert (await again(office, run)).result == "identical"


@pytest.mark.parametrize("how", ["happened", "did_not_happen", "retry"])
async def test_a_lost_call_is_settled_as_it_was(open_office: OpenOffice, how: Any) -> None:
    """What a person found out about it counts again."""
    office = await open_office(recovery="manual")
    office.bank.put("a1", outage="lost")
    run = await office.drive(await office.start())
    assert run.state == "outcome_unknown"
    office.bank.put("a1", outage="")
    await office.runtime.settle(run.id, office.person("lena"), how)
    run = await office.drive(run)
    found = await again(office, run)
    assert (found.result, found.divergence) == ("identical", None)


async def test_a_model_is_not_asked_again(open_office: OpenOffice) -> None:
    """Offline or not: its answers come from the recordings."""
    office = await open_office(step=PROMPTED)
    office.bank.put("a1", amount="500.00")
    assert (await again(office, await office.flow("lena approve"))).result == "identical"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as http:
        yield http


async def test_a_models_failures_are_played_without_waiting(
    open_office: OpenOffice, client: httpx.AsyncClient
) -> None:
    """A server error, and an answer that was no envelope: both fail once more, at once."""
    replies: list[Any] = [ChatReply(status=500), ChatReply("no JSON"), proposing, proposing]
    with ChatServer(Script({MODEL: replies}), models=[MODEL]) as server:
        values = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test", "model": MODEL}
        model = connect_model(Settings.model_validate(values), http_async_client=client)
        office = await open_office(step=PROMPTED, model=model)
        office.bank.put("a1", amount="500.00")
        run = await office.drive(await office.start())
    found = await again(office, run)
    assert (found.result, found.divergence) == ("identical", None)
    assert found.seconds < 0.5


async def test_a_run_that_is_not_there_is_not_found(office: Office) -> None:
    run = await office.start()
    with pytest.raises(NotFound, match="run-none"):
        await again(office, run.model_copy(update={"id": "run-none"}))


async def test_another_tenants_run_is_not_found(office: Office) -> None:
    run = await office.drive(await office.start())
    office.tenant = "elsewhere"
    with pytest.raises(NotFound):
        await again(office, run)


async def test_a_taken_over_run_is_played_as_one(office: Office) -> None:
    """A worker that was lost in the middle leaves nothing that is told twice."""
    run = await office.start()
    segment = await office.claim(run)
    await segment.lane.settled()
    office.lapse()
    ended = await office.drive(run)
    assert ended.state == "completed"
    assert (await again(office, ended)).result == "identical"

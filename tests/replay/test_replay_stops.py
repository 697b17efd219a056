"""Replay of runs that stopped in the middle: by a budget, a setting, a failure, a lost worker."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from agent_runtime import Envelope, Reasoning, Workflow
from agent_runtime.brief import Brief
from agent_runtime.budget import Budget
from agent_runtime.queue import take
from agent_runtime.queue.sqlite import SqliteQueue
from agent_runtime.replay.replay import Replayed, replay
from agent_runtime.resumption import Resumption
from agent_runtime.run import Run
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.testing import ChatReply, ToolRequest
from tests.conftest import OpenOffice
from tests.ledger import PayRequest, get_account, make_app, make_pay
from tests.models.conftest import Ask, answer, ask
from tests.office import Office
from tests.replay.conftest import again, under

__all__ = ["ask"]


async def resumed(office: Office, run: Run, **wanted: Any) -> Run:
    """A minute later a person lets it go on."""
    office.clock.move(timedelta(minutes=1))
    asked = Resumption.model_validate({"reason": "Seen to.", **wanted})
    await office.runtime.resume(run.id, office.person("luis"), asked)
    return await office.drive(run)


async def identical(office: Office, run: Run) -> Replayed:
    """Replayed as it went, every envelope of it."""
    found, record = await again(office, run), office.record(run)
    assert (found.result, found.divergence, found.problem) == ("identical", None, "")
    assert found.envelopes <= len(record.envelopes)
    return found


async def lost(office: Office, run: Run) -> None:
    """A worker takes the run, works on it, and is never heard of again."""

    def claim(session: Session) -> Run:
        return take(session, run.id, "elsewhere:1", 30.0, take_over=True)

    worker = office.runtime.worker
    halt = await worker.work(await office.runtime.store.write(office.tenant, claim))
    if halt.lane is not None:
        await halt.lane.settled()


async def silenced(office: Office) -> Run:
    """A run whose every worker went silent, until the queue left it to a person."""
    run, queue = await office.start(), SqliteQueue(office.runtime.store, 30.0)
    for _ in range(6):
        await lost(office, run)
        await queue.reap(lambda _: True)
        office.lapse()
    assert office.read(run).state == "needs_attention"
    return office.read(run)


def unusable(request: Any) -> ChatReply:
    return answer(request, step="another")


async def test_a_run_without_a_model_stops_again(open_office: OpenOffice) -> None:
    """Nobody could be asked: that is where it ends, and no prompt is missed."""
    office = await open_office(step={"reasoning": Reasoning(prompt="pay", proposes=[make_pay()])})
    run = (await office.flow()).run
    assert run.state == "needs_attention", run
    assert (await identical(office, run)).envelopes == 1


@pytest.mark.parametrize(
    "budgets",
    [{"run": {"money": "1.00"}}, {"run": {"tokens": 50}}, {"run": {"calls": 1}}],
    ids=["no price", "tokens", "calls"],
)
async def test_a_budget_stops_it_where_it_did(ask: Ask, budgets: dict[str, Any]) -> None:
    """Before the first call or after one; the budgets of today have no say."""
    desk = await ask(unusable, answer, asking={"budgets": budgets})
    run = (await desk.flow()).run
    assert run.state == "needs_attention", run
    await identical(desk.office, run)


async def test_a_budget_that_was_granted_again_is_played_on(ask: Ask) -> None:
    """Stopped after an answer of no use, and resumed: both chapters are told again."""
    desk = await ask(unusable, answer, asking={"budgets": {"run": {"calls": 1}}})
    run = await resumed(desk.office, (await desk.flow()).run)
    assert run.state == "completed", run
    await identical(desk.office, run)


async def test_a_budget_that_ended_the_run_ends_it_again(ask: Ask) -> None:
    desk = await ask(asking={"budgets": {"run": {"tokens": 50, "exceeded": "fail"}}})
    run = (await desk.flow()).run
    assert run.state == "failed", run
    assert (await identical(desk.office, run)).envelopes == 2


async def test_a_budget_of_today_stops_no_replay(ask: Ask) -> None:
    """What was paid for then costs nothing now, whatever the settings or the step say."""
    desk = await ask(answer)
    run = (await desk.flow()).run
    cheap = Budget(money=Decimal("0.01"))
    (step,) = desk.office.runtime.app.workflows["ledger"].steps
    limited = replace(step, reasoning=replace(step.reasoning, budget=cheap))
    app = make_app(Workflow("ledger", PayRequest, [limited], subject="customer"))
    session, today = (
        desk.office.runtime.store.read("default"),
        ModelSettings(budgets={"run": cheap}),
    )
    for asking, declared in ((today, desk.office.runtime.app), (ModelSettings(), app)):
        (found,) = [one async for one in replay(session, declared, asking, [run.id])]
        assert (found.result, found.divergence) == ("identical", None)


async def test_a_refusal_and_a_resumption_are_played_as_they_were(ask: Ask) -> None:
    desk = await ask(ChatReply(status=401), answer)
    run = (await desk.flow()).run
    assert run.state == "needs_attention", run
    await identical(desk.office, run)
    run = await resumed(desk.office, run)
    assert run.state == "completed", run
    await identical(desk.office, run)


async def test_what_was_tried_again_by_the_queue_counts_once(ask: Ask) -> None:
    """What was asked before the run was handed back is no part of what is played."""
    desk = await ask(ChatReply(status=401), answer)
    office, run = desk.office, await desk.office.start()
    await lost(office, run)
    office.lapse()
    run = await office.drive(run)
    assert run.state == "completed", run
    await identical(office, run)


async def interrupted(ask: Ask) -> tuple[Office, Run]:
    """A worker that was stopped in the middle of reasoning, after a look-up."""
    wish = ChatReply(tool_calls=(ToolRequest("c1", "get_account", {"account": "a1"}),))
    desk = await ask(wish, ChatReply(delay=60.0), answer, tools=[get_account])
    run = await desk.office.start()
    driving = asyncio.create_task(desk.office.drive(run))
    async with asyncio.timeout(20):
        while len(desk.server.requests) < 2:  # noqa: ASYNC110 — it is asked in another thread
            await asyncio.sleep(0.01)
    driving.cancel()
    with suppress(asyncio.CancelledError):
        await driving
    return desk.office, run


async def test_what_a_lost_worker_had_looked_up_is_no_part_of_it(ask: Ask) -> None:
    """Handed back in the middle of reasoning; the model answered otherwise when asked again."""
    office, run = await interrupted(ask)
    run = await office.drive(run)
    record = office.record(run)
    assert (run.state, len(record.bodies("tool.called"))) == ("completed", 2)
    await identical(office, run)


async def test_a_run_cancelled_in_the_middle_is_played_that_far(ask: Ask) -> None:
    """Its worker was stopped, and nobody took over: the rest is compared with nothing."""
    office, run = await interrupted(ask)
    await office.runtime.cancel(run.id, office.person("lena"), "Not any more.")
    found = await identical(office, office.read(run))
    assert (office.read(run).state, found.envelopes) == ("cancelled", 1)


async def test_a_run_cut_off_is_compared_with_all_that_it_told(ask: Ask) -> None:
    """It had looked something up before it was cut off: asked otherwise, it never comes so far."""
    office, run = await interrupted(ask)
    await office.runtime.cancel(run.id, office.person("lena"), "Not any more.")
    found = await again(office, run, under(office, prompt="Otherwise."))
    assert found.divergence is not None
    assert (found.result, found.divergence.what) == ("diverged", "prompt")


def crashing(_: Brief) -> Envelope:
    raise ValueError("a mistake of the author's")


async def test_a_rule_that_crashed_crashes_again(open_office: OpenOffice) -> None:
    office = await open_office(crashing)
    run = (await office.flow()).run
    assert run.state == "needs_attention", run
    await identical(office, run)


async def test_a_worker_that_went_silent_too_often_ends_no_chapter(asking: Office) -> None:
    """The queue gave up on it, a person let it go on: played as one, where it was picked up."""
    run = await resumed(asking, await silenced(asking))
    assert run.state == "paused", run
    assert (await identical(asking, run)).verdicts == 1


async def test_a_lost_worker_and_another_way_on_cannot_be_told(asking: Office) -> None:
    """Where the lost worker would have come to, nobody knows, and the replay says so."""
    run = await resumed(asking, await silenced(asking), retry="pay_out")
    found = await again(asking, run)
    assert (found.result, "worker was lost in the middle" in found.problem) == ("unknown", True)


async def test_a_code_that_did_not_fit_is_passed_over(open_office: OpenOffice) -> None:
    """Deployed and taken back: nothing was done under it."""
    office = await open_office()
    office.bank.put("a1", amount="500.00")
    run = (await office.flow()).run
    other = await open_office(recovery="manual")
    await office.answer(run, "lena")
    assert (await other.drive(run)).state == "version_mismatch"
    await identical(office, office.read(run))
    run = await resumed(office, run)
    assert run.state == "completed", run
    await identical(office, run)

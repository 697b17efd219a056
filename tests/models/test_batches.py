"""The provider's batch endpoint: many runs' questions in one file, and no worker meanwhile."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from agent_runtime import Envelope, Reasoning
from agent_runtime.brief import Brief
from agent_runtime.budget import Spent
from agent_runtime.envelope import parse_envelope
from agent_runtime.errors import WorkflowError
from agent_runtime.models.batches import Batches
from agent_runtime.models.inquiry import Reply
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.parking import WAITS, Parked
from agent_runtime.models.prompt import answer_schema, render
from agent_runtime.replay.replay import replay
from agent_runtime.run import Run
from agent_runtime.segment import Segment
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.testing import BatchDesk, fault
from agent_runtime.testing.chat import failure
from tests.ledger import make_pay, pay_once, pay_workflow
from tests.models.conftest import Ask, Desk, after, answer

HALF = {"prices": {"test-model": {"input": "2.00", "output": "10.00", "batch": "0.5"}}}


@pytest.fixture
def batching(ask: Ask) -> Ask:
    """An office whose step goes by batch."""

    async def serve(*replies: Any, **options: Any) -> Desk:
        desk: Desk = await ask(*replies, **{"batch": True, "asking": HALF} | options)
        return desk

    return serve


async def parked(desk: Desk, count: int = 1) -> list[Run]:
    """So many runs that have come to their model."""
    return [await desk.office.drive(await desk.office.start()) for _ in range(count)]


async def pass_time(desk: Desk, *seconds: float) -> None:
    """Let timers take effect after each of these."""
    for some in seconds:
        desk.office.clock.move(timedelta(seconds=some))
        await desk.office.runtime.expire(desk.office.tenant)


async def finished(desk: Desk, runs: Sequence[Run]) -> list[Run]:
    """The runs once their batch was collected, sent and looked at, and workers took up who woke."""
    await pass_time(desk, 61, 16, 31)
    await desk.office.runtime.drive_ready(desk.office.tenant)
    return [desk.office.read(run) for run in runs]


def spent(desk: Desk) -> Spent:
    calls = desk.office.runtime.store.read(desk.office.tenant).calls
    return calls.spent("tenant_day", "2026-03-30")


def states(desk: Desk, run: Run) -> list[str]:
    return [body["state"] for body in desk.office.record(run).bodies("model.batched")]


async def test_a_run_waits_for_its_batch_without_a_worker(batching: Ask) -> None:
    """It is queued for much later and nobody may claim it; nothing was asked yet."""
    desk = await batching()
    (run,) = await parked(desk)
    assert (run.state, run.owner, run.reason, run.tries) == ("queued", None, WAITS, 0)
    assert not run.is_ready(desk.office.clock.now() + timedelta(hours=24))
    assert await desk.office.runtime.drive_ready() == []
    assert desk.server.requests == []


async def test_the_questions_of_many_runs_go_together(batching: Ask) -> None:
    """One file, one batch; each run is woken by its own answer and goes on as ever."""
    desk = await batching(answer, answer, answer)
    ended = await finished(desk, await parked(desk, 3))
    (batch,) = desk.server.desk.batches.values()
    assert [run.state for run in ended] == ["completed"] * 3
    assert (batch["endpoint"], batch["status"]) == ("/v1/chat/completions", "completed")
    assert states(desk, ended[0]) == ["handed in", "came back"]
    timers = desk.office.runtime.store.read("default").timers
    assert [timers.get("start", run.id) for run in ended] == [None] * 3


async def test_nothing_of_it_stays_with_the_provider(batching: Ask) -> None:
    """The files of requests and answers are deleted once they are read."""
    desk = await batching(answer)
    await finished(desk, await parked(desk))
    assert desk.server.desk.files == {}


async def test_a_batched_call_costs_what_the_table_says(batching: Ask) -> None:
    """Half, recorded with its tokens, and marked; the wait is its latency."""
    desk = await batching(answer)
    (run,) = await finished(desk, await parked(desk))
    (call,) = desk.calls(desk.office.record(run))
    assert (call.batched, call.tokens_in, call.tokens_out) == (True, 100, 20)
    assert call.cost == (100 * 2_000 + 20 * 10_000) // 2
    assert call.millis == 108_000


async def test_the_same_is_asked_as_over_the_wire(batching: Ask, ask: Ask) -> None:
    """Model, messages, form of the answer: its own client has written both."""
    desk, wire = await batching(answer), await ask(answer, folder="wire")
    await finished(desk, await parked(desk))
    await wire.flow()
    assert desk.server.requests[0].body == wire.server.requests[0].body


async def test_the_estimate_is_drawn_first_and_settled_afterwards(batching: Ask) -> None:
    """While it is on its way the budget holds the estimate; then the provider's figures."""
    budgets = {"tenant_day": {"tokens": 50_000, "seconds": 60}}
    desk = await batching(answer, asking={**HALF, "budgets": budgets})
    (run,) = await parked(desk)
    assert spent(desk).tokens > 4_000
    await finished(desk, [run])
    cost = (100 * 2_000 + 20 * 10_000) // 2
    assert spent(desk) == Spent(tokens=120, money=cost, calls=1, millis=0)


async def test_what_is_not_in_the_budget_is_not_handed_in(batching: Ask) -> None:
    """The run waits for a person, and nothing is collected."""
    desk = await batching(asking={**HALF, "budgets": {"run": {"tokens": 50}}})
    (run,) = await parked(desk)
    assert run.state == "needs_attention"
    assert desk.office.runtime.store.read("default").timers.due("batch") == []


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (fault.rate_limited(), "rate_limited"),
        (fault.server_error(), "server_error"),
        (after(fault.truncated), "invalid_json"),
        (lambda request: answer(request, step="another"), "wrong_content"),
    ],
    ids=["429", "500", "json", "content"],
)
async def test_a_line_that_failed_follows_the_table(batching: Ask, reply: Any, kind: str) -> None:
    """Its further attempts go over the wire, at once."""
    desk = await batching(reply, answer)
    (run,) = await finished(desk, await parked(desk))
    record = desk.office.record(run)
    assert run.state == "completed", run.reason
    assert desk.outcomes(record) == [kind, "answered"]
    assert [call.batched for call in desk.calls(record)] == [True, False]


async def test_a_refused_line_goes_to_a_person(batching: Ask) -> None:
    """And who resumes the run is not kept waiting for another batch."""
    desk = await batching(fault.refusing(), answer)
    (run,) = await finished(desk, await parked(desk))
    assert "refused to answer" in run.reason
    await desk.office.runtime.resume(run.id, desk.office.person("lena"))
    assert (await desk.office.drive(run)).state == "completed"


@pytest.mark.parametrize("fate", ["expired", "failed"])
async def test_what_a_batch_did_not_do_is_asked_by_itself(batching: Ask, fate: Any) -> None:
    """Of an expired one, what was done in time counts; the rest is asked over the wire."""
    desk = await batching(answer, answer, batches=BatchDesk(fate=fate))
    ended = await finished(desk, await parked(desk, 2))
    assert [run.state for run in ended] == ["completed"] * 2
    by_batch = [call.batched for run in ended for call in desk.calls(desk.office.record(run))]
    assert by_batch == ([True, False] if fate == "expired" else [False, False])
    assert states(desk, ended[1])[-1] == f"asked by itself: the batch {fate}"


async def test_a_provider_without_batches_is_asked_one_by_one(batching: Ask) -> None:
    """As soon as it has said so; what was drawn for the batch is given back."""
    none = BatchDesk(refuses=failure(404, "There is nothing here."))
    asking = {**HALF, "budgets": {"tenant_day": {"tokens": 50_000}}}
    desk = await batching(answer, batches=none, asking=asking)
    (run,) = await parked(desk)
    await pass_time(desk, 61)
    assert (await desk.office.drive(run)).state == "completed"
    assert [call.batched for call in desk.calls(desk.office.record(run))] == [False]
    assert spent(desk).tokens == 120


async def test_a_batch_that_never_ends_is_not_waited_for(batching: Ask) -> None:
    """After a day the run asks by itself, and nobody looks at the batch any more."""
    desk = await batching(answer, batches=BatchDesk(looks=1_000))
    (run,) = await parked(desk)
    await pass_time(desk, 61, 16)
    await pass_time(desk, 26 * 3600, 26 * 3600)
    assert (await desk.office.drive(run)).state == "completed"
    desk.office.clock.move(timedelta(hours=1))
    assert desk.office.runtime.store.read("default").timers.due("batch") == []


async def test_a_run_does_not_wait_for_those_who_look_either(batching: Ask) -> None:
    """Where no process has attended to batches for a day, it asks by itself all the same."""
    desk = await batching(answer)
    (run,) = await parked(desk)
    desk.office.clock.move(timedelta(hours=26))
    assert desk.office.read(run).is_ready(desk.office.clock.now())
    assert (await desk.office.drive(run)).state == "completed"


async def test_an_endpoint_in_trouble_is_asked_again(batching: Ask) -> None:
    """After pauses that grow; then the batch is sent after all."""
    desk = await batching(answer, batches=BatchDesk(refuses=failure(503, "Not now.")))
    (run,) = await parked(desk)
    await pass_time(desk, 61, 16)
    desk.server.desk.refuses = None
    await pass_time(desk, 31, 16, 31)
    assert (await desk.office.drive(run)).state == "completed"
    assert len(desk.server.desk.batches) == 1


TIMES_OUT = (61, 16, 31, 61, 121, 241, 481)
"""Seconds in which sending a batch is given up."""


async def test_a_batch_whose_sending_nobody_heard_of_is_found(batching: Ask) -> None:
    """However many others have been sent with the same key since; it is not sent again."""
    desk = await batching(answer, batches=BatchDesk(unheard=1))
    (run,) = await parked(desk)
    await pass_time(desk, 61)
    others = {f"other_{n}": {"id": f"other_{n}", "metadata": {}} for n in range(250)}
    desk.server.desk.batches |= others
    await pass_time(desk, 16, 16, 31)
    assert (await desk.office.drive(run)).state == "completed"
    assert len(desk.server.desk.batches) == 251


async def test_a_batch_that_cannot_be_sent_costs_nothing(batching: Ask) -> None:
    """What is known not to be there is asked by itself, and only that is paid for."""
    asking = {**HALF, "budgets": {"tenant_day": {"tokens": 50_000}}}
    desk = await batching(answer, asking=asking)
    (run,) = await parked(desk)
    desk.server.desk.files = Unwritable()
    await pass_time(desk, *TIMES_OUT)
    assert (await desk.office.drive(run)).state == "completed"
    assert states(desk, run)[-1] == "asked by itself: it could not be sent"
    assert spent(desk).tokens == 120


class Unwritable(dict[str, bytes]):
    """A shelf that takes nothing."""

    def __setitem__(self, name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")


async def test_what_may_be_paid_for_twice_is_told(batching: Ask) -> None:
    """A batch that was begun or not, and cannot be looked for: the run's history says so, and the
    budget holds its estimate."""
    asking = {**HALF, "budgets": {"tenant_day": {"tokens": 50_000}}}
    desk = await batching(answer, batches=BatchDesk(unheard=1), asking=asking)
    (run,) = await parked(desk)
    await pass_time(desk, 61)
    desk.server.desk.refuses = failure(503, "Not now.")
    await pass_time(desk, *TIMES_OUT)
    assert (await desk.office.drive(run)).state == "completed"
    assert states(desk, run)[-1].endswith("could not be looked for, and may be paid for twice")
    assert spent(desk).tokens > 4_000


async def test_answers_that_are_paid_for_are_waited_for_while_the_key_is_refused(
    batching: Ask,
) -> None:
    """Somebody changes the key meanwhile: they are fetched then, and asked for once."""
    desk = await batching(answer)
    (run,) = await parked(desk)
    await pass_time(desk, 61)
    desk.server.desk.refuses = failure(401, "Who are you?")
    await pass_time(desk, 16, 31, 61)
    desk.server.desk.refuses = None
    await pass_time(desk, 121, 241, 481)
    assert (await desk.office.drive(run)).state == "completed"
    assert [call.batched for call in desk.calls(desk.office.record(run))] == [True]


async def test_a_batch_that_is_waited_for_no_more_is_called_off(batching: Ask) -> None:
    """At the provider; what it may have done by then is told, and stays drawn."""
    asking = {**HALF, "budgets": {"tenant_day": {"tokens": 50_000}}}
    desk = await batching(answer, batches=BatchDesk(looks=1_000), asking=asking)
    (run,) = await parked(desk)
    await pass_time(desk, 61, 16, 26 * 3600)
    (batch,) = desk.server.desk.batches.values()
    assert batch["status"] == "cancelled"
    assert states(desk, run)[-1].endswith("took too long, and may be paid for twice")
    assert spent(desk).tokens > 4_000


@dataclass(frozen=True)
class Sleeper:
    """A process that falls asleep before it sends a batch; others go on meanwhile."""

    lineup: Lineup
    meanwhile: Callable[[], Awaitable[None]]

    async def batch_endpoint(self, name: str) -> Any:
        endpoint: Any = await self.lineup.batch_endpoint(name)
        send = endpoint.send

        async def sleep_and_send(*asked: Any) -> Any:
            await self.meanwhile()
            return await send(*asked)

        endpoint = copy(endpoint)
        endpoint.send = sleep_and_send
        return endpoint


async def test_a_process_that_slept_while_it_sent_takes_its_batch_back(
    batching: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    """Another one took it to be dead and sent the same: the second is called off, and told."""
    desk = await batching(answer)
    (run,) = await parked(desk)
    runtime, tenant = desk.office.runtime, desk.office.tenant
    sleeper: Any = Sleeper(runtime.batches._lineup, partial(pass_time, desk, 301))
    desk.office.clock.move(timedelta(seconds=61))
    for sending in await Batches(runtime.store, sleeper).set_out(tenant):
        await sending
    await pass_time(desk, 16, 31)
    assert (await desk.office.drive(run)).state == "completed"
    assert [b["status"] for b in desk.server.desk.batches.values()] == ["completed", "cancelled"]
    assert [one.message for one in caplog.records].count("batch sent twice") == 1


async def test_a_worker_that_dies_before_parking_hands_in_once(batching: Ask) -> None:
    """The next one finds the line and parks; the answer may even be there by then."""
    desk = await batching(answer)
    run, worker = await desk.office.start(), desk.office.runtime.worker
    await worker.work(await worker._claim("default", run.id))  # never settled, as after a kill
    await pass_time(desk, 61, 16, 31)
    desk.office.lapse()
    assert (await desk.office.drive(run)).state == "completed"
    assert states(desk, run) == ["handed in", "came back"]
    assert len(desk.server.requests) == 1


async def test_an_answer_that_comes_before_the_run_has_parked_is_not_slept_through(
    batching: Ask,
) -> None:
    """Parking looks once more: the run is ready at once."""
    desk = await batching(answer)
    run, worker = await desk.office.start(), desk.office.runtime.worker
    claimed = await worker._claim("default", run.id)
    halt = await worker.work(claimed)
    await pass_time(desk, 61, 16, 31)
    settled = await worker.settle(claimed, halt)
    assert settled.is_ready(desk.office.clock.now())


async def test_an_answer_is_recorded_once_however_often_it_is_read(batching: Ask) -> None:
    """Who reads it again, because a worker died, finds it written down and settled."""
    desk = await batching(answer, asking={**HALF, "budgets": {"tenant_day": {"tokens": 50_000}}})
    segment = await desk.office.claim(await desk.office.start())
    with pytest.raises(Parked):
        await asked(segment)
    await pass_time(desk, 61, 16, 31)
    for _ in range(2):
        assert (await asked(segment)).message.text
        await segment.lane.settled()
    assert len(segment.read().calls.find(segment.run.id)) == 1
    assert len(segment.read().recordings.find(segment.run.id)) == 1
    assert spent(desk).tokens == 120


async def test_an_answer_is_to_its_own_question_only(batching: Ask) -> None:
    """Where the prompt has changed meanwhile, the new one is asked over the wire."""
    desk = await batching(answer, answer)
    segment = await desk.office.claim(await desk.office.start())
    with pytest.raises(Parked):
        await asked(segment)
    await pass_time(desk, 61, 16, 31)
    await asked(segment, "Decide otherwise.")
    await segment.lane.settled()
    assert [call.batched for call in segment.read().calls.find(segment.run.id)] == [False]


async def asked(segment: Segment, task: str = "Decide on the payout.") -> Reply[Envelope]:
    """The step's first question of a visit, as its node puts it."""
    executor = segment.executor(segment.workflow.steps[0])
    brief = Brief(step="pay_out", visit=1, input=segment.run.input)
    messages = render(task, brief, [])
    return await executor.ask(executor.inquire(1, messages, answer_schema()), parse_envelope)


async def test_a_run_that_was_cancelled_is_not_sent(batching: Ask) -> None:
    """Nor does it keep the budget busy."""
    desk = await batching(asking={**HALF, "budgets": {"tenant_day": {"tokens": 50_000}}})
    (run,) = await parked(desk)
    await desk.office.runtime.cancel(run.id, desk.office.person("lena"), "Not needed.")
    await pass_time(desk, 61)
    assert desk.server.desk.batches == {}
    assert spent(desk) == Spent()


async def test_what_went_by_batch_is_pruned_with_the_recordings(batching: Ask) -> None:
    """Also where the run ended before anything came back, so that there is no recording."""
    desk = await batching(answer)
    (run,) = await parked(desk)
    await pass_time(desk, 61)
    await desk.office.runtime.cancel(run.id, desk.office.person("lena"), "Not needed.")
    later = desk.office.clock.now() + timedelta(days=1)

    def prune(session: Session) -> list[str]:
        session._connection.execute("DELETE FROM recordings")  # its look-ups have some
        due = session.retention.due("recordings", later)
        session.retention.erase(run.id, ["recordings"])
        return due

    store = desk.office.runtime.store
    assert await store.write("default", prune) == [run.id]
    assert store.read("default").calls.batches.line(run.id, "pay_out", 1) is None
    await pass_time(desk, 16, 31)  # what comes back then is nobody's


async def test_what_waits_for_a_batch_is_sealed(batching: Ask) -> None:
    """Request and answer, like all content, where there is a key."""
    key = base64.b64encode(bytes(32)).decode()
    desk = await batching(answer, content_key=key)
    await desk.office.drive(await desk.office.start(message="please-wire-to-aunt"))
    await pass_time(desk, 61, 16, 31)
    files = [path.read_bytes() for path in desk.office.data.glob("runtime.db*")]
    assert files
    assert not any(b"please-wire-to-aunt" in raw for raw in files)


async def test_tenants_never_share_a_batch(batching: Ask) -> None:
    """Each has files of its own."""
    desk = await batching()
    await parked(desk)
    desk.office.tenant = "other"
    await parked(desk)
    for tenant in ("default", "other"):
        desk.office.tenant = tenant
        await pass_time(desk, 61)
    assert len(desk.server.desk.batches) == 2


async def test_a_batched_run_is_replayed_from_its_recording(batching: Ask) -> None:
    """No batch, no waiting: the recording has the answer."""
    desk = await batching(answer)
    (run,) = await finished(desk, await parked(desk))
    runtime = desk.office.runtime
    session, asking = runtime.store.read("default"), ModelSettings()
    (found,) = [one async for one in replay(session, runtime.app, asking, [run.id])]
    assert found.result == "identical", found.divergence


async def test_the_newer_api_goes_by_batch_too(batching: Ask) -> None:
    """Under its own path."""
    desk = await batching(answer, asking={**HALF, "model_api": "responses"})
    (run,) = await finished(desk, await parked(desk))
    assert run.state == "completed", run.reason
    assert [b["endpoint"] for b in desk.server.desk.batches.values()] == ["/v1/responses"]


def test_a_rule_goes_by_no_batch() -> None:
    """It costs nothing; who declares it meant something else."""
    reasoning = Reasoning(rule=pay_once, proposes=[make_pay()], batch=True)
    with pytest.raises(WorkflowError, match="goes by no batch"):
        pay_workflow(make_pay(), reasoning=reasoning).check()

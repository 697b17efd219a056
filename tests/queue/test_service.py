"""The service in one process: what it takes up, retries, hands back and lets time do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import Context, Passage, ToolCall, tool
from agent_runtime.approval import Answer
from agent_runtime.brief import Brief
from agent_runtime.clock import ManualClock
from agent_runtime.envelope import Envelope
from agent_runtime.errors import AlreadyDecided, ModelUnavailable
from agent_runtime.knowledge.folder import files
from agent_runtime.knowledge.index import TIMER
from agent_runtime.queue import Limits
from agent_runtime.queue.retry import MAX_TRIES
from agent_runtime.service import Service
from tests.conftest import OpenOffice
from tests.ledger import AccountName, get_account, make_app, make_pay, pay_once, pay_workflow
from tests.office import NOON, Office, opened
from tests.patience import PATIENCE, until
from tests.queue.conftest import Serve

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class AtOnce(random.Random):
    """A backoff of nothing."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 — the base's signature
        return 0.0


class Latch:
    """Counts who is inside, and holds them there until it is opened."""

    def __init__(self) -> None:
        self.inside, self.most, self.open = 0, 0, asyncio.Event()

    async def pass_through(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.open.wait()
        await asyncio.sleep(0.01)
        self.inside -= 1


@pytest.fixture
async def latched(tmp_path: Path) -> AsyncIterator[tuple[Office, Latch]]:
    """An office whose look-ups stop at a latch."""
    latch = Latch()

    @tool(effect="read")
    async def look(args: AccountName, call: ToolCall) -> Passage:
        await latch.pass_through()
        found: Passage = await get_account(args, call)
        return found

    flow = pay_workflow(make_pay("idempotency_key"), context=Context(tools=[look]))
    async with opened(make_app(flow), tmp_path / "data") as office:
        yield office, latch


def counted(office: Office) -> bool:
    """Whether the figures have caught up with what has happened."""
    measures = office.runtime.store.read("default").measures
    return measures.cursor() == measures.head()


def ended(office: Office, *runs: Any) -> bool:
    return all(office.read(run).state == "completed" for run in runs)


async def test_each_run_is_done_once_and_four_at_a_time(
    latched: tuple[Office, Latch], serve: Serve
) -> None:
    """Twenty runs, one claim and one payout each."""
    office, latch = latched
    runs = [await office.start() for _ in range(20)]
    serve(office, concurrency=4)
    await until(lambda: latch.inside == 4)
    latch.open.set()
    await until(lambda: ended(office, *runs))
    assert [office.read(run).epoch for run in runs] == [1] * 20
    assert (len(dict(office.bank.payouts)), len(office.bank.payouts)) == (20, 20)
    assert latch.most == 4


async def test_a_limit_holds_beside_the_concurrency(
    latched: tuple[Office, Latch], serve: Serve
) -> None:
    """The workflow's own bound is the tighter one, and all of its runs are done in the end."""
    office, latch = latched
    runs = [await office.start() for _ in range(6)]
    serve(office, concurrency=4, limits=Limits(workflows={"ledger": 2}))
    await until(lambda: latch.inside == 2)
    await asyncio.sleep(0.3)
    latch.open.set()
    await until(lambda: ended(office, *runs))
    assert latch.most == 2


async def test_what_starts_here_is_taken_up_by_event(office: Office, serve: Serve) -> None:
    """A start or a decision in the service's own process waits for no tick."""
    office.bank.put("a1", amount="500.00")
    serve(office)
    await asyncio.sleep(0.3)
    run = await office.start()
    await until(lambda: office.read(run).state == "paused")
    await office.answer(run, "lena")
    await until(lambda: ended(office, run))
    assert len(office.bank.payouts) == 1


async def test_a_paused_run_holds_no_task(asking: Office, serve: Serve) -> None:
    """While people are asked, the service is left with its own tasks."""
    before = asyncio.all_tasks()
    serve(asking, concurrency=1)
    runs = [await asking.start() for _ in range(3)]
    await until(lambda: all(asking.read(run).state == "paused" for run in runs))
    # What is left is itself, its watch for the end, and its wait.
    await until(lambda: len(asyncio.all_tasks() - before) <= 3)


async def test_a_stop_finishes_what_is_held(latched: tuple[Office, Latch]) -> None:
    """Within the grace period nothing is interrupted, and nothing more is taken up."""
    office, latch = latched
    held, waits = await office.start(), await office.start()
    stop = asyncio.Event()
    service = Service(office.runtime, concurrency=1, grace=PATIENCE)
    task = asyncio.create_task(service.run(stop))
    await until(lambda: latch.inside == 1)
    stop.set()
    await asyncio.sleep(0.1)
    latch.open.set()
    await task
    assert [office.read(run).state for run in (held, waits)] == ["completed", "queued"]


async def test_a_stop_hands_back_what_takes_longer(latched: tuple[Office, Latch]) -> None:
    """After the grace period the run is queued again, with no failure on its count."""
    office, latch = latched
    run = await office.start()
    stop = asyncio.Event()
    task = asyncio.create_task(Service(office.runtime, grace=0.05).run(stop))
    await until(lambda: latch.inside == 1)
    stop.set()
    await task
    stored = office.read(run)
    assert (stored.state, stored.owner, stored.tries) == ("queued", None, 0)
    latch.open.set()
    assert (await office.drive(run)).state == "completed"


async def test_once_ends_when_nothing_is_ready(office: Office) -> None:
    """What is delayed stays; the rest is done."""
    now = [await office.start() for _ in range(3)]
    trigger = now[0].trigger
    late = await office.runtime.start("ledger", {}, trigger=trigger, at=NOON + HOUR)
    await Service(office.runtime).run(asyncio.Event(), once=True)
    assert ended(office, *now)
    assert office.read(late).state == "queued"


def failing(times: int) -> Any:
    """A rule whose first answers are that the provider is down."""
    left = [times]

    def rule(brief: Brief) -> Envelope:
        left[0] -= 1
        if left[0] >= 0:
            raise ModelUnavailable("The provider is down.")
        return pay_once(brief)

    return rule


async def test_a_passing_failure_is_tried_again(open_office: OpenOffice, serve: Serve) -> None:
    """The run completes, and its history tells of both failures."""
    office = await open_office(failing(2))
    run = await office.start()
    serve(office, rng=AtOnce())
    await until(lambda: ended(office, run))
    bodies = office.record(run).bodies("run.waits")
    assert [(body["state"], body["tries"]) for body in bodies] == [("queued", 1), ("queued", 2)]
    assert len(office.bank.payouts) == 1


async def test_a_failure_that_stays_waits_for_a_person(
    open_office: OpenOffice, serve: Serve
) -> None:
    """After the last attempt the run is parked; resumed, it has all attempts again."""
    office = await open_office(failing(MAX_TRIES))
    run = await office.start()
    serve(office, rng=AtOnce())
    await until(lambda: office.read(run).state == "needs_attention")
    assert f"attempt {MAX_TRIES}" in office.read(run).reason
    assert office.read(run).tries == 0
    await office.runtime.resume(run.id, office.person("lena"))
    await until(lambda: ended(office, run))


async def test_a_retry_waits_for_its_delay(open_office: OpenOffice, serve: Serve) -> None:
    """By the runtime's clock, which stands still here until it is moved."""
    office = await open_office(failing(1))
    run = await office.start()
    serve(office)
    await until(lambda: office.read(run).tries == 1)
    await asyncio.sleep(0.4)
    assert office.read(run).state == "queued"
    office.clock.move(timedelta(seconds=2))
    await until(lambda: ended(office, run))


async def test_driven_by_hand_nothing_is_retried(open_office: OpenOffice) -> None:
    """A person at the command line is told at once."""
    office = await open_office(failing(1))
    run = await office.drive(await office.start())
    assert (run.state, run.tries) == ("needs_attention", 0)


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
async def test_a_delayed_start_fires_once(office: Office, serve: Serve, jump: timedelta) -> None:
    """Whatever jumps the clock takes on the way."""
    serve(office)
    trigger = (await office.start()).trigger
    run = await office.runtime.start("ledger", {}, trigger=trigger, at=NOON + HOUR)
    await asyncio.sleep(0.2)
    assert office.read(run).epoch == 0
    office.clock.move(jump)
    await asyncio.sleep(0.3)
    office.clock.move(-jump + 2 * HOUR)
    await until(lambda: ended(office, run))
    assert office.read(run).epoch == 1


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
async def test_a_deadline_fires_once(asking: Office, serve: Serve, jump: timedelta) -> None:
    """Whatever jumps the clock takes on the way."""
    asked = await asking.parked()
    serve(asking)
    asking.clock.move(jump)
    await asyncio.sleep(0.3)
    asking.clock.move(-jump)
    await asyncio.sleep(0.3)
    asking.clock.move(2 * HOUR)
    await until(lambda: asking.read(asked.run_id).state == "expired")
    record = asking.record(asked.run_id)
    assert len(record.bodies("approval.closed")) == len(record.bodies("run.ended")) == 1


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
async def test_a_jump_strands_and_doubles_no_run(
    latched: tuple[Office, Latch], serve: Serve, jump: timedelta
) -> None:
    """Neither the one that is driven nor the ones that wait."""
    office, latch = latched
    runs = [await office.start() for _ in range(4)]
    serve(office, concurrency=2)
    await until(lambda: latch.inside == 2)
    office.clock.move(jump)
    await asyncio.sleep(0.3)
    latch.open.set()
    await until(lambda: ended(office, *runs))
    assert len(office.bank.payouts) == len(dict(office.bank.payouts)) == 4


async def test_a_person_and_a_deadline_race(tmp_path: Path) -> None:
    """Of two processes, one that has a yes and one whose clock says it is too late, one wins."""
    flow = make_app(pay_workflow(make_pay("idempotency_key")))
    early, late = ManualClock(NOON), ManualClock(NOON + 2 * HOUR)
    folder = tmp_path / "data"
    async with opened(flow, folder, clock=early) as desk, opened(flow, folder, clock=late) as timer:
        desk.bank.put("a1", amount="500.00")
        outcomes = set()
        for number in range(12):
            asked = await desk.parked()
            answer = Answer(kind="approve", digest=asked.digest)
            rivals = [desk.runtime.decide(asked.id, desk.person("lena"), answer)]
            rivals.insert(number % 2, timer.runtime.expire())  # type: ignore[arg-type]
            found = await asyncio.gather(*rivals, return_exceptions=True)
            record = desk.record(asked.run_id)
            (closed,) = record.bodies("approval.closed")
            refused = [result for result in found if isinstance(result, AlreadyDecided)]
            assert len(refused) == (closed["status"] == "expired")
            assert record.run.state == "queued"
            outcomes.add(closed["status"])
        assert outcomes == {"approved", "expired"}  # the race was one


async def test_an_idle_service_does_next_to_nothing(office: Office, serve: Serve) -> None:
    """At most ten statements a second, none of which writes, once nothing is left to do."""
    serve(office)
    run = await office.start()
    await until(lambda: ended(office, run) and counted(office))
    for _ in range(5):
        seen = await statements(office, seconds=3)
        if all(text.startswith(("PRAGMA data_version", "SELECT")) for text in seen):
            break
    assert 0 < len(seen) <= 30, seen
    assert all(text.startswith(("PRAGMA data_version", "SELECT")) for text in seen), seen


async def statements(office: Office, seconds: float) -> list[str]:
    """What is asked of the database meanwhile."""
    seen: list[str] = []
    store = office.runtime.store
    for connection in (store._reader, store._writer._connection):
        connection.set_trace_callback(seen.append)
    await asyncio.sleep(seconds)
    for connection in (store._reader, store._writer._connection):
        connection.set_trace_callback(None)
    return seen


async def test_sources_whose_time_has_come_are_looked_at_again(
    office: Office, serve: Serve, tmp_path: Path
) -> None:
    """By the worker, once a day as declared; one whose file is gone meanwhile stays as it is."""
    library, paths = office.runtime.library, [tmp_path / "a.md", tmp_path / "b.md"]
    for path in paths:
        path.write_text("Payouts happen on Mondays.")
    found = [one for path in paths for one in files(path, {"refresh": "daily"})]
    assert [entry.state async for entry in library.add_files("default", "ada", found)]
    paths[0].write_text("Payouts happen on Fridays.")
    paths[1].unlink()
    office.clock.move(HOUR)
    serve(office)
    await asyncio.sleep(0.1)
    assert "Mondays" in texts(office)[0]
    office.clock.move(DAY)
    await until(lambda: "Fridays" in texts(office)[0])
    await until(lambda: not office.runtime.store.read("default").timers.due("upkeep"))
    assert "Mondays" in texts(office)[1]
    due = office.runtime.store.read("default").timers.get("upkeep", TIMER)
    assert due is not None
    assert due > office.clock.now()


def texts(office: Office) -> list[str]:
    """What each source says now."""
    knowledge = office.runtime.store.read("default").knowledge
    return [knowledge.passages(source.id)[0].text for source in knowledge.sources()]

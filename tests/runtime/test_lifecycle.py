"""A run's way through states, owners and processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import Context, Passage, ToolCall, tool
from agent_runtime.errors import AlreadyDecided, Conflict, InvalidInput, NotFound, StoreError
from agent_runtime.trigger import Trigger
from agent_runtime.workflow import MAX_INPUT
from tests.conftest import OpenOffice
from tests.ledger import AccountName, get_account, make_app, make_pay, pay_workflow
from tests.office import Office, opened
from tests.patience import PATIENCE
from tests.processes import (
    CONTEXT,
    drive_child,
    drive_ready_child,
    park_child,
    spawn,
    wait,
)


async def test_cancelling_withdraws_the_question(asking: Office) -> None:
    """The run ends at once, and nobody can answer any more."""
    asked = await asking.parked()
    run = await asking.runtime.cancel(asked.run_id, asking.person("lena"), "by phone")
    record = asking.record(run)
    assert (run.state, run.reason) == ("cancelled", "by phone")
    assert (record.approvals[0].status, record.approvals[0].closed_by) == ("withdrawn", "lena")
    with pytest.raises(AlreadyDecided, match="by lena"):
        await asking.answer(asked, "luis")


async def test_a_cancelled_run_stays_cancelled(asking: Office) -> None:
    """It is neither driven, resumed nor cancelled again."""
    asked = await asking.parked()
    await asking.runtime.cancel(asked.run_id, asking.person("lena"), "by phone")
    for attempt in (
        asking.drive(asking.read(asked.run_id)),
        asking.runtime.resume(asked.run_id, asking.person("lena")),
        asking.runtime.cancel(asked.run_id, asking.person("lena"), "again"),
    ):
        with pytest.raises(Conflict, match="cancelled"):
            await attempt
    assert await asking.runtime.drive_ready() == []


async def test_an_approved_run_can_still_be_cancelled(asking: Office) -> None:
    """Until it is driven, the yes is not executed."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    await asking.runtime.cancel(asked.run_id, asking.person("luis"), "stop")
    assert await asking.runtime.drive_ready() == []
    assert asking.bank.payouts == []


async def test_a_pause_outlives_the_process_that_made_it(tmp_path: Path) -> None:
    """Closed and opened again, weeks later or by another program, the run goes on."""
    app = make_app(pay_workflow(make_pay()))
    async with opened(app, tmp_path / "d") as first:
        first.bank.put("a1", amount="500.00")
        asked = await first.parked()
    async with opened(app, tmp_path / "d") as second:
        await second.answer(second.question(asked.run_id), "lena")
    async with opened(app, tmp_path / "d") as third:
        (run,) = await third.runtime.drive_ready()
    assert run.state == "completed"


async def test_a_kill_right_after_the_pause_loses_nothing(asking: Office) -> None:
    """The question that was reported is there, and can be answered."""
    run = await asking.start()
    assert wait(spawn(park_child, asking.data, run.id)) == [-9]
    await asking.answer(asking.read(run), "lena")
    assert (await asking.drive(run)).state == "completed"


async def test_a_kill_between_question_and_pause_is_made_good(asking: Office) -> None:
    """A question that was stored and not opened yet is opened by whoever takes the run over."""
    asked = await asking.parked()
    await asking.runtime.store.write(
        "default", lambda s: s.approvals.update(asked.id, status="requested")
    )
    await asking.runtime.store.write("default", lambda s: s.runs.move(asked.run_id, "queued"))
    run = await asking.drive(asking.read(asked.run_id))
    assert (run.state, asking.question(run).id) == ("paused", asked.id)


async def test_a_dead_workers_run_is_taken_over_by_itself(office: Office) -> None:
    """Nobody has to wait for the lease or to name the run."""
    run = await office.start()
    office.bank.lay_fuse("before")
    assert wait(spawn(drive_child, office.data, "idempotency_key", run.id)) == [-9]
    (driven,) = await office.runtime.drive_ready()
    assert (driven.id, driven.state, driven.epoch) == (run.id, "completed", 2)


async def test_a_live_workers_run_is_left_alone(office: Office) -> None:
    """A claim within its lease is nobody else's."""
    run = await office.start()
    await office.claim(run)
    assert await office.runtime.drive_ready() == []


async def test_several_workers_share_what_is_queued(office: Office) -> None:
    """Three processes drive eight runs: each is executed once, and no worker fails."""
    runs = [await office.start() for _ in range(8)]
    barrier = CONTEXT.Barrier(3)
    workers = [spawn(drive_ready_child, office.data, barrier) for _ in range(3)]
    assert wait(*workers) == [0, 0, 0]
    assert {office.read(run).state for run in runs} == {"completed"}
    assert len(office.bank.payouts) == 8
    assert office.runtime.verify().problem == ""


async def test_a_stopped_worker_gives_its_run_back(open_office: OpenOffice) -> None:
    """Cancelled in the middle of a look-up, the run is queued again and goes on later."""
    reached, never = asyncio.Event(), asyncio.Event()

    @tool(effect="read")
    async def look(args: AccountName, call: ToolCall) -> Passage:
        if not reached.is_set():
            reached.set()
            await never.wait()
        found: Passage = await get_account(args, call)
        return found

    office = await open_office(step={"context": Context(tools=[look])})
    run = await office.start()
    task = asyncio.create_task(office.drive(run))
    await asyncio.wait_for(reached.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert office.read(run).state == "queued"
    assert (await office.drive(run)).state == "completed"


async def test_a_resume_of_what_is_queued_changes_nothing(office: Office) -> None:
    """Asking twice is asking once."""
    run = await office.start()
    assert await office.runtime.resume(run.id, office.person("lena")) == office.read(run)
    assert office.record(run).bodies("run.resumed") == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"account": 7}, "account"),
        ({"message": "x" * MAX_INPUT}, "input"),
        ({"message": "\ud800"}, "input"),
    ],
)
async def test_an_input_that_cannot_be_used_is_refused_by_field(
    office: Office, fields: dict[str, Any], field: str
) -> None:
    """Nothing is stored for it."""
    with pytest.raises(InvalidInput) as found:
        await office.start(**fields)
    assert found.value.field == field
    assert office.runtime.store.read("default").runs.find() == []


async def test_an_unknown_workflow_is_not_found(office: Office) -> None:
    """The remedy lists what there is."""
    with pytest.raises(NotFound, match="This app has: ledger"):
        await office.runtime.start("x", {}, trigger=Trigger(kind="request", owner="lena"))


async def test_a_folder_without_data_is_not_made_by_looking(tmp_path: Path) -> None:
    """Reading commands name a folder that has to be there."""
    app = make_app(pay_workflow(make_pay()))
    with pytest.raises(StoreError, match="There is no data in"):
        async with opened(app, tmp_path / "d", create=False):
            pass


@pytest.mark.parametrize(
    ("amount", "answers", "state"),
    [
        ("50.00", (), "completed"),
        ("500.00", ("lena approve",), "completed"),
        ("500.00", ("lena reject",), "rejected"),
        ("5000.00", ("fay approve", "finn approve"), "completed"),
    ],
)
async def test_every_outcome_has_its_end(
    office: Office, amount: str, answers: tuple[str, ...], state: str
) -> None:
    """The whole flow, by amount and answers; a run that ended has ended once."""
    office.bank.put("a1", amount=amount)
    record = await office.flow(*answers)
    assert record.run.state == state
    assert [body["state"] for body in record.bodies("run.ended")] == [state]
    assert len(record.payouts) == (1 if state == "completed" else 0)

"""Rule 7: one owner at a time; a worker that was stopped and woke up can write nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import Context, Passage, ToolCall, tool
from agent_runtime.errors import Conflict, LostOwnership
from agent_runtime.nodes.action import ActionNode
from agent_runtime.store import Store
from agent_runtime.tool import Tool
from agent_runtime.worker import config_of
from tests.conftest import OpenOffice
from tests.ledger import (
    AccountFacts,
    AccountName,
    Pay,
    account_facts,
    get_account,
    make_app,
    make_pay,
    pay_workflow,
)
from tests.office import Office, Record, opened
from tests.patience import PATIENCE

DERIVED = frozenset({"measures", "measured", "courses"})
"""What any process may count up from the history, whoever owns the run."""


def count_rows(path: Path) -> dict[str, int]:
    """How many rows each table has, of those that only a run's owner writes."""
    with sqlite3.connect(path) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if name not in DERIVED
        ]
        counts = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}  # noqa: S608
    connection.close()
    return counts


async def taken_over(office: Office) -> tuple[Any, Any]:
    """A run claimed twice: the segments of the stale and of the present claim."""
    run = await office.start()
    stale = await office.claim(run)
    return stale, await office.claim(run)


async def test_every_claim_raises_the_epoch(office: Office) -> None:
    """The second owner's epoch is one more than the first's."""
    stale, present = await taken_over(office)
    assert (stale.run.epoch, present.run.epoch) == (1, 2)


async def test_a_live_owner_keeps_the_run(office: Office) -> None:
    """While the lease lasts and its process lives, nobody else can claim the run."""
    run = await office.start()
    await office.claim(run)
    with pytest.raises(Conflict, match="held by elsewhere:1"):
        await office.drive(run)


async def test_a_lapsed_lease_can_be_taken_over(office: Office) -> None:
    """An owner that stopped renewing loses the run."""
    run = await office.start()
    await office.claim(run)
    office.lapse()
    assert (await office.drive(run)).state == "completed"


async def test_a_stale_segment_cannot_write_to_the_store(office: Office) -> None:
    """Its write raises and leaves nothing behind."""
    stale, _ = await taken_over(office)
    before = count_rows(office.data / "runtime.db")
    with pytest.raises(LostOwnership):
        await stale.write(lambda s: s.events.append("tool.called", stale.run.id))
    assert count_rows(office.data / "runtime.db") == before


async def test_a_stale_segment_cannot_write_a_checkpoint(office: Office) -> None:
    """LangGraph's saver refuses the old epoch."""
    stale, _ = await taken_over(office)
    graph = office.runtime._worker._graphs["ledger"]
    before = count_rows(office.data / "runtime.db")
    with pytest.raises(LostOwnership):
        await graph.ainvoke({"step": "pay_out"}, config_of(stale.run), context=stale)
    assert count_rows(office.data / "runtime.db") == before


async def test_a_stale_segment_cannot_write_pending_writes(office: Office) -> None:
    """Neither can a node's writes be stored for the old epoch."""
    stale, _ = await taken_over(office)
    saver: Any = office.runtime._worker._graphs["ledger"].checkpointer
    claim = config_of(stale.run)["configurable"]
    place = {**claim, "checkpoint_ns": "", "checkpoint_id": "1"}
    before = count_rows(office.data / "runtime.db")
    with pytest.raises(LostOwnership):
        await saver.aput_writes({"configurable": place}, [("step", "x")], "task")
    assert count_rows(office.data / "runtime.db") == before


async def test_a_stale_segment_cannot_renew_its_lease(office: Office) -> None:
    """The heartbeat of the old owner is refused."""
    stale, present = await taken_over(office)
    with pytest.raises(LostOwnership):
        await office.runtime.store.write(
            "default", lambda s: s.runs.renew(stale.run.id, stale.run.epoch, s.now)
        )
    assert office.read(stale.run).lease_until == present.run.lease_until


async def test_a_stale_segment_can_write_no_intent(asking: Office) -> None:
    """The action node of the old owner stops before the effect; the right stays unused."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    stale = await asking.claim(asking.read(asked.run_id))
    step = stale.workflow.step("pay_out")
    await asking.drive_gate(stale)
    right = stale.read().journal.authorization(asked.run_id, "pay_out", 1)
    await asking.claim(asking.read(asked.run_id))
    node, tool_ = ActionNode(step), step.tool("action", "pay")
    with pytest.raises(LostOwnership):
        await node._execute(stale, right, tool_, tool_.parse(right.action.arguments), None)
    assert (asking.bank.payouts, stale.read().journal.find()) == ([], [])


async def test_an_ended_run_has_no_owner(office: Office) -> None:
    """Once cancelled, the claim that was working on it can write nothing either."""
    run = await office.start()
    segment = await office.claim(run)
    await office.runtime.cancel(run.id, office.person("lena"), "by phone")
    with pytest.raises(LostOwnership):
        await segment.write(lambda s: s.runs.move(run.id, "completed"))
    assert office.read(run).state == "cancelled"


class Latch:
    """Lets a test stop a tool in the middle, and go on later."""

    def __init__(self) -> None:
        self.reached, self.release = asyncio.Event(), asyncio.Event()

    async def pass_through(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            await self.release.wait()


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Any]:
    """Opens an office, and a second one on its file, whose `where` stops at a latch once."""
    latch = Latch()

    async def facts(args: Pay, call: ToolCall) -> AccountFacts:
        if call.key.endswith("recheck"):
            await latch.pass_through()
        return await account_facts(args, call)

    @tool(effect="read")
    async def look(args: AccountName, call: ToolCall) -> Passage:
        await latch.pass_through()
        found: Passage = await get_account(args, call)
        return found

    def app(where: str, pay: Tool) -> Any:
        if where == "recheck":
            return make_app(pay_workflow(replace(pay, facts=facts)))
        return make_app(pay_workflow(pay, context=Context(tools=[look])))

    async def race(where: str) -> tuple[Record, object]:
        """Stop one worker there, let another take over and finish, then let the first go on."""
        shared = app(where, make_pay("manual"))
        async with opened(shared, tmp_path / "d") as first, opened(shared, tmp_path / "d") as other:
            run = await first.start()
            stopped = asyncio.create_task(first.drive(run))
            await asyncio.wait_for(latch.reached.wait(), PATIENCE)
            other.lapse()
            await other.drive(run)
            before = count_rows(first.data / "runtime.db")
            latch.release.set()
            (found,) = await asyncio.gather(stopped, return_exceptions=True)
            assert count_rows(first.data / "runtime.db") == before
            return first.record(run), found

    return race  # type: ignore[return-value]


@pytest.mark.parametrize("where", ["context", "recheck"])
async def test_a_worker_that_wakes_up_after_a_take_over_does_nothing(slow: Any, where: str) -> None:
    """Stopped in a look-up or right before the effect, it writes no row and pays nothing."""
    record, found = await slow(where)
    assert isinstance(found, LostOwnership)
    assert (record.run.state, len(record.payouts)) == ("completed", 1)
    assert len(record.bodies("run.ended")) == 1


async def test_a_claim_that_came_second_does_not_take_over_from_a_live_owner(
    open_office: OpenOffice,
) -> None:
    """Of several workers that find the same dead owner, one gets the run."""
    offices = [await open_office() for _ in range(3)]
    run = await offices[0].start()
    gone = f"{offices[0].runtime._worker._name.rpartition(':')[0]}:4194999"
    store: Store = offices[0].runtime.store
    until = offices[0].clock.now().replace(hour=20)
    await store.write("default", lambda s: s.runs.claim(run.id, gone, until, take_over=False))
    found = await asyncio.gather(*(o.drive(run) for o in offices), return_exceptions=True)
    assert sorted(type(result).__name__ for result in found) == ["Conflict", "Conflict", "Run"]
    assert offices[0].read(run).epoch == 2

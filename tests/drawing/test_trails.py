"""Trails and timelines: real runs, read back from their events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from agent_runtime.console.timeline import Timeline, Wait, read_timeline, trail_of
from agent_runtime.drawing import Trail
from agent_runtime.workflow import Edge
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_as, pay_workflow, scripted
from tests.office import Office, Record


def read(office: Office, record: Record) -> tuple[Timeline, Trail]:
    line = read_timeline(record.events, office.clock.now())
    return line, trail_of(line, record.run.state)


def told(line: Timeline) -> list[str]:
    """Each phase in short, waits between them."""
    return [
        f"{part.state} {part.lasted(part.since):.0f}"
        if isinstance(part, Wait)
        else f"{part.node} {part.status}"
        for visit in line.visits
        for part in visit.parts
    ]


async def test_waiting_is_one_line_and_its_own_clock(asking: Office) -> None:
    """Two hours of waiting for a person are told once, and count as no work."""
    asked = await asking.parked()
    run = asking.read(asked.run_id)
    asking.clock.move(timedelta(minutes=44))
    await asking.answer(asked, "lena")
    record = asking.record(await asking.drive(run))
    line, trail = read(asking, record)
    assert told(line) == [
        "context ok", "reasoning proposed", "gate needs_approval",
        "paused 2640", "gate ok", "action done",
    ]  # fmt: skip
    (wait,) = [part for part in line.visits[0].parts if isinstance(part, Wait)]
    assert (wait.lasted(wait.since), wait.who) == (2640, ("lena",))
    assert (line.working, line.waiting) == (0, 2640)
    assert trail.nodes["pay_out", "gate"].times == 1
    assert (trail.current, trail.last, trail.edges) == (None, "pay_out", {})


async def test_a_parked_run_stands_at_its_gate(asking: Office) -> None:
    """What waits is where the question was asked."""
    asked = await asking.parked()
    asking.clock.move(timedelta(hours=2))
    line, trail = read(asking, asking.record(asked.run_id))
    assert (trail.current, trail.waits) == (("pay_out", "gate"), True)
    assert line.open_wait is not None
    assert line.waiting == 7200


async def test_a_changed_fact_goes_back_within_the_step(asking: Office) -> None:
    """The way from action to context is no edge of the workflow."""
    asked = await asking.parked()
    run = asking.read(asked.run_id)
    await asking.answer(asked, "lena")
    asking.bank.put("a1", amount="501.00", version=2)
    line, trail = read(asking, asking.record(await asking.drive(run)))
    assert [(v.step, v.number) for v in line.visits] == [("pay_out", 1), ("pay_out", 2)]
    assert trail.inner["pay_out", "action", "context"] == 1
    assert trail.edges == {}


async def test_a_loop_is_counted(open_office: OpenOffice) -> None:
    """Each time an edge is taken counts, as the runtime itself counts it."""
    workflow = pay_workflow(make_pay(), scripted(pay_as(), pay_as(), pay_as()))
    again = Edge("pay_out", "pay_out", on=frozenset({"rejected"}), at_most=2)
    office = await open_office(workflow=replace(workflow, edges=[again]))
    office.bank.put("a1", amount="500.00")
    record = await office.flow("lena reject")
    _, trail = read(office, record)
    assert trail.edges == {"pay_out>pay_out": 1}
    assert trail.nodes["pay_out", "gate"].trouble == "denied"


async def test_an_impossible_proposal_goes_back_to_reasoning(open_office: OpenOffice) -> None:
    """Nobody is asked, and the drawing shows the way back."""
    office = await open_office(scripted(pay_as(amount="9500.00"), pay_as()))
    record = await office.flow()
    line, trail = read(office, record)
    assert trail.inner["pay_out", "gate", "reasoning"] == 1
    assert record.run.state == "completed"
    assert [visit.number for visit in line.visits] == [1, 2]
    assert all(before.ended <= after.ended for before, after in pairwise(line.phases))

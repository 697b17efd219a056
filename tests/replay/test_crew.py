"""The crew: many questions are judged in processes, few in a thread, all of them alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from agent_runtime.app import App, load_app
from agent_runtime.replay.crew import PART, Answers, Case, judge, kit_of, unpack
from agent_runtime.replay.decided import Decided, Reader
from agent_runtime.replay.rehearse import _read
from agent_runtime.runtime import Runtime
from agent_runtime.settings import Settings
from agent_runtime.trigger import Trigger
from tests.office import OFFLINE, Office
from tools.shop import Shop

PROJECT = Path(__file__).resolve().parents[2]
SAMPLES = PROJECT / "graphs" / "refund" / "samples"


def nothing() -> None:
    pass


def other_amounts(decided: Decided, app: App, amounts: range) -> list[Case]:
    """One question as it would be with these amounts, put to the same policy as old and new."""
    asked, policy = decided.question, app.policies[decided.policy]
    facts = [asked.facts.model_copy(update={"amount": Decimal(amount)}) for amount in amounts]
    return [Case(replace(asked, facts=fact), policy, policy) for fact in facts]


def kinds(answers: list[Answers]) -> list[str]:
    return ["" if old is None else old.kind for old, _ in answers]


@pytest.fixture
async def shop_case(tmp_path: Path) -> AsyncIterator[tuple[App, Decided]]:
    """What the gate decided about a sample request of the project that ships."""
    app = load_app(PROJECT)
    settings = Settings.model_validate(OFFLINE)
    async with Runtime.open(app, tmp_path, settings=settings) as runtime:
        shop = runtime.resources()[0]
        assert isinstance(shop, Shop)
        await shop.load(json.loads((SAMPLES / "shop.json").read_text(encoding="utf-8")))
        session = runtime.store.read("default")
        for request in json.loads((SAMPLES / "requests.json").read_text(encoding="utf-8")):
            trigger = Trigger(kind="event", owner="crew")
            run = await runtime.start("refund", request["input"], trigger=trigger)
            await runtime.drive(run.id)
            if session.events.judged(None, 1):
                break
        (decided,) = Reader(session, app).read(session.events.judged(None, 1))
        assert isinstance(decided, Decided)
        yield app, decided


async def test_processes_answer_as_a_thread_does(shop_case: tuple[App, Decided]) -> None:
    """In the order of the questions, and each is told to the bar."""
    app, decided = shop_case
    cases, told = other_amounts(decided, app, range(50, 1_250, 5)), list[int]()
    here = await judge(app, cases, nothing)
    there = await judge(app, cases, lambda: told.append(1), alone=10)
    assert there == here
    assert len(set(kinds(here))) > 1
    assert len(told) == len(cases)


async def test_code_that_changed_since_is_not_loaded_in_its_place(
    shop_case: tuple[App, Decided],
) -> None:
    """The folder's workflows have other versions than those in memory: a thread answers."""
    app, decided = shop_case
    refund = app.workflow("refund")
    steps = [replace(step, name=f"{step.name}_x") for step in refund.steps]
    other = replace(app, workflows={**app.workflows, "refund": replace(refund, steps=steps)})
    kit = kit_of(other, [other.policies["refund"]])
    assert kit is not None
    with pytest.raises(RuntimeError, match="other code by now"):
        unpack(kit)
    cases = other_amounts(decided, app, range(100, 130))
    assert await judge(other, cases, nothing, alone=10) == await judge(app, cases, nothing)


async def test_an_app_of_no_folder_is_judged_in_a_thread(asking: Office) -> None:
    await asking.flow()
    session, app = asking.runtime.store.read("default"), asking.runtime.app
    (decided,) = Reader(session, app).read(session.events.judged(None, 1))
    assert isinstance(decided, Decided)
    found = await judge(app, other_amounts(decided, app, range(90, 120)), nothing, alone=10)
    assert kinds(found) == ["allow"] * 11 + ["needs_approval"] * 19


async def test_the_event_loop_is_free_meanwhile(shop_case: tuple[App, Decided]) -> None:
    """What a server's other requests need: they come in while a thread judges."""
    app, decided = shop_case
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(turn())
    cases = other_amounts(decided, app, range(100, 300))
    await judge(app, cases, nothing)
    ticking.cancel()
    assert turns >= len(cases) // PART  # more, by how fast the machine is


async def test_reading_the_past_lets_others_have_their_turn(asking: Office) -> None:
    """A few decisions at a time: the store is read where a server answers everybody."""
    await asking.flow()
    session, turns = asking.runtime.store.read("default"), 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(turn())
    events = session.events.judged(None, 1) * 100
    asked, unknown = await _read(Reader(session, asking.runtime.app), events)
    ticking.cancel()
    assert (len(asked), unknown, turns >= 10) == (100, [], True)

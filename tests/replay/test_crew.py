"""The crew: many questions are judged in processes, few in a thread, all of them alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.app import App, load_app
from agent_runtime.errors import RecordingGone
from agent_runtime.replay import crew, plays
from agent_runtime.replay.change import Change, with_policies, with_prompt
from agent_runtime.replay.crew import PART, Answers, Case, judge, kit_of, unpack
from agent_runtime.replay.decided import Decided, Reader
from agent_runtime.replay.plays import Plays
from agent_runtime.replay.rehearse import _read
from agent_runtime.replay.tape import Tape, load_tape
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.store import Session
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
async def shop(tmp_path: Path) -> AsyncIterator[Runtime]:
    """The project that ships, at work on its sample requests up to the first that is judged."""
    settings = Settings.model_validate(OFFLINE)
    async with Runtime.open(load_app(PROJECT), tmp_path, settings=settings) as runtime:
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
        yield runtime


@pytest.fixture
def shop_case(shop: Runtime) -> tuple[App, Decided]:
    """What the gate decided."""
    session = shop.store.read("default")
    (decided,) = Reader(session, shop.app).read(session.events.judged(None, 1))
    assert isinstance(decided, Decided)
    return shop.app, decided


async def test_processes_answer_as_a_thread_does(shop_case: tuple[App, Decided]) -> None:
    """In the order of the questions, and each is told to the bar."""
    app, decided = shop_case
    cases, told = other_amounts(decided, app, range(50, 1_250, 5)), list[int]()
    here = await judge(app, cases, nothing)
    there = await judge(app, cases, lambda: told.append(1), alone=10)
    assert there == here
    assert len(set(kinds(here))) > 1
    assert len(told) == len(cases)


async def test_many_are_judged_in_processes_and_few_are_not(
    shop_case: tuple[App, Decided], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To start processes takes longer than to judge a few."""
    app, decided = shop_case
    sent: list[int] = []

    async def in_processes(_: Any, parts: list[bytes], __: Any) -> list[Answers]:
        sent.append(len(parts))
        return []

    monkeypatch.setattr(crew, "_in_processes", in_processes)
    cases = other_amounts(decided, app, range(100, 130))
    assert len(await judge(app, cases, nothing, alone=30)) == 30
    assert sent == []
    await judge(app, cases, nothing, alone=29)
    assert sent == [1]


async def test_what_cannot_be_sent_is_judged_in_a_thread(shop_case: tuple[App, Decided]) -> None:
    """A facts model that no module has under its name."""
    app, decided = shop_case
    nowhere: Any = type("Nowhere", (type(decided.question.facts),), {})
    facts = nowhere.model_validate(decided.question.facts.model_dump())
    policy = app.policies[decided.policy]
    case = Case(replace(decided.question, facts=facts), policy, policy)
    assert await judge(app, [case], nothing, alone=0) == await judge(app, [case], nothing)


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
    assert kit_of(replace(app, folder=Path("nowhere")), []) is None
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


def nowhere(*_: Any) -> Any:
    raise AssertionError("This is no place to play.")


@pytest.fixture
def stricter(shop: Runtime) -> App:
    """Nothing may run unattended any more."""
    text = (PROJECT / "policies" / "refund.cedar").read_text(encoding="utf-8")
    return with_policies(shop.app, {"refund": text.replace('"100.00"', '"0.01"')})


async def test_runs_are_played_in_processes_as_on_one_stage(
    shop: Runtime, stricter: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told to the bar, one whose recordings are gone too."""
    session = shop.store.read("default")
    runs = [run.id for run in session.runs.find()]
    read = load_tape
    gone = {"run-gone": RecordingGone("run-gone", "they were pruned")}

    def load(of: Session, run_id: str) -> Tape:
        if run_id in gone:
            raise gone[run_id]
        return read(of, run_id)

    monkeypatch.setattr(plays, "load_tape", load)
    change, told = Change("stricter", stricter), list[str]()
    here, there = (Plays(session, change, ModelSettings(), few=few) for few in (99, 0))
    await here.play([*runs, *gone])
    monkeypatch.setattr(plays, "staged", nowhere)  # in this process
    await there.play([*runs, *gone], told.append)
    assert there.endings == here.endings
    assert sorted(told) == sorted([*runs, *gone])
    assert [run for run, end in there.endings.items() if end.unknown] == ["run-gone"]
    assert "asks people" in [end.words for end in there.endings.values()]


def test_a_process_plays_under_all_that_is_changed(
    stricter: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies and prompts as they would be, not as the folder has them."""
    changed = with_prompt(stricter, "decide", "Decide at once.")
    kit = kit_of(changed, list(changed.policies.values()))
    assert kit is not None
    monkeypatch.setattr(plays, "_here", [])
    plays._begin(replace(kit, prompts=changed.prompts), ModelSettings())
    app = plays._here[0][0]
    assert app.version("refund").id == changed.version("refund").id
    assert app.version("refund").prompts["decide"] == "Decide at once."

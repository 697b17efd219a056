"""Pruning frees space and keeps the history's chain."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from agent_runtime import retention
from agent_runtime.clock import to_text
from agent_runtime.errors import InvalidInput, SettingsError
from agent_runtime.evidence import Document
from agent_runtime.retention import Pruned, Term, parse_age, prune, terms
from agent_runtime.run import Run
from agent_runtime.service import Service
from agent_runtime.settings import Kept, Settings
from agent_runtime.store.retention import PARTS, Part
from agent_runtime.store.upkeep import rewrite
from tests.conftest import OpenOffice
from tests.office import NOON, OFFLINE, Office, opened
from tests.patience import until
from tests.queue.conftest import serve
from tests.upkeep.conftest import anchors

__all__ = ["serve"]


async def prune_all(
    office: Office, age: timedelta = timedelta(), parts: tuple[Part, ...] = PARTS
) -> Pruned:
    term = Term(parts, office.clock.now() - age)
    return await prune(office.runtime.store, office.person("lena"), [term], lambda: None)


async def told(office: Office, count: int = 8) -> None:
    for number in range(count):
        text = f"{number} " + "word " * 20_000
        await office.flow(documents=[Document(source="mail", text=text)])
    office.clock.move(timedelta(days=100))


async def test_the_file_becomes_smaller_and_the_chain_holds(office: Office) -> None:
    """Bodies, recordings, checkpoints and contents go; every event stays and verifies."""
    await told(office)
    anchors(office)
    events = office.runtime.audit().events
    done = await prune_all(office)
    assert len(done.runs) == 8
    assert min(done.recordings, done.checkpoints, done.bodies, done.contents) > 0
    assert done.bytes > 500_000
    found = office.runtime.audit()
    assert (found.problem, found.anchored, found.events) == ("", True, events + 8)


async def test_the_run_stays_with_its_state_and_who_pruned_it(office: Office) -> None:
    """Its row, journal and events; the new event says who, and how much."""
    await told(office, 1)
    (run_id,) = (await prune_all(office)).runs
    record = office.record(run_id)
    assert record.run.state == "completed"
    assert [entry.state for entry in record.journal] == ["executed"]
    (body,) = record.bodies("run.pruned")
    assert (body["by"], body["bodies"] > 0) == ("lena", True)
    assert all(event.body is None for event in record.events if event.type != "run.pruned")
    assert office.runtime.store.read("default").runs.documents(run_id) == []


async def test_pruning_again_finds_nothing(office: Office) -> None:
    """A pruned run is done with; its last event keeps its words."""
    await told(office, 1)
    await prune_all(office)
    assert (await prune_all(office)).runs == ()


async def test_young_and_unfinished_runs_are_left_alone(asking: Office) -> None:
    """A paused run goes on after others were pruned, with all that it was shown."""
    waiting = await asking.parked(documents=[Document(source="mail", text="Please hurry.")])
    gone = await asking.flow("lena reject", message="Another one.")
    asking.clock.move(timedelta(minutes=10))
    young = await asking.flow("lena reject", message="A third.")
    done = await prune_all(asking, timedelta(minutes=5))
    assert done.runs == (gone.run.id,)
    assert all(event.body is not None for event in asking.record(young.run).events)
    await asking.answer(waiting, "lena")
    assert (await asking.drive(asking.read(waiting.run_id))).state == "completed"


async def test_no_tenant_prunes_anothers_runs(office: Office) -> None:
    """Same age, same content: only one's own go."""
    await told(office, 1)
    office.tenant = "other"
    await told(office, 1)
    done = await prune_all(office)
    assert len(done.runs) == 1
    left = office.runtime.store.read("default").retention
    assert len(left.due("events", office.clock.now())) == 1
    assert left.unreferenced() == []


async def test_an_older_file_shrinks_once_it_was_rewritten(
    office: Office,
) -> None:
    """Files that were made before get incremental vacuum by one rewrite."""
    await told(office, 3)
    data = office.data.parent / "old"
    data.mkdir()
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(data / "runtime.db"),))
    with closing(sqlite3.connect(data / "runtime.db")) as connection:
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    rewrite(data / "runtime.db")
    async with opened(office.runtime.app, data, clock=office.clock) as old:
        assert (await prune_all(old)).bytes > 100_000


def test_ages_are_read() -> None:
    """Hours, days and weeks; nothing else."""
    assert parse_age("90d") == timedelta(days=90)
    assert parse_age("12h") == timedelta(hours=12)
    assert parse_age("8w") == timedelta(weeks=8)
    for text in ("", "90", "d", "-1d", "1.5d", "90 d"):
        with pytest.raises(InvalidInput):
            parse_age(text)


def test_terms_follow_the_workflows_entry_and_then_the_usual_one() -> None:
    """What an entry doesn't name is kept as all others'; null keeps it for as long as the file."""
    kept = {
        "refund": Kept.model_validate({"recordings": 30, "events": None}),
        "*": Kept.model_validate(90),
    }
    found = terms(kept, ["ledger", "refund"], NOON)
    assert [(term.workflow, term.parts[0], (NOON - term.before).days) for term in found] == [
        ("ledger", "runs", 90),
        ("ledger", "recordings", 90),
        ("ledger", "events", 90),
        ("refund", "runs", 90),
        ("refund", "recordings", 30),
    ]


def test_nothing_set_keeps_everything() -> None:
    """And a workflow that nobody knows is refused: its content would stay for ever."""
    assert terms({}, ["ledger"], NOON) == []
    with pytest.raises(SettingsError, match="'refunds', which is no workflow") as found:
        terms({"refunds": Kept.model_validate(9)}, ["ledger"], NOON)
    assert "ledger, *" in found.value.remedy


async def test_parts_go_one_by_one(office: Office) -> None:
    """Recordings first, event bodies later: each leaves an event, and the chain holds."""
    await told(office, 1)
    first = await prune_all(office, parts=("recordings",))
    assert (first.recordings > 0, first.bodies, first.checkpoints) == (True, 0, 0)
    later = await prune_all(office, parts=("recordings", "events", "runs"))
    assert (later.recordings, later.bodies > 0, later.checkpoints > 0) == (0, True, True)
    bodies = office.record(first.runs[0]).bodies("run.pruned")
    assert [body["parts"] for body in bodies] == [["recordings"], ["events", "runs"]]
    assert office.runtime.audit().problem == ""


async def test_writers_get_in_between(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to prune: a commit takes in no run more once its time is used up."""
    monkeypatch.setattr(retention, "BUDGET", 0.0)
    await told(office, 6)
    waits: list[float] = []
    pruning = asyncio.create_task(prune_all(office))
    while not pruning.done():
        since = time.monotonic()
        await office.runtime.store.write("default", lambda s: s.runs.count())
        waits.append(time.monotonic() - since)
    assert len((await pruning).runs) == 6
    assert len(waits) > 6
    assert sorted(waits)[len(waits) // 2] < 0.5


async def test_a_content_that_is_used_again_stays(office: Office) -> None:
    """Marked as unused, then named by a new run before it is removed."""
    store = office.runtime.store
    name = await store.write("default", lambda s: s.recordings.put({"text": "twice"}))
    marked = store.read("default").retention.mark()
    assert name in marked.names
    run = (await office.flow()).run
    add = ("tool", "look", {"text": "twice"}, {"see": "answer"})
    await store.write("default", lambda s: s.recordings.add(run.id, 1, *add))  # type: ignore[arg-type]
    assert await store.write("default", lambda s: s.retention.sweep(marked, [name])) == 0
    assert store.read("default").recordings.content(name) == {"text": "twice"}


async def test_marks_of_before_another_pruning_are_not_used(office: Office) -> None:
    """Numbers of rows that went may be given out anew, so that they say nothing any more."""
    await told(office, 1)
    store = office.runtime.store
    marked = store.read("default").retention.mark()
    await prune_all(office)
    assert await store.write("default", lambda s: s.retention.sweep(marked, [])) is None


async def test_a_passage_in_flight_stays(office: Office) -> None:
    """Stored a moment before the checkpoint that names it, while its run is worked on."""
    store = office.runtime.store
    passage = {"text": "Please hurry.", "retrieved_at": to_text(office.clock.now())}
    name = await store.write("default", lambda s: s.recordings.put(passage))
    assert name in store.read("default").retention.mark().names
    await office.claim(await office.start())
    assert name not in store.read("default").retention.mark().names


@pytest.fixture
async def keeping(open_office: OpenOffice) -> Office:
    """An office that keeps content for 30 days."""
    settings = Settings.model_validate({**OFFLINE, "retention": {"*": 30}})
    return await open_office(settings=settings)


async def worked(office: Office) -> Run:
    """A run that the worker beside has finished."""
    run = await office.start()
    await until(lambda: office.read(run).state == "completed")
    return run


async def test_a_worker_prunes_once_a_day(keeping: Office, serve: Any) -> None:
    """When it starts, and then by a timer; not at every turn."""
    await told(keeping, 1)
    serve(keeping)
    (run,) = keeping.runtime.store.read("default").runs.find()
    await until(lambda: bool(keeping.record(run).bodies("run.pruned")))
    assert keeping.record(run).bodies("run.pruned")[0]["by"] == "the settings"
    later = await worked(keeping)
    keeping.clock.move(timedelta(days=29, hours=23))
    await asyncio.sleep(0.3)
    assert not keeping.record(later).bodies("run.pruned")
    keeping.clock.move(timedelta(days=2))
    await until(lambda: bool(keeping.record(later).bodies("run.pruned")))


async def test_a_worker_that_ends_when_nothing_is_ready_prunes_first(keeping: Office) -> None:
    """Called from a timer in place of a service, it keeps the file small all the same."""
    await told(keeping, 1)
    await Service(keeping.runtime).run(asyncio.Event(), once=True)
    (run,) = keeping.runtime.store.read("default").runs.find()
    assert len(keeping.record(run).bodies("run.pruned")) == 1


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)], ids=["forward", "back"])
async def test_a_jump_of_the_clock_does_not_keep_content_longer(
    keeping: Office, serve: Any, jump: timedelta
) -> None:
    """A day away and back, what is due is pruned the next day all the same."""
    serve(keeping)
    run = await worked(keeping)
    for step in (jump, -jump, timedelta(days=32)):
        keeping.clock.move(step)
        await asyncio.sleep(0.2)
    await until(lambda: bool(keeping.record(run).bodies("run.pruned")))
    assert len(keeping.record(run).bodies("run.pruned")) == 1

"""Pruning frees space and keeps the history's chain."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from agent_runtime.errors import InvalidInput
from agent_runtime.evidence import Document
from agent_runtime.retention import Pruned, parse_age, prune
from agent_runtime.store.upkeep import rewrite
from tests.office import Office, opened
from tests.upkeep.conftest import anchors


async def prune_all(office: Office, age: timedelta = timedelta(), name: str = "lena") -> Pruned:
    before = office.clock.now() - age
    return await prune(office.runtime.store, office.person(name), before, None, lambda: None)


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
    assert len(left.due(office.clock.now(), None)) == 1
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

"""The table of timers: one alarm for a subject, fired once, by whatever the clock says."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.errors import InvalidInput
from agent_runtime.service import Service
from agent_runtime.store.database import connect, migrations, prepare
from agent_runtime.store.timers import Timers, next_due, whose_due
from tests.conftest import OpenOffice
from tests.ledger import ESCALATING
from tests.office import NOON, Office
from tests.timers.conftest import HOUR

AT = NOON + HOUR


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    prepare(tmp_path / "runtime.db")
    with closing(connect(tmp_path / "runtime.db")) as opened:
        yield opened


def timers(connection: sqlite3.Connection, now: datetime, tenant: str = "default") -> Timers:
    return Timers(connection, tenant, now)


def test_a_timer_fires_once_and_not_before_its_time(connection: sqlite3.Connection) -> None:
    """Whoever fires it has it; the others are told that there is none."""
    timers(connection, NOON).set("deadline", "apr-1", AT)
    assert timers(connection, NOON).fire("deadline", "apr-1") is None
    late = timers(connection, AT)
    assert [late.due("deadline"), late.due("start")] == [["apr-1"], []]
    assert [late.fire("deadline", "apr-1"), late.fire("deadline", "apr-1")] == [AT, None]


def test_a_subject_has_one_timer_of_a_kind(connection: sqlite3.Connection) -> None:
    """Set again, it is moved; another kind's is another one."""
    mine = timers(connection, NOON)
    mine.set("deadline", "x", AT)
    mine.set("deadline", "x", AT + HOUR)
    mine.set("start", "x", AT)
    assert [mine.get("deadline", "x"), mine.get("start", "x")] == [AT + HOUR, AT]


def test_tenants_timers_do_not_meet(connection: sqlite3.Connection) -> None:
    """Neither by name, nor when they are due."""
    timers(connection, NOON).set("deadline", "x", NOON)
    other = timers(connection, NOON, "other")
    other.drop("deadline", "x")
    assert [other.get("deadline", "x"), other.fire("deadline", "x")] == [None, None]
    assert other.due("deadline") == []
    assert whose_due(connection, NOON) == [("default", "deadline")]


def test_the_next_one_of_all_is_found_by_an_index(connection: sqlite3.Connection) -> None:
    """However many there are: what wakes a worker costs one step."""
    for subject, tenant in (("a", "default"), ("b", "other")):
        timers(connection, NOON, tenant).set("deadline", subject, AT + HOUR)
    timers(connection, NOON, "other").set("start", "c", AT)
    assert next_due(connection, NOON) == AT
    assert next_due(connection, AT) == AT + HOUR
    plans: list[str] = []
    connection.set_trace_callback(plans.append)
    next_due(connection, NOON)
    whose_due(connection, NOON)
    timers(connection, NOON).due("deadline")
    connection.set_trace_callback(None)
    for statement in plans:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        assert all("INDEX" in row[3] for row in rows if "timers" in row[3]), rows


@settings(deadline=None, derandomize=True, max_examples=40)
@given(hops=st.lists(st.integers(-24 * 60, 24 * 60), min_size=1, max_size=12))
async def test_whatever_the_clock_does_a_deadline_fires_once(hops: list[int]) -> None:
    """It is gone once the clock has reached it, and there until then."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for script in migrations():
            connection.executescript(script)
        timers(connection, NOON).set("deadline", "x", AT)
        now, fired = NOON, 0
        for hop in [*hops, 3 * 24 * 60]:
            now = max(now + timedelta(minutes=hop), datetime(2026, 1, 1, tzinfo=UTC))
            reached = now >= AT
            took = timers(connection, now).fire("deadline", "x") is not None
            assert took == (reached and not fired)
            fired += took
        assert fired == (timers(connection, now).get("deadline", "x") is None)


def deadlines(office: Office) -> dict[str, datetime]:
    """Every deadline that is set, by approval."""
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        rows = connection.execute("SELECT subject, due_at FROM timers WHERE kind = 'deadline'")
        return {subject: datetime.fromisoformat(at) for subject, at in rows.fetchall()}


async def test_an_open_question_has_its_deadline_and_an_answered_one_none(asking: Office) -> None:
    """Set when it is opened, taken away with its answer."""
    asked = await asking.parked()
    assert deadlines(asking) == {asked.id: asked.deadline}
    await asking.answer(asked, "lena")
    assert deadlines(asking) == {}


async def test_an_escalated_question_has_a_deadline_of_its_own(open_office: OpenOffice) -> None:
    """The first one's timer fires, the second one's is set in the same commit."""
    office = await open_office(policy=ESCALATING)
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    office.clock.move(HOUR)
    (again,) = await office.runtime.expire()
    assert deadlines(office) == {again.id: asked.deadline + HOUR}
    assert await office.runtime.expire() == []


async def test_a_cancelled_run_leaves_no_timer(asking: Office) -> None:
    """Neither its question's deadline, nor its own delayed start."""
    asked = await asking.parked()
    trigger = asking.read(asked.run_id).trigger
    late = await asking.runtime.start("ledger", {}, trigger=trigger, at=AT)
    for run_id in (asked.run_id, late.id):
        await asking.runtime.cancel(run_id, asking.person("lena"), "Audit.")
    with closing(sqlite3.connect(asking.data / "runtime.db")) as connection:
        assert connection.execute("SELECT count(*) FROM timers").fetchone() == (0,)


async def test_a_run_starts_not_before_its_time(office: Office) -> None:
    """Its timer is what the worker sleeps towards; the claim takes it away."""
    trigger = (await office.flow()).run.trigger
    run = await office.runtime.start("ledger", {}, trigger=trigger, at=AT)
    await Service(office.runtime).run(asyncio.Event(), once=True)
    assert office.read(run).state == "queued"
    office.clock.move(HOUR)
    await Service(office.runtime).run(asyncio.Event(), once=True)
    assert office.read(run).state == "completed"
    assert office.runtime.store.read("default").timers.get("start", run.id) is None


async def test_a_start_without_a_zone_is_refused(office: Office) -> None:
    """Nobody could say which moment was meant."""
    trigger = (await office.flow()).run.trigger
    naive = AT.replace(tzinfo=None)
    with pytest.raises(InvalidInput, match="at: has no time zone"):
        await office.runtime.start("ledger", {}, trigger=trigger, at=naive)


def test_an_older_files_deadlines_and_delays_become_timers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration takes them over from open questions and delayed runs."""
    path, scripts = tmp_path / "runtime.db", migrations()
    first = next(n for n, script in enumerate(scripts) if "CREATE TABLE timers" in script)
    known = scripts[:first]
    monkeypatch.setattr("agent_runtime.store.database.migrations", lambda: known)
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        for run_id, state in (("run-1", "paused"), ("run-2", "queued")):
            connection.execute(
                "INSERT INTO runs (id, tenant, workflow, version, state, input, documents, trigger,"
                " trace, ready_at, created_at, updated_at) VALUES (?, 'default', 'w', '1', ?, '{}',"
                " '[]', '{}', '', '2026-03-31', '2026-03-30', '2026-03-30')",
                (run_id, state),
            )
        connection.execute(
            "INSERT INTO approvals (id, tenant, run_id, step, visit, status, digest, action_digest,"
            " deadline, body, created_at) VALUES ('apr-1', 'default', 'run-1', 's', 1, 'open', '',"
            " '', '2026-04-01', '{}', '2026-03-30')"
        )
        connection.commit()
    known.append(scripts[first])
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT kind, subject, due_at FROM timers ORDER BY kind")
        assert found.fetchall() == [
            ("deadline", "apr-1", "2026-04-01"),
            ("start", "run-2", "2026-03-31"),
        ]

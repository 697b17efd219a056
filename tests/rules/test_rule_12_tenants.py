"""Rule 12: tenants don't meet; the store sees to it, not its callers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from agent_runtime.approval import Answer, Approval, Decision
from agent_runtime.errors import AgentRuntimeError, LostOwnership, NotFound, StoreError, Ungated
from agent_runtime.event import GENESIS
from agent_runtime.inbox import Filter, Order
from agent_runtime.run import Run
from agent_runtime.store import Session
from tests.office import NOON, PEOPLE, Office, Record

OTHER = PEOPLE["lena"].model_copy(update={"tenant": "other"})


@pytest.fixture
async def acme(office: Office) -> Office:
    """An office in which the tenant `acme` has one finished run and one with a question."""
    office.tenant = "acme"
    await office.flow(key="k-1")
    office.bank.put("a1", amount="500.00")
    await office.flow(key="k-2")
    return office


def facts(office: Office) -> tuple[Run, Record, Approval]:
    session = office.runtime.store.read("acme")
    done, paused = session.runs.find()
    return paused, office.record(done), office.question(paused)


EMPTY: dict[str, Callable[[Session, Any], Any]] = {
    "runs.by_key": lambda s, _: s.runs.by_key("ledger", "k-1"),
    "runs.find": lambda s, _: s.runs.find(),
    "runs.count": lambda s, _: s.runs.count(),
    "approvals.latest": lambda s, x: s.approvals.latest(x.run_id, "pay_out", 1),
    "approvals.find": lambda s, _: s.approvals.find(),
    "approvals.find of run": lambda s, x: s.approvals.find(run_id=x.run_id),
    "approvals.due": lambda s, _: s.approvals.due(),
    "approvals.was_rejected": lambda s, x: s.approvals.was_rejected(x.run_id, x.action_digest),
    "approvals.read": lambda s, x: s.approvals.read([x.id]),
    "inbox.page": lambda s, _: s.inbox.page(Filter(), Order()),
    "inbox.key": lambda s, x: s.inbox.key(x.id, "age"),
    "inbox.counts": lambda s, _: s.inbox.counts(Filter()).total,
    "journal.find": lambda s, _: s.journal.find(),
    "journal.was_voided": lambda s, x: s.journal.was_voided(x.run_id, "pay_out", 1),
    "events.find": lambda s, _: s.events.find(),
    "events.find of run": lambda s, x: s.events.find(x.run_id),
    "events.count": lambda s, x: s.events.count("run.queued", x.run_id),
    "recordings.find": lambda s, x: s.recordings.find(x.run_id),
}


@pytest.mark.parametrize("name", EMPTY)
async def test_another_tenant_reads_nothing(acme: Office, name: str) -> None:
    """Lists are empty, counts are zero, look-ups find nothing; the own tenant finds it."""
    _, _, asked = facts(acme)
    acme.clock.move(asked.deadline - NOON)
    assert not EMPTY[name](acme.runtime.store.read("other"), asked)
    if name not in ("approvals.was_rejected", "journal.was_voided"):
        assert EMPTY[name](acme.runtime.store.read("acme"), asked)


REFUSED: dict[str, tuple[type[AgentRuntimeError], Callable[[Session, Any], Any]]] = {
    "runs.get": (NotFound, lambda s, x: s.runs.get(x.run_id)),
    "runs.documents": (NotFound, lambda s, x: s.runs.documents(x.run_id)),
    "runs.claim": (NotFound, lambda s, x: s.runs.claim(x.run_id, "me:1", NOON, take_over=True)),
    "runs.own": (LostOwnership, lambda s, x: s.runs.own(x.run_id, 1)),
    "runs.renew": (LostOwnership, lambda s, x: s.runs.renew(x.run_id, 1, NOON)),
    "runs.move": (NotFound, lambda s, x: s.runs.move(x.run_id, "cancelled")),
    "approvals.get": (NotFound, lambda s, x: s.approvals.get(x.id)),
    "approvals.update": (NotFound, lambda s, x: s.approvals.update(x.id, status="approved")),
    "approvals.close": (NotFound, lambda s, x: s.approvals.close(x.id, "approved", "me")),
    "journal.authorization": (
        Ungated,
        lambda s, x: s.journal.authorization(x.done.run.id, "pay_out", 1),
    ),
    "journal.void": (Ungated, lambda s, x: s.journal.void(x.right.id)),
    "journal.intend": (
        Ungated,
        lambda s, x: s.journal.intend(x.right, "key", x.right.action_digest),
    ),
    "journal.again": (Ungated, lambda s, x: s.journal.again(x.done.journal[0].key)),
    "journal.settle": (
        NotFound,
        lambda s, x: s.journal.settle(x.done.journal[0].key, "failed", None),
    ),
    "journal.by_key": (NotFound, lambda s, x: s.journal.by_key(x.done.journal[0].key)),
    "recordings.content": (StoreError, lambda s, x: s.recordings.content(x.shown)),
    "runs.insert": (sqlite3.IntegrityError, lambda s, x: s.runs.insert(x.done.run, [])),  # type: ignore[dict-item]
    "approvals.request": (sqlite3.IntegrityError, lambda s, x: s.approvals.request(x.twin)),  # type: ignore[dict-item]
    "approvals.record": (sqlite3.IntegrityError, lambda s, x: s.approvals.record(x.yes)),  # type: ignore[dict-item]
    "journal.authorize": (
        sqlite3.IntegrityError,  # type: ignore[dict-item]
        lambda s, x: s.journal.authorize(x.right.model_copy(update={"id": "a", "visit": 9})),
    ),
    "recordings.add": (
        sqlite3.IntegrityError,  # type: ignore[dict-item]
        lambda s, x: s.recordings.add(x.run_id, 1, "tool", "t", {}, {}),
    ),
}


class Known:
    """The ids and rows of acme that a caller of another tenant might have got hold of."""

    def __init__(self, office: Office) -> None:
        paused, self.done, asked = facts(office)
        session = office.runtime.store.read("acme")
        self.id, self.run_id = asked.id, paused.id
        self.right = session.journal.authorization(self.done.run.id, "pay_out", 1)
        self.shown = self.done.bodies("bundle.assembled")[0]["shown"][0]
        self.twin = asked.model_copy(update={"id": "apr-twin"})
        self.yes = Decision(
            approval_id=asked.id,
            operator="lena",
            roles=("lead",),
            kind="approve",
            reason="",
            arguments=None,
            channel="",
            at=NOON,
        )


@pytest.mark.parametrize("name", REFUSED)
async def test_another_tenant_is_refused_and_changes_nothing(acme: Office, name: str) -> None:
    """Every read by id and every write raises, and acme's history is as it was."""
    error, work = REFUSED[name]
    known, before = Known(acme), acme.runtime.store.read("acme").events.head()
    with pytest.raises(error):
        await acme.runtime.store.write("other", lambda session: work(session, known))
    after = Known(acme)
    assert acme.runtime.store.read("acme").events.head() == before
    assert (after.done, after.run_id, after.id) == (known.done, known.run_id, known.id)


async def test_the_runtime_finds_nothing_of_another_tenant(acme: Office) -> None:
    """Driving, resuming, cancelling, settling and deciding by id are all "not found"."""
    run, _, asked = facts(acme)
    answer = Answer(kind="approve", digest=asked.digest)
    attempts = [
        acme.runtime.drive(run.id, "other"),
        acme.runtime.resume(run.id, OTHER),
        acme.runtime.cancel(run.id, OTHER, "no"),
        acme.runtime.settle(run.id, OTHER, "happened"),
        acme.runtime.decide(asked.id, OTHER, answer),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt
    assert acme.question(run) == asked


async def test_housekeeping_of_one_tenant_leaves_the_other_alone(acme: Office) -> None:
    """Deadlines, reviews and drives of `other` do not touch what acme has open."""
    run, _, asked = facts(acme)
    acme.clock.move(asked.deadline - NOON)
    assert await acme.runtime.drive_ready("other") == []
    assert await acme.runtime.expire("other") == []
    assert acme.question(run).status == "open"


async def test_the_same_key_in_two_tenants_starts_two_runs(acme: Office) -> None:
    """Trigger keys are a tenant's own."""
    first = acme.runtime.store.read("acme").runs.by_key("ledger", "k-1")
    acme.tenant = "other"
    second = await acme.start(key="k-1")
    assert first is not None
    assert first.id != second.id


async def test_each_tenant_has_a_chain_of_its_own(acme: Office) -> None:
    """Numbers start at one, and what one tenant does does not move the other's head."""
    head = acme.runtime.store.read("acme").events.head()
    assert acme.runtime.verify("other").head == GENESIS
    acme.tenant = "other"
    run = await acme.start()
    assert [event.number for event in acme.record(run).events] == [1]
    assert acme.runtime.store.read("acme").events.head() == head


async def test_content_is_not_shared_between_tenants(acme: Office) -> None:
    """The same bytes are stored per tenant: a hash tells nothing about the other's."""
    known = Known(acme)
    content = acme.runtime.store.read("acme").recordings.content(known.shown)
    name = await acme.runtime.store.write("other", lambda s: s.recordings.put(content))
    assert name == known.shown
    assert acme.runtime.store.read("other").recordings.content(name) == content


def test_every_table_of_truth_has_a_tenant_column(acme: Office) -> None:
    """All but the events' bodies, which hang on their event, and the ids of the file's keys."""
    with sqlite3.connect(acme.data / "runtime.db") as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        columns = {
            name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
            for (name,) in names
        }
    connection.close()
    ours = set(columns) - {"sqlite_sequence", "event_bodies", "seals"}
    # The index's own tables: what they hold hangs on a passage's row, by words hashed per tenant.
    ours = {name for name in ours if not name.startswith("passage_word")}
    assert len(ours) >= 11
    assert {name for name in ours if "tenant" not in columns[name]} == set()

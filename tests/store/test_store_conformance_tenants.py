"""What every implementation of the store holds to about tenants: they don't meet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest

from agent_runtime.errors import AgentRuntimeError, NotFound, StoreError, Ungated
from agent_runtime.store import Session
from agent_runtime.store.checkpoints import Place, StoredCheckpoint
from tests.store.conftest import DIGEST, HOUR, Books, authorization

RUN, APPROVAL = "run-acme", "appr-acme"
RIGHT = authorization(RUN, visit=2)
SECRET = "sha256:" + sha256(b'"secret"').hexdigest()
"""What the tenant acme has, and bolt tries to get at."""


@pytest.fixture
async def acme(books: Books) -> Session:
    """All of acme's, to be read."""
    await books.claimed(id=RUN, key="mail-1")
    await books.ask(RUN, id=APPROVAL)
    await books.intend(RUN, "key-1")
    stored = StoredCheckpoint(Place(RUN, "", "1"), None, RUN, {}, {}, ("bytes", b""))

    def work(session: Session) -> None:
        session.journal.authorize(RIGHT)
        session.events.append("run.queued", RUN)
        session.checkpoints.put(stored, {})
        session.recordings.add(RUN, 1, "tool", "look", "secret", "answer")

    await books.write(work)
    return books.read()


Ask = Callable[[Session], Any]


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: s.runs.find(),
        lambda s: s.runs.count(),
        lambda s: s.runs.by_key("ledger", "mail-1"),
        lambda s: s.approvals.find(),
        lambda s: s.approvals.find(run_id=RUN),
        lambda s: s.approvals.latest(RUN, "pay_out", 1),
        lambda s: s.approvals.was_rejected(RUN, DIGEST),
        lambda s: s.approvals.due(),
        lambda s: s.journal.find(),
        lambda s: s.journal.find(RUN),
        lambda s: s.journal.entry(RIGHT.id),
        lambda s: s.events.find(),
        lambda s: s.events.find(RUN),
        lambda s: s.events.count("run.queued", RUN),
        lambda s: s.events.head().number,
        lambda s: s.recordings.find(RUN),
        lambda s: s.checkpoints.get(RUN, ""),
        lambda s: s.checkpoints.find(None, None, None),
    ],
)
async def test_nothing_of_another_tenant_is_found(books: Books, acme: Session, ask: Ask) -> None:
    """Lists are empty, counts are nought, and what is looked up is not there."""
    books.clock.move(2 * HOUR)
    assert not ask(books.read("bolt"))


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda s: s.runs.get(RUN), NotFound),
        (lambda s: s.runs.documents(RUN), NotFound),
        (lambda s: s.approvals.get(APPROVAL), NotFound),
        (lambda s: s.journal.by_key("key-1"), NotFound),
        (lambda s: s.journal.authorization(RUN, "pay_out", 1), Ungated),
        (lambda s: s.recordings.content(SECRET), StoreError),
    ],
)
async def test_a_known_id_opens_nothing(
    books: Books, acme: Session, ask: Ask, error: type[Exception]
) -> None:
    """Another tenant's thing is answered like one that never was."""
    assert ask(acme) is not None
    with pytest.raises(error):
        ask(books.read("bolt"))


def everything(session: Session) -> list[Any]:
    """All that acme has."""
    asked: list[Ask] = [
        lambda s: s.runs.find(),
        lambda s: s.approvals.find(),
        lambda s: s.journal.find(),
        lambda s: s.journal.authorization(RUN, "pay_out", 2),
        lambda s: s.events.find(),
        lambda s: s.recordings.find(RUN),
        lambda s: s.checkpoints.find(None, None, None),
    ]
    return [ask(session) for ask in asked]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda s: s.runs.claim(RUN, "bolt:1", s.now + HOUR, take_over=True),
        lambda s: s.runs.own(RUN, 1),
        lambda s: s.runs.renew(RUN, 1, s.now + HOUR),
        lambda s: s.runs.move(RUN, "cancelled"),
        lambda s: s.runs.defer(RUN, s.now, "late"),
        lambda s: s.approvals.update(APPROVAL, status="approved"),
        lambda s: s.approvals.close(APPROVAL, "approved", "mallory"),
        lambda s: s.journal.void(RIGHT.id),
        lambda s: s.journal.intend(RIGHT, "key-2", DIGEST),
        lambda s: s.journal.again("key-1"),
        lambda s: s.journal.allow_retry("key-1"),
        lambda s: s.journal.settle("key-1", "executed", "forged"),
        lambda s: s.checkpoints.delete_thread(RUN),
        lambda s: s.checkpoints.delete_runs([RUN]),
        lambda s: s.checkpoints.copy_thread(RUN, "mine"),
    ],
)
async def test_nothing_of_another_tenant_can_be_changed(
    books: Books, acme: Session, attempt: Ask
) -> None:
    """Refused or without effect; all that is there stays as it was."""
    before = everything(acme)
    with suppress(AgentRuntimeError):
        await books.write(attempt, "bolt")
    assert everything(books.read("acme")) == before
    assert books.read("bolt").checkpoints.find(None, None, None) == []

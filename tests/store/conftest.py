"""Every implementation of the store, opened on empty data, and the rows that the tests put in."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent_runtime.action import Action
from agent_runtime.approval import Approval, Decision
from agent_runtime.clock import Clock, ManualClock
from agent_runtime.evidence import Document
from agent_runtime.run import Run, new_id
from agent_runtime.signal import Signals
from agent_runtime.store import Authorization, Session, Store
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Slot, Verdict
from tests.office import NOON

T = TypeVar("T")

HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=30)
DIGEST = "sha256:" + "d" * 64
ACTION = Action(tool="pay", target_type="Account", target_id="a1", arguments={"amount": "50.00"})
SIGNALS = Signals(
    confidence=Decimal("0.95"),
    confident=True,
    unverified_quotes=0,
    contradictions=0,
    context_tokens=100,
    context_large=False,
    retries=0,
    retried_repeatedly=False,
    stale_evidence=0,
    clean=True,
)


@dataclass(frozen=True)
class Implementation:
    """One kind of store. `refusal`: how it refuses a row whose key is taken; `spoil`: what lets a
    transaction fail at its very end."""

    open: Callable[[Path, Clock], AbstractAsyncContextManager[Store]]
    refusal: type[Exception]
    spoil: Callable[[Session], None]


@asynccontextmanager
async def sqlite_store(folder: Path, clock: Clock) -> AsyncIterator[Store]:
    store = Store(folder / "runtime.db", clock)
    try:
        yield store
    finally:
        store.close()


def dangle(session: Session) -> None:
    """A foreign key whose check is put off until COMMIT."""
    connection = session.events._connection
    connection.execute("PRAGMA defer_foreign_keys = ON")
    connection.execute("INSERT INTO event_bodies (seq, salt, body) VALUES (999, '', '{}')")


IMPLEMENTATIONS = {"sqlite": Implementation(sqlite_store, sqlite3.IntegrityError, dangle)}


class Books:
    """A store with its clock, and the short forms that the tests speak in."""

    def __init__(self, store: Store, clock: ManualClock, implementation: Implementation) -> None:
        self.store, self.clock = store, clock
        self.refusal, self.spoil = implementation.refusal, implementation.spoil

    async def write(self, work: Callable[[Session], T], tenant: str = "acme") -> T:
        return await self.store.write(tenant, work)

    def read(self, tenant: str = "acme") -> Session:
        return self.store.read(tenant)

    async def put(self, *, documents: tuple[Document, ...] = (), **fields: Any) -> Run:
        """Store a run."""
        run = self.run(**fields)
        await self.write(lambda s: s.runs.insert(run, documents), run.tenant)
        return run

    def run(self, *, key: str | None = None, **fields: Any) -> Run:
        now = self.clock.now()
        values: dict[str, Any] = {
            "id": new_id("run"),
            "tenant": "acme",
            "workflow": "ledger",
            "version": "1",
            "state": "queued",
            "input": {"account": "a1"},
            "trigger": Trigger(kind="event", owner="mailroom", key=key),
            "epoch": 0,
            "ready_at": now,
            "created_at": now,
            "updated_at": now,
        }
        return Run(**{**values, **fields})

    async def claimed(self, **fields: Any) -> Run:
        """A run that a worker elsewhere drives."""
        run = await self.put(**fields)
        return await self.claim(run.id)

    async def claim(self, run_id: str, *, take_over: bool = False) -> Run:
        return await self.write(
            lambda s: s.runs.claim(run_id, "elsewhere:1", s.now + LEASE, take_over=take_over)
        )

    async def ask(self, run_id: str, **fields: Any) -> Approval:
        """Store a question about a run's action."""
        asked = self.approval(run_id, **fields)
        return await self.write(lambda s: s.approvals.request(asked), asked.tenant)

    def approval(self, run_id: str, **fields: Any) -> Approval:
        now = self.clock.now()
        values: dict[str, Any] = {
            "id": new_id("appr"),
            "tenant": "acme",
            "run_id": run_id,
            "workflow": "ledger",
            "step": "pay_out",
            "visit": 1,
            "status": "open",
            "digest": DIGEST,
            "action_digest": DIGEST,
            "contract": "c",
            "policy": "ledger",
            "policy_version": "1",
            "action": ACTION,
            "facts": {"amount": "50.00"},
            "signals": SIGNALS,
            "rules": ("ask-lead",),
            "reasons": (),
            "slots": (Slot(role="lead", count=1),),
            "escalate": (),
            "deadline": now + HOUR,
            "created_at": now,
        }
        return Approval(**{**values, **fields})

    def decision(self, approval_id: str, operator: str, **fields: Any) -> Decision:
        values: dict[str, Any] = {
            "approval_id": approval_id,
            "operator": operator,
            "roles": ("lead",),
            "kind": "approve",
            "reason": "",
            "arguments": None,
            "channel": "test",
            "at": self.clock.now(),
        }
        return Decision(**{**values, **fields})

    async def authorize(self, run_id: str, **fields: Any) -> Authorization:
        """Store the right to pay once."""
        right = authorization(run_id, **fields)
        return await self.write(lambda s: s.journal.authorize(right))

    async def intend(self, run_id: str, key: str, **fields: Any) -> Authorization:
        """Consume a new right under a key."""
        right = await self.authorize(run_id, **fields)
        await self.write(lambda s: s.journal.intend(right, key, DIGEST))
        return right


def authorization(run_id: str, **fields: Any) -> Authorization:
    """The right to pay once, in one visit of a step."""
    values: dict[str, Any] = {
        "id": new_id("auth"),
        "tenant": "acme",
        "run_id": run_id,
        "step": "pay_out",
        "visit": 1,
        "approval_id": None,
        "action": ACTION,
        "action_digest": DIGEST,
        "facts": {},
        "signals": SIGNALS,
        "verdict": Verdict(kind="allow", rules=("small",)),
    }
    return Authorization(**{**values, **fields})


OpenBooks = Callable[[], Awaitable[Books]]


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
async def open_books(request: Any, tmp_path: Path) -> AsyncIterator[OpenBooks]:
    """Opens a store; opening a second one shares the data and the clock."""
    implementation, clock = IMPLEMENTATIONS[request.param], ManualClock(NOON)
    async with AsyncExitStack() as stack:

        async def open_one() -> Books:
            store = await stack.enter_async_context(implementation.open(tmp_path, clock))
            return Books(store, clock, implementation)

        yield open_one


@pytest.fixture
async def books(open_books: OpenBooks) -> Books:
    return await open_books()


@pytest.fixture
async def started(books: Books) -> Books:
    """A store that holds three runs: run-1, run-2 and run-3."""
    for number in (1, 2, 3):
        await books.put(id=f"run-{number}")
    return books

"""Every implementation of the queue, opened on an empty store; and services that are stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.clock import Clock, ManualClock
from agent_runtime.errors import Conflict
from agent_runtime.queue import UNLIMITED, Job, Limits, Queue
from agent_runtime.queue.files import FilesQueue
from agent_runtime.run import Run, new_id
from agent_runtime.service import Service
from agent_runtime.store import Session, Store
from agent_runtime.store.files import Files
from agent_runtime.tenancy import Tenancy
from agent_runtime.tenant import Residency
from agent_runtime.trigger import Trigger
from tests.office import NOON, Office
from tests.patience import PATIENCE

LEASE = 30.0


class Line:
    """A queue with its store and clock, and the short forms that the tests speak in."""

    def __init__(self, queue: Queue, store: Store, clock: ManualClock) -> None:
        self.queue, self.store, self.clock = queue, store, clock

    async def put(
        self,
        workflow: str = "ledger",
        *,
        tenant: str = "default",
        key: str | None = None,
        after: timedelta = timedelta(),
        priority: int = 0,
    ) -> str:
        """Queue a run one second after the one before; its id."""
        self.clock.move(timedelta(seconds=1))
        now = self.clock.now()
        run = Run(
            id=new_id("run"),
            tenant=tenant,
            workflow=workflow,
            version="1",
            state="queued",
            input={},
            trigger=Trigger(kind="event", owner="mailroom", key=key),
            epoch=0,
            priority=priority,
            ready_at=now + after,
            created_at=now,
            updated_at=now,
        )
        await self.store.write(tenant, lambda s: insert(s, run))
        return run.id

    async def claim(self, limits: Limits = UNLIMITED, owner: str = "elsewhere:1") -> str | None:
        """The id of the next run."""
        job = await self.queue.claim(owner, limits)
        return None if job is None else job.run_id

    async def job(self, owner: str = "elsewhere:1") -> Job:
        job = await self.queue.claim(owner)
        assert job is not None
        return job

    def read(self, run_id: str, tenant: str = "default") -> Run:
        return self.store.read(tenant).runs.get(run_id)


def insert(session: Session, run: Run) -> None:
    """Store a run unless its key is taken."""
    if run.trigger.key and session.runs.by_key(run.workflow, run.trigger.key):
        raise Conflict("The key is taken.")
    session.runs.insert(run, [])


@asynccontextmanager
async def one_line(folder: Path, clock: Clock, lease: float) -> AsyncIterator[tuple[Any, Any]]:
    """The queue of an installation of one file."""
    store = Store(folder / "queue.db", clock)
    try:
        yield FilesQueue(store, lease), store
    finally:
        store.close()


@asynccontextmanager
async def files_line(folder: Path, clock: Clock, lease: float) -> AsyncIterator[tuple[Any, Any]]:
    """The queue over all files, of an installation in which acme has one of its own."""
    residency = Residency(("eu",))
    store = Files(folder / "queue.db", clock, residency=residency)
    try:
        if "acme" not in store.tenants:
            await Tenancy(store).create("acme", "eu", "ada")
        yield FilesQueue(store, lease), store
    finally:
        store.close()


IMPLEMENTATIONS = {"one file": one_line, "files": files_line}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
async def open_line(request: Any, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Opens a queue; opening a second one shares the file and, unless told, not the clock."""
    make = IMPLEMENTATIONS[request.param]
    async with AsyncExitStack() as stack:

        async def open_one(lease: float = LEASE, clock: ManualClock | None = None) -> Line:
            clock = clock or ManualClock(NOON)
            queue, store = await stack.enter_async_context(make(tmp_path, clock, lease))
            return Line(queue, store, clock)

        yield open_one


@pytest.fixture
async def line(open_line: Callable[..., Any]) -> Line:
    opened: Line = await open_line()
    return opened


Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a service on an office, and stops it when the test ends."""
    started: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    def start(office: Office, **options: Any) -> asyncio.Event:
        stop = asyncio.Event()
        service = Service(office.runtime, **{"grace": 0.1, **options})
        started.append((stop, asyncio.create_task(service.run(stop))))
        return stop

    yield start
    for stop, task in started:
        stop.set()
        await asyncio.wait_for(task, PATIENCE)


def seconds(first: datetime, second: datetime) -> float:
    return (second - first).total_seconds()

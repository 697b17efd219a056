"""Worker services and claimers as real processes, on the tests' own ledger app."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent_runtime import Context, Passage, ToolCall, tool
from agent_runtime.app import App
from agent_runtime.approval import Answer
from agent_runtime.clock import ManualClock, SystemClock
from agent_runtime.queue.sqlite import SqliteQueue
from agent_runtime.service import Service
from agent_runtime.settings import Settings
from agent_runtime.store import Store
from tests.ledger import AccountName, get_account, make_app, make_pay, pay_workflow
from tests.office import OFFLINE, PEOPLE, opened
from tests.patience import PATIENCE


def present() -> ManualClock:
    """The machine's clock, in the type that offices take."""
    return ManualClock(datetime.now(UTC), ticking=True)


def app(folder: Path, *, slow: bool = False) -> App:
    """The ledger app. `slow`: the first look-up of all says so and waits for a file `go`."""

    @tool(effect="read")
    async def look(args: AccountName, call: ToolCall) -> Passage:
        if not (folder / "begun").exists():
            (folder / "begun").touch()
            while not (folder / "go").exists():  # noqa: ASYNC110 — another process makes it
                await asyncio.sleep(0.02)
        found: Passage = await get_account(args, call)
        return found

    fields: dict[str, Any] = {"context": Context(tools=[look])} if slow else {}
    return make_app(pay_workflow(make_pay("idempotency_key"), **fields))


def settings(lease: float) -> Settings:
    return Settings.model_validate({**OFFLINE, "lease": lease})


def serve_child(
    folder: Path, ready: Any, *, slow: bool = False, lease: float = 30.0, grace: float = 10.0
) -> None:
    """A worker service, until it is told to end; sets `ready` once it waits."""

    async def work() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        place = opened(app(folder, slow=slow), folder, clock=present(), settings=settings(lease))
        async with place as office:
            task = asyncio.create_task(Service(office.runtime, grace=grace).run(stop))
            await asyncio.sleep(0.3)
            ready.set()
            await task

    asyncio.run(work())


def approve_child(folder: Path, approval_id: str) -> None:
    """Record lena's yes, and leave the execution to others."""

    async def work() -> None:
        async with opened(app(folder), folder, clock=present()) as office:
            asked = office.runtime.store.read("default").approvals.get(approval_id)
            answer = Answer(kind="approve", digest=asked.digest)
            await office.runtime.decide(approval_id, PEOPLE["lena"], answer)

    asyncio.run(work())


def claim_child(path: Path, owner: str, barrier: Any, results: Any) -> None:
    """Claim all that is ready, at the same moment as others; reports the ids."""

    async def work() -> None:
        store = Store(path, SystemClock())
        queue = SqliteQueue(store, 30.0)
        barrier.wait(PATIENCE)
        while (job := await queue.claim(owner)) is not None:
            results.put(job.run_id)
        store.close()

    asyncio.run(work())

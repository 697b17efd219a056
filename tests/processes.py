"""Real child processes for tests of concurrency and of sudden death.

They are forked from one server that has imported everything already, so that a child costs
milliseconds; each opens the file for itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from agent_runtime.approval import Answer, DecisionKind
from agent_runtime.clock import SystemClock
from agent_runtime.errors import AgentRuntimeError, AlreadyDecided
from agent_runtime.store import Session, Store
from agent_runtime.tool import Recovery
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import PEOPLE, Office, opened
from tests.patience import PATIENCE

CONTEXT = multiprocessing.get_context("forkserver")
FAMILIES = ("tests.processes", "tests.program", "tests.crash.batching", "benchmarks.crash.child")
CONTEXT.set_forkserver_preload(["pytest", *FAMILIES])


def spawn(target: Any, *args: Any) -> BaseProcess:
    """Start a child."""
    child = CONTEXT.Process(target=target, args=args)
    child.start()
    return child


def wait(*children: BaseProcess) -> list[int | None]:
    """The exit codes of the children, in order; -9 is a kill."""
    for child in children:
        child.join(PATIENCE)
        if child.exitcode is None:
            child.kill()
            child.join()
    return [child.exitcode for child in children]


def drive_child(folder: Path, recovery: Recovery, run_id: str) -> None:
    """Drive one run on the folder's file."""

    async def work(office: Office) -> None:
        await office.drive(office.read(run_id))

    _in_office(folder, recovery, work)


def park_child(folder: Path, run_id: str) -> None:
    """Drive a run to its pause, and die the moment it is reported."""

    async def work(office: Office) -> None:
        run = await office.drive(office.read(run_id))
        os.kill(os.getpid(), signal.SIGKILL if run.state == "paused" else signal.SIGTERM)

    _in_office(folder, "idempotency_key", work)


def decide_child(
    folder: Path, approval_id: str, name: str, kind: DecisionKind, barrier: Any, results: Any
) -> None:
    """Answer a question at the same moment as others; reports what came of it."""

    async def work(office: Office) -> None:
        asked = office.runtime.store.read("default").approvals.get(approval_id)
        answer = Answer(kind=kind, digest=asked.digest, reason="because")
        barrier.wait(PATIENCE)
        try:
            after = await office.runtime.decide(approval_id, PEOPLE[name], answer)
            results.put((name, after.status, after.closed_by))
        except AlreadyDecided as error:
            results.put((name, "refused", error.by))
        except AgentRuntimeError as error:
            results.put((name, type(error).__name__, str(error)))

    _in_office(folder, "idempotency_key", work)


def drive_ready_child(folder: Path, barrier: Any) -> None:
    """Advance whatever is queued, at the same moment as others."""

    async def work(office: Office) -> None:
        barrier.wait(PATIENCE)
        await office.runtime.drive_ready()

    _in_office(folder, "idempotency_key", work)


def append_child(path: Path, tenant: str, count: int, barrier: Any) -> None:
    """Open the file and append events, at the same moment as others."""

    async def work() -> None:
        barrier.wait(PATIENCE)
        store = Store(path, SystemClock())
        await asyncio.gather(*(store.write(tenant, partial(_append, n)) for n in range(count)))
        store.close()

    asyncio.run(work())


def _append(number: int, session: Session) -> None:
    session.events.append("tool.called", None, n=number)


def _in_office(folder: Path, recovery: Recovery, work: Any) -> None:
    async def run() -> None:
        app = make_app(pay_workflow(make_pay(recovery)))
        async with opened(app, folder) as office:
            office.clock.move(timedelta(seconds=1))
            coroutine: Coroutine[Any, Any, None] = work(office)
            await coroutine

    asyncio.run(run())

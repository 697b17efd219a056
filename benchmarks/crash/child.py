"""The processes that are crashed: each opens the data folder for itself and does one job.

They are forked from one server that has imported all of this already, without threads or an event
loop of its own, so that a child costs milliseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent_runtime.approval import Answer
from agent_runtime.clock import ManualClock
from agent_runtime.errors import AlreadyDecided, Conflict
from agent_runtime.event import Event
from agent_runtime.resumption import Resumption
from agent_runtime.run import ENDS, Run
from agent_runtime.runtime import Runtime
from agent_runtime.service import Service
from agent_runtime.settings import Settings
from agent_runtime.store import Session, lane
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from benchmarks.crash.bank import Bank
from benchmarks.crash.notes import Notes
from benchmarks.crash.payout import ASKED, RECOVERIES, WORKFLOW, make_app, make_model
from benchmarks.crash.point import Crash, Trap

CONTEXT = multiprocessing.get_context("forkserver")
PRELOAD = "benchmarks.crash.child"
NOTES = "notes.jsonl"
TENANT = "default"
LEAD = Operator(name="lena", roles=("lead",))
IN_FLIGHT = 10
"""Unfinished runs that the starter keeps at hand: enough that every kill hits some."""
LOOK = 0.02
"""Seconds between two looks of a person at what waits for them."""

_EXPORT = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True)
class Orders:
    """What a child is told: where, with which seed, and when to crash. `lease` is in seconds,
    `ahead` is how far its clock is ahead of the machine's."""

    folder: Path
    seed: int = 0
    crash: Crash | None = None
    lease: float = 30.0
    ahead: timedelta = timedelta()

    @property
    def data(self) -> Path:
        """The data folder of the runtime; the harness's own files lie beside it."""
        return self.folder / "data"


@dataclass(frozen=True)
class Desk:
    """All that one child has opened. `stop` is set once it is told to end."""

    runtime: Runtime
    notes: Notes
    bank: Bank
    trap: Trap
    stop: asyncio.Event

    def read(self) -> Session:
        """What is committed."""
        return self.runtime.store.read(TENANT)


def begin(orders: Orders, work: Callable[[Desk], Awaitable[None]]) -> None:
    """Open everything and do the work; the caller is a process of its own."""
    for name in _EXPORT:
        os.environ.pop(name, None)

    async def run() -> None:
        async with opened(orders) as desk:
            await work(desk)

    try:
        asyncio.run(run())
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        notes = Notes(orders.folder / NOTES)
        notes.add("failed", job=work.__qualname__, error=f"{error!r} in {where.name}")
        raise


@asynccontextmanager
async def opened(orders: Orders) -> AsyncIterator[Desk]:
    """A runtime whose every committed event is noted as acknowledged when it is heard of."""
    notes, bank = Notes(orders.folder / NOTES), Bank(orders.folder)
    trap = Trap(notes, orders.crash)
    trap.watch_commits()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Runtime.open(
        make_app(trap, bank),
        orders.data,
        model=make_model(trap),
        settings=offline(orders.lease),
        clock=ManualClock(datetime.now(UTC) + orders.ahead, ticking=True),
    ) as runtime:

        def acknowledge(event: Event) -> None:
            notes.add("event", number=event.number, type=event.type, hash=event.hash)

        runtime.store.listeners.append(acknowledge)
        notes.add("opened", pid=os.getpid())
        yield Desk(runtime, notes, bank, trap, stop)


def offline(lease: float) -> Settings:
    """Settings under which no environment makes a child ask a real model."""
    hidden = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}
    return Settings.model_validate({**hidden, "lease": lease})


def account(number: int) -> tuple[str, str]:
    """The account and the recovery of the n-th run: every kind, two thirds with a question."""
    recovery = RECOVERIES[number % len(RECOVERIES)]
    return f"account-{number}{'' if number % 3 == 0 else ASKED}", recovery


async def start(desk: Desk, number: int) -> Run:
    """Start the n-th run, or find it; noted once that has returned."""
    name, recovery = account(number)
    trigger = Trigger(kind="event", owner="mailroom", key=f"mail-{number}")
    inputs = {"account": name, "recovery": recovery}
    run = await desk.runtime.start(WORKFLOW, inputs, trigger=trigger)
    desk.notes.add("started", run=run.id, account=name)
    return run


async def answer(desk: Desk, approval_id: str, digest: str) -> None:
    """Say yes; noted once that has returned."""
    yes = Answer(kind="approve", digest=digest, channel="crash")
    decided = await desk.runtime.decide(approval_id, LEAD, yes)
    desk.notes.add("decided", approval=approval_id, status=decided.status)


async def attend(desk: Desk, run: Run) -> None:
    """What a person does about a run that waits: looks in the bank's ledger, or sends it on."""
    if run.state == "outcome_unknown":
        lost = [entry for entry in desk.read().journal.find(run.id) if entry.state == "intended"]
        happened = desk.bank.knows(lost[0].key)
        await desk.runtime.settle(run.id, LEAD, "happened" if happened else "retry")
        desk.notes.add("settled", run=run.id, happened=happened)
    elif run.state == "needs_attention":
        await desk.runtime.resume(run.id, LEAD, Resumption(reason="its workers were killed"))
        desk.notes.add("resumed", run=run.id, reason=run.reason)


def start_child(orders: Orders, first: int, most: int | None) -> None:
    """Start runs as others finish, until told to stop or `most` are started."""

    async def work(desk: Desk) -> None:
        number = first + len({note["run"] for note in desk.notes.read("started")})
        while not desk.stop.is_set() and (most is None or number < first + most):
            counts = desk.read().runs.count()
            if sum(n for state, n in counts.items() if state not in ENDS) >= IN_FLIGHT:
                await asyncio.sleep(LOOK)
                continue
            await start(desk, number)
            number += 1

    begin(orders, work)


def person_child(orders: Orders) -> None:
    """Answer whatever is asked, and look after whatever waits, until told to stop."""
    rng = random.Random(orders.seed)  # noqa: S311 — no secret

    async def work(desk: Desk) -> None:
        while not desk.stop.is_set():
            asked = desk.read().approvals.find(["open"])
            waiting = desk.read().runs.find(["outcome_unknown", "needs_attention"])
            for approval in rng.sample(asked, len(asked)):
                with suppress(AlreadyDecided):
                    await answer(desk, approval.id, approval.digest)
            for run in waiting:
                with suppress(Conflict):
                    await attend(desk, run)
            await asyncio.sleep(LOOK)

    begin(orders, work)


def worker_child(orders: Orders) -> None:
    """A worker service, until it is told to stop."""

    async def work(desk: Desk) -> None:
        service = Service(desk.runtime, rng=random.Random(orders.seed))  # noqa: S311 — no secret
        await service.run(desk.stop)
        desk.notes.add("passed", points=[[p.kind, p.nth] for p in desk.trap.passed])

    begin(orders, work)


def whole_run_child(orders: Orders, number: int) -> None:
    """One whole run, from its start to its end, whatever an earlier process has done of it."""
    # Posts go with the writes that are waited for, not when a busy machine's timer fires: the
    # same run has the same commits.
    lane.PATIENCE = 3_600.0

    async def work(desk: Desk) -> None:
        run = await start(desk, number)
        while run.state not in ENDS:
            match run.state:
                case "queued" | "running":
                    await desk.runtime.drive(run.id)
                case "paused":
                    (asked,) = desk.read().approvals.find(["open"], run_id=run.id)
                    await answer(desk, asked.id, asked.digest)
                case _:
                    await attend(desk, run)
            run = desk.read().runs.get(run.id)
        desk.notes.add("passed", points=[[p.kind, p.nth] for p in desk.trap.passed])

    begin(orders, work)

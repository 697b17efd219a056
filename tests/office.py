"""An opened runtime on a folder of its own, with the short forms that tests speak in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from agent_runtime.app import App
from agent_runtime.approval import Answer, Approval, DecisionKind
from agent_runtime.clock import ManualClock
from agent_runtime.event import Event
from agent_runtime.evidence import Document
from agent_runtime.nodes.gate import GateNode
from agent_runtime.run import Run
from agent_runtime.runtime import DATABASE, Runtime
from agent_runtime.segment import Segment
from agent_runtime.settings import Settings, load_model_settings, load_notice_settings
from agent_runtime.store import JournalEntry, Store
from agent_runtime.store.database import PRIVATE
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from tests.ledger import Bank

NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)

PEOPLE = {
    "lena": Operator(name="lena", roles=("lead",)),
    "luis": Operator(name="luis", roles=("lead",)),
    "fay": Operator(name="fay", roles=("finance",)),
    "finn": Operator(name="finn", roles=("finance",)),
    "both": Operator(name="both", roles=("finance", "lead")),
    "carl": Operator(name="carl", roles=("clerk",)),
}

OFFLINE = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}
"""Settings under which no environment makes a test ask a real model."""

SETTING = ("AGENT_RUNTIME_", "OPENAI_")
"""How the names of variables begin that settings are read from."""


@dataclass(frozen=True)
class Record:
    """All that a run has left behind."""

    run: Run
    events: list[Event]
    approvals: list[Approval]
    journal: list[JournalEntry]
    payouts: list[tuple[str, str]]

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """The gate's answers, in order."""
        return [body["verdict"] for body in self.bodies("gate.judged")]

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the events of one kind."""
        return [event.body or {} for event in self.events if event.type == kind]

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        return self.bodies("envelope.emitted")


class Office:
    """One runtime with its clock and bank. `tenant` is the one that all short forms work in."""

    def __init__(self, runtime: Runtime, clock: ManualClock, bank: Bank, data: Path) -> None:
        self.runtime = runtime
        self.clock = clock
        self.bank = bank
        self.data = data
        self.tenant = "default"

    async def start(
        self,
        *,
        owner: str = "mailroom",
        key: str | None = None,
        documents: Sequence[Document] = (),
        **fields: Any,
    ) -> Run:
        """Queue a run; `fields` are its input."""
        return await self.runtime.start(
            "ledger",
            fields,
            trigger=Trigger(kind="event", owner=owner, key=key),
            documents=documents,
            tenant=self.tenant,
        )

    async def flow(self, *answers: str, **fields: Any) -> Record:
        """Start a run, drive it, and at each pause give the next answer (`"lena approve"`)."""
        run = await self.drive(await self.start(**fields))
        for answer in answers:
            name, kind = answer.split()
            await self.answer(run, name, kind)  # type: ignore[arg-type]
            if self.read(run).state == "queued":
                run = await self.drive(run)
        return self.record(run)

    async def drive(self, run: Run) -> Run:
        return await self.runtime.drive(run.id, self.tenant)

    async def parked(self, **fields: Any) -> Approval:
        """A run that asks people: its question."""
        run = await self.drive(await self.start(**fields))
        assert run.state == "paused", run.reason
        return self.question(run)

    def question(self, run: Run | str) -> Approval:
        """The run's one open question."""
        run_id = run if isinstance(run, str) else run.id
        (asked,) = self.runtime.store.read(self.tenant).approvals.find(["open"], run_id=run_id)
        return asked

    async def answer(
        self, about: Run | Approval, name: str, kind: DecisionKind = "approve", **fields: Any
    ) -> Approval:
        """One person's answer to a question as it is asked now."""
        asked = self.question(about) if isinstance(about, Run) else about
        if kind in ("reject", "respond"):
            fields.setdefault("reason", "Not before the audit.")
        answer = Answer(kind=kind, **{"digest": asked.digest, "channel": "test", **fields})
        return await self.runtime.decide(asked.id, self.person(name), answer)

    def person(self, name: str) -> Operator:
        return PEOPLE[name].model_copy(update={"tenant": self.tenant})

    def read(self, run: Run | str) -> Run:
        """The run as stored now."""
        run_id = run if isinstance(run, str) else run.id
        return self.runtime.store.read(self.tenant).runs.get(run_id)

    def record(self, run: Run | str) -> Record:
        stored, session = self.read(run), self.runtime.store.read(self.tenant)
        return Record(
            run=stored,
            events=session.events.find(stored.id),
            approvals=session.approvals.find(run_id=stored.id),
            journal=session.journal.find(stored.id),
            payouts=self.bank.payouts,
        )

    async def claim(self, run: Run) -> Segment:
        """Own a run as a worker does, without driving it."""
        until = self.clock.now() + timedelta(seconds=30)
        claimed = await self.runtime.store.write(
            self.tenant, lambda s: s.runs.claim(run.id, "elsewhere:1", until, take_over=True)
        )
        return self.runtime._in.segment(claimed)

    async def drive_gate(self, segment: Segment) -> None:
        """Let a claimed run's gate turn its approval into the right to act, and stop there."""
        step = segment.workflow.step("pay_out")
        (approval,) = segment.read().approvals.find(["approved"], run_id=segment.run.id)
        GateNode(step)._authorize(segment, approval)
        await segment.lane.settled()

    def lapse(self) -> None:
        """Let every lease pass."""
        self.clock.move(timedelta(minutes=5))


@asynccontextmanager
async def opened(
    app: App, data: Path, *, clock: ManualClock | None = None, **options: Any
) -> AsyncIterator[Office]:
    """Open an office; the account a1 is there already."""
    clock = clock or ManualClock(NOON)
    bank = Bank(data)
    if not bank.accounts:
        bank.put("a1")
    said = frozenset(pair for pair in os.environ.items() if pair[0].startswith(SETTING))
    async with Runtime.open(app, data, clock=clock, **{**_settings(said), **options}) as runtime:
        yield Office(runtime, clock, bank, data)


@cache
def _settings(said: frozenset[tuple[str, str]]) -> dict[str, Any]:
    """The settings of an environment that says this; to read them takes as long as a run."""
    return {
        "settings": Settings.model_validate(OFFLINE),
        "asking": load_model_settings(),
        "notices": load_notice_settings(),
    }


def lay_out(data: Path) -> None:
    """An empty database, migrated, where there is none yet: made once, and then copied."""
    if not (path := data / DATABASE).exists():
        data.mkdir(parents=True, exist_ok=True)
        path.touch(PRIVATE)
        path.write_bytes(_blank())


@cache
def _blank() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        Store(path, ManualClock(NOON)).close()
        return path.read_bytes()

"""Processes that attend to a provider's batch, and are killed at a named point of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from agent_runtime import Reasoning
from agent_runtime.clock import ManualClock
from agent_runtime.models.client import connect_model
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.testing import ChatReply, ChatRequest
from benchmarks.crash.notes import Notes
from benchmarks.crash.point import Crash, Kind, Trap
from tests.ledger import make_app, make_pay, pay_workflow, proposal
from tests.models.conftest import brief_of
from tests.office import NOON, Office, opened

TENANT = "default"
DAY = {"tenant_day": {"tokens": 50_000}}
TOKENS = 120
"""What one answer takes."""


def answer(request: ChatRequest) -> ChatReply:
    """What the provider's model says to each line."""
    text = proposal(brief_of(request)).model_dump_json(exclude_none=True)
    return ChatReply(text, prompt_tokens=100, completion_tokens=20)


@dataclass(frozen=True)
class Shift:
    """One process's: where, and when it looks up, in seconds after noon."""

    folder: Path
    url: str
    runs: tuple[str, ...] = ()
    looks: Sequence[int] = ()
    crash: Crash | None = None


def start_runs(shift: Shift, count: int, results: Any) -> None:
    """Start runs that come to their model, and park; reports their ids."""

    async def work(office: Office, _: Trap) -> None:
        started = [await office.drive(await office.start()) for _number in range(count)]
        results.put(tuple(run.id for run in started))

    _work(shift, work)


def attend(shift: Shift, results: Any) -> None:
    """Attend to the batch at these times, then take up who woke; reports the points passed and what
    came of each run."""

    async def work(office: Office, trap: Trap) -> None:
        for at in shift.looks:
            office.clock.move(NOON + timedelta(seconds=at) - office.clock.now())
            await office.runtime.expire(TENANT)
        await office.runtime.drive_ready(TENANT)
        results.put((trap.passed, _came_of(office, shift.runs)))

    _work(shift, work)


def _came_of(office: Office, runs: Sequence[str]) -> tuple[list[Any], int]:
    """State and calls of each run, and the tokens that the day was charged."""
    session = office.runtime.store.read(TENANT)
    calls = [[(call.outcome, call.batched) for call in session.calls.find(run)] for run in runs]
    day = session.calls.spent("tenant_day", NOON.date().isoformat())
    states = [session.runs.get(run).state for run in runs]
    return list(zip(states, calls, strict=True)), day.tokens


def _work(shift: Shift, work: Any) -> None:
    trap = Trap(Notes(shift.folder / "notes.jsonl"), shift.crash)
    trap.watch_commits()

    def passing(kind: Kind) -> Any:
        async def pass_by(_: object) -> None:
            trap(kind)

        return pass_by

    hooks = {"request": [passing("model.before")], "response": [passing("model.after")]}

    async def run() -> None:
        settings = Settings.model_validate(
            {"OPENAI_BASE_URL": shift.url, "OPENAI_API_KEY": "k", "model": "test-model"}
            | {"anchor": None}
        )
        asking = ModelSettings.model_validate({"budgets": DAY})
        reasoning = Reasoning(prompt="pay", proposes=[make_pay()], batch=True)
        app = make_app(pay_workflow(make_pay(), reasoning=reasoning))
        async with httpx.AsyncClient(event_hooks=hooks) as http:
            model = connect_model(settings, asking, http_async_client=http)
            chosen: dict[str, Any] = {"model": model, "settings": settings, "asking": asking}
            clock = ManualClock(NOON)
            async with opened(app, shift.folder / "data", clock=clock, **chosen) as office:
                await work(office, trap)

    asyncio.run(run())

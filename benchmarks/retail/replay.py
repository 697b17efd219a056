"""Replaying tasks: each through a runtime of its own, on its own copy of the seeded shop."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import SecretStr

from agent_runtime.app import App, load_app
from agent_runtime.approval import Answer, Approval, missing_slots
from agent_runtime.errors import AgentRuntimeError, InvalidInput
from agent_runtime.event import Event
from agent_runtime.evidence import Document
from agent_runtime.models.client import connect_model
from agent_runtime.replay.replay import replay_one
from agent_runtime.replay.stage import Stage as ReplayStage
from agent_runtime.replay.stage import staged
from agent_runtime.resumption import Resumption
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.testing import ChatReply, ChatRequest, ChatServer
from agent_runtime.testing.chat import Answer as Speaker
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from benchmarks.retail.compare import (
    Difference,
    expected_records,
    record_differences,
    same_result,
)
from benchmarks.retail.dataset import BadInput, Dataset, Records, Task
from benchmarks.retail.script import Conversation, citations
from tools.shop import Shop

WORKFLOW = "after_sales"
SHOP = "shop.db"
PROJECT = Path(__file__).resolve().parents[2]
STRANGER = "(nobody was authenticated)"
"""The customer of a task that names none: owns nothing."""

_HIDDEN = ("OPENAI_", "LANGCHAIN_", "LANGSMITH_")

Approver = Literal["approve", "deny"]


@dataclass(frozen=True)
class TaskResult:
    """What one task came to. `differences` are those of the shop's records; `problem` says why a
    run stopped short of its end."""

    task: str
    actions: int
    results_equal: int
    differences: tuple[Difference, ...]
    changed: bool
    unattended: int
    asked: int
    denied: int
    tool_errors: int
    wrong_results: tuple[Difference, ...] = ()
    problem: str = ""
    again: Again | None = None

    @property
    def equal(self) -> bool:
        """Whether exactly the expected changes were made."""
        return not self.differences


@dataclass(frozen=True)
class Again:
    """A task's run replayed: whether every event was the same, in how many `seconds`, without the
    `asked` calls of a model."""

    identical: bool
    why: str
    seconds: float
    asked: int


@dataclass
class Stage:
    """What all runs share: the app, the seeded shop, the server, the connections to it."""

    app: App
    dataset: Dataset
    folder: Path
    server: ChatServer
    clients: dict[str, Any]
    cast: dict[str, Speaker]
    scratch: ReplayStage | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def step(self) -> Step:
        """The workflow's one step."""
        return self.app.workflow(WORKFLOW).steps[0]

    @asynccontextmanager
    async def shop(self) -> AsyncIterator[Path]:
        """A new data folder with a copy of the seeded shop."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            shutil.copyfile(self.folder / SHOP, Path(name) / SHOP)
            yield Path(name)

    @asynccontextmanager
    async def runtime(self, data: Path, speaker: Speaker) -> AsyncIterator[Runtime]:
        """A runtime whose model says what `speaker` says."""
        name = f"scripted-{next(self._numbers)}"
        self.cast[name] = speaker
        settings = _settings(name, self.server.base_url)
        model = connect_model(settings, **self.clients)
        try:
            async with Runtime.open(self.app, data, model=model, settings=settings) as runtime:
                yield runtime
        finally:
            del self.cast[name]
            self.server.requests.clear()


@asynccontextmanager
async def open_stage(dataset: Dataset, *, again: bool = False) -> AsyncIterator[Stage]:
    """Seed the shop once and serve the scripted model; raises BadInput.

    `again`: each run is replayed from its recordings.
    """
    cast: dict[str, Speaker] = {}

    def answer(request: ChatRequest) -> ChatReply:
        return cast[request.model](request)

    with (
        without_provider(),
        tempfile.TemporaryDirectory(prefix="retail-") as folder,
        ChatServer(answer) as server,
    ):
        await seed(dataset, Path(folder) / SHOP)
        # No proxy from the environment stands between us and our own server.
        with httpx.Client(trust_env=False) as client:
            async with httpx.AsyncClient(trust_env=False) as async_client:
                clients = {"http_client": client, "http_async_client": async_client}
                stage = Stage(load_app(PROJECT), dataset, Path(folder), server, clients, cast)
                async with staged(stage.app, ModelSettings()) as scratch:
                    stage.scratch = scratch if again else None
                    yield stage


@contextmanager
def without_provider() -> Iterator[None]:
    """Hide the developer's own provider and tracing: their clients read the environment too."""
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith(_HIDDEN)}
    try:
        yield
    finally:
        os.environ.update(hidden)


async def seed(dataset: Dataset, path: Path) -> None:
    """Make the shop's database from the dataset's records; raises BadInput."""
    shop = await Shop.open(path)
    try:
        await shop.load(dataset.records)
    except InvalidInput as error:
        raise BadInput(f"{dataset.path}: {error.message}") from error
    except (AttributeError, TypeError, ValueError, sqlite3.Error) as error:
        raise BadInput(f"{dataset.path}: a record is malformed: {error}.") from error
    finally:
        await shop.aclose()


async def records_in(data: Path) -> Records:
    """Everything in the shop of a data folder, in the shape of db.json."""
    shop = await Shop.open(data / SHOP)
    try:
        return await shop.dump()
    finally:
        await shop.aclose()


async def start(
    runtime: Runtime, customer: str | None, reason: str, documents: Sequence[Document]
) -> Run:
    """Start a run as the shop's mail gate would."""
    message = reason[:8_000].strip() or "The customer gave no reason."
    return await runtime.start(
        WORKFLOW,
        {"customer": customer or STRANGER, "message": message},
        trigger=Trigger(kind="request", owner="benchmark"),
        documents=documents,
    )


async def replay(stage: Stage, task: Task, approver: Approver) -> TaskResult:
    """Play one task to its end and compare."""
    reason = task.user_scenario.reason
    speaker = Conversation(stage.step, task.actions, citations(stage.dataset, reason))
    async with stage.shop() as data:
        async with stage.runtime(data, speaker) as runtime:
            documents = stage.dataset.documents(reason)
            run = await start(runtime, task.actor_user_id, reason, documents)
            problem = await _play(runtime, run, approver, patience=len(task.actions))
            session = runtime.store.read(run.tenant)
            events = session.events.find(run.id)
            again = await _again(stage, session, run.id)
        after = await records_in(data)
    return _result(stage.dataset, task, speaker.seen, after, problem, events, again)


async def _again(stage: Stage, session: Session, run_id: str) -> Again | None:
    """The run once more from its recordings, where that is asked for."""
    if stage.scratch is None:
        return None
    replayed = await replay_one(stage.scratch, session, stage.app, run_id)
    asked = sum(one.kind == "model" for one in session.recordings.find(run_id))
    why = str(replayed.divergence or replayed.problem)
    return Again(replayed.result == "identical", why, replayed.seconds, asked)


async def _play(runtime: Runtime, run: Run, approver: Approver, patience: int) -> str:
    """Drive the run to its end; returns what kept it from completing, if anything did."""
    try:
        while run.state == "queued":
            run = await runtime.drive(run.id)
            if run.state == "paused":
                for approval in runtime.store.read(run.tenant).approvals.find(["open"]):
                    await decide(runtime, approval, approver)
                run = runtime.store.read(run.tenant).runs.get(run.id)
            elif run.state == "needs_attention" and patience > 0:
                # More failures in a row than the workflow bounds: the script knows better.
                patience -= 1
                run = await runtime.resume(
                    run.id, Operator(name="on-call"), Resumption(reason="More is to come.")
                )
    except AgentRuntimeError as error:
        return str(error)
    return "" if run.state == "completed" else f"{run.state}: {run.reason}"


async def decide(runtime: Runtime, approval: Approval, approver: Approver) -> None:
    """Answer as the people who are asked: one person per place that has to say yes."""
    numbers = itertools.count(1)
    while approval.status == "open":
        role = missing_slots(approval.slots, approval.yes())[0]
        person = Operator(name=f"{role}-{next(numbers)}", roles=(role,))
        if approver == "approve":
            answer = Answer(kind="approve", digest=approval.digest)
        else:
            answer = Answer(kind="reject", digest=approval.digest, reason="Scripted refusal.")
        approval = await runtime.decide(approval.id, person, answer)


def _settings(model: str, url: str) -> Settings:
    """Settings given in full: nothing of the developer's environment is used."""
    given: dict[str, Any] = {
        "model": model,
        "OPENAI_API_KEY": SecretStr("scripted"),
        "OPENAI_BASE_URL": url,
        "model_timeout": 60,
        "lease": 60,
        "log_level": "ERROR",
    }
    return Settings(**given)


def _result(
    dataset: Dataset,
    task: Task,
    seen: Sequence[str | None],
    after: Records,
    problem: str,
    events: Sequence[Event],
    again: Again | None,
) -> TaskResult:
    texts = [*seen, *[None] * (len(task.actions) - len(seen))]
    pairs = list(zip(task.actions, texts, strict=True))
    wrong = [Difference(a.source, a.result, text) for a, text in pairs if not same_result(a, text)]
    expected, misplaced = expected_records(dataset.records, task.expected_changes)
    return TaskResult(
        task=task.id,
        actions=len(task.actions),
        results_equal=len(task.actions) - len(wrong),
        differences=(*misplaced, *record_differences(expected, after)),
        changed=bool(record_differences(dataset.records, after)),
        again=again,
        **count_events(events),
        wrong_results=tuple(wrong),
        problem=problem,
    )


def count_events(events: Sequence[Event]) -> dict[str, int]:
    """How proposals were dealt with; one that was judged again counts once."""

    def visits(kind: str, **wanted: Any) -> int:
        bodies = [event.body or {} for event in events if event.type == kind]
        matching = [b for b in bodies if all(b.get(key) == wanted[key] for key in wanted)]
        return len({body.get("visit", -number) for number, body in enumerate(matching)})

    judged = [event.body or {} for event in events if event.type == "gate.judged"]
    verdicts = [body["verdict"]["kind"] for body in judged]
    return {
        "unattended": visits("action.authorized", by="policy"),
        "asked": visits("approval.requested"),
        "denied": verdicts.count("deny"),
        "tool_errors": visits("tool.refused"),
    }

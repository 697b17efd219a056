"""The governed run: the same workload through this project's public API, nothing left out.

Policy, facts, signals, journal, approval, decision, hash-chained events and recordings are all
at work; one person is asked and says yes.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent_runtime import Context, Envelope, Passage, Reasoning, Step, ToolCall, Workflow, tool
from agent_runtime.app import App
from agent_runtime.approval import Answer, Approval
from agent_runtime.brief import Brief
from agent_runtime.envelope import validate_envelope
from agent_runtime.policy import PolicySet
from agent_runtime.runtime import Runtime
from agent_runtime.settings import Settings
from agent_runtime.telemetry import Telemetry
from agent_runtime.tool import Tool
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from benchmarks.engine.case import Case
from benchmarks.engine.workload import letter, proposal

RITA = Operator(name="rita", roles=("editor",))
TRIGGER = Trigger(kind="request", owner="front-desk")
OFFLINE = Settings.model_validate({"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None})

POLICY = """
@id("ask-an-editor") @approvers("editor:1") @deadline("24h")
permit (principal, action == Action::"request:publish_notice", resource)
when { context.facts.status == "draft" };

@id("editor-may-approve")
permit (principal in Role::"editor", action == Action::"approve:publish_notice", resource)
when { context.facts.status == "draft" };
"""

_EXPORT = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(Strict):
    """The run's input."""

    notice: str


class Publish(Strict):
    """What `publish_notice` is told."""

    notice: str
    shelf: str
    text: str


class NoticeFacts(Strict):
    """What the system of record says about a notice."""

    owner: str
    status: str
    version: int


@tool(effect="read")
async def read_letter(args: Request, _call: ToolCall) -> Passage:
    """The customer's letter."""
    return Passage(source=f"letter-{args.notice}", text=letter(args.notice), version="1")


async def notice_facts(args: Publish, _call: ToolCall) -> NoticeFacts:
    return NoticeFacts(owner=args.notice, status="draft", version=1)


class Press:
    """The outside system: counts what is published, and notes when each call began."""

    def __init__(self) -> None:
        self.published: dict[str, int] = {}
        self.began = 0.0

    def begin(self, run_id: str) -> None:  # noqa: ARG002 — for who notes it elsewhere
        """A call begins."""
        self.began = time.perf_counter()

    def tool(self) -> Tool:
        """The write tool that publishes here."""

        @tool(
            effect="write",
            recovery="idempotency_key",
            target="Notice.notice",
            facts=notice_facts,
        )
        async def publish_notice(args: Publish, call: ToolCall) -> str:
            """Publish one notice."""
            self.begin(call.run_id)
            self.published[call.run_id] = self.published.get(call.run_id, 0) + 1
            return f"{args.notice} is published."

        return publish_notice


def propose(brief: Brief) -> Envelope:
    """The rule that stands in place of a model."""
    return validate_envelope(proposal(brief.input["notice"]))


def make_workflow(publish: Tool) -> Workflow:
    """The benchmark's workflow."""
    step = Step(
        "publish",
        context=Context(tools=[read_letter], token_budget=2_000),
        reasoning=Reasoning(rule=propose, proposes=[publish]),
        policy="publish",
    )
    return Workflow("notices", input=Request, steps=[step], subject="notice")


def make_app(press: Press, policy: str = POLICY) -> App:
    """The same with its policy, made in code."""
    publish = press.tool()
    workflow = make_workflow(publish)
    policies = {"publish": PolicySet.load("publish", {"publish.cedar": policy}, [publish])}
    return App(Path(__file__).parent, {"notices": workflow}, policies)


class GovernedCase:
    """Starts, drives, decides and drives on, as every surface does."""

    def __init__(self, runtime: Runtime, press: Press) -> None:
        self.runtime = runtime
        self.press = press
        self._runs: dict[str, str] = {}

    async def start(self, name: str) -> bool:
        run = await self.runtime.start("notices", {"notice": name}, trigger=TRIGGER)
        self._runs[name] = run.id
        return (await self.runtime.drive(run.id)).state == "paused"

    async def answer(self, name: str) -> int:
        await self.approve(name)
        return await self.finish(name)

    async def approve(self, name: str) -> Approval:
        """Rita's yes, committed."""
        session = self.runtime.store.read(RITA.tenant)
        (asked,) = session.approvals.find(["open"], run_id=self._runs[name])
        yes = Answer(kind="approve", digest=asked.digest, channel="bench")
        return await self.runtime.decide(asked.id, RITA, yes)

    async def finish(self, name: str) -> int:
        """Drive an answered run to its end; how often it has acted, -1 when it did not end."""
        run = await self.runtime.drive(self._runs.pop(name))
        acts = self.press.published.pop(run.id, 0)
        return acts if run.state == "completed" else -1


@asynccontextmanager
async def open_governed(
    folder: Path, policy: str = POLICY, telemetry: Telemetry | None = None
) -> AsyncIterator[GovernedCase]:
    """A runtime on the folder, with no model; traces go where `telemetry` sends them, if at all."""
    press = Press()
    app = make_app(press, policy)
    with _without_export():
        data = folder / "governed"
        async with Runtime.open(app, data, settings=OFFLINE, telemetry=telemetry) as runtime:
            yield GovernedCase(runtime, press)


@asynccontextmanager
async def open_governed_case(folder: Path) -> AsyncIterator[Case]:
    """The same, as one case among others."""
    async with open_governed(folder) as case:
        yield case


@contextmanager
def _without_export() -> Iterator[None]:
    hidden = {name: os.environ.pop(name) for name in _EXPORT if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)

"""One claimed run on a file of its own, from which the executor asks as in any step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from langchain_core.messages import BaseMessage
from pydantic import BaseModel, ConfigDict

from agent_runtime import Context, Reasoning, Step, Workflow
from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.envelope import Envelope, parse_envelope
from agent_runtime.models.prompt import answer_schema, render
from agent_runtime.runtime import Runtime
from agent_runtime.segment import Segment
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.trigger import Trigger

TASK = "Say whether anything is left to do."


class Ask(BaseModel):
    """What starts a run."""

    model_config = ConfigDict(extra="forbid")

    message: str = "Is anything left to do? " * 20


STEP = Step("think", context=Context(), reasoning=Reasoning(prompt="think"))
FLOW = Workflow("thinking", input=Ask, steps=[STEP])
APP = App(Path(), {"thinking": FLOW}, {}, {"thinking": {"think": TASK}})


def messages() -> list[BaseMessage]:
    """What is sent: rails, task and a brief."""
    return render(TASK, Brief(step="think", visit=1, input=Ask().model_dump()), [])


async def asked(segment: Segment) -> Envelope:
    """One answer by way of the executor: recorded, validated, counted."""
    executor = segment.executor(STEP)
    inquiry = executor.inquire(1, messages(), answer_schema())
    reply = await executor.ask(inquiry, parse_envelope)
    if reply.value is None:
        raise RuntimeError("The server asked for a tool.")
    return reply.value


@asynccontextmanager
async def claimed(folder: Path, url: str, model: str, runs: int) -> AsyncIterator[list[Segment]]:
    """So many runs, each claimed as a worker does."""
    values = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none", "model": model, "anchor": None}
    settings = Settings.model_validate(values)
    asking = ModelSettings.model_validate({"model_concurrency": 1_000})
    async with Runtime.open(APP, folder, settings=settings, asking=asking) as runtime:
        yield [await _claim(runtime) for _ in range(runs)]


async def _claim(runtime: Runtime) -> Segment:
    run = await runtime.start(
        "thinking", Ask().model_dump(), trigger=Trigger(kind="event", owner="benchmark")
    )
    until = runtime.clock.now() + timedelta(hours=1)
    held = await runtime.store.write(
        run.tenant,
        lambda session: session.runs.claim(run.id, "benchmark:1", until, take_over=False),
    )
    return runtime._in.segment(held)

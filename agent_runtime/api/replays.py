"""Looking back at a run over HTTP: its report, its replay, its forks, another run beside it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.access import a_run, a_workflow
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.site import Here, OnRun, Who
from agent_runtime.errors import InvalidInput
from agent_runtime.replay.edits import Edits
from agent_runtime.replay.fork import fork, rehearse_fork
from agent_runtime.replay.replay import Replayed, as_started, replay
from agent_runtime.report import (
    Beside,
    Report,
    build_report,
    put_beside,
    render_page,
    render_text,
)
from agent_runtime.run import Run
from agent_runtime.settings import load_model_settings

router = APIRouter(prefix="/v1/runs/{run_id}", tags=["runs"], route_class=OncePerKey)

Readable = Annotated[Run, Depends(OnRun("read"))]
Form = Literal["json", "html", "text"]
Field256 = Annotated[str, StringConstraints(min_length=1, max_length=256)]

PAGE = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A report is a file of its own: it may look as it likes and do nothing."""


class RehearseFork(BaseModel):
    """Where a fork begins, and what is changed in it: fields of the input by name, texts of
    evidence by source, fields of the reasoning envelope by path, texts of prompts and policies by
    name, and the model that is asked in place of every other."""

    model_config = ConfigDict(extra="forbid")

    at: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    visit: Annotated[int, Field(ge=1)] | None = None
    input: Annotated[dict[Field256, Any], Field(max_length=100)] = {}
    evidence: Annotated[dict[Field256, str], Field(max_length=100)] = {}
    envelope: Annotated[dict[Field256, Any], Field(max_length=100)] = {}
    prompt: Annotated[dict[Field256, str], Field(max_length=20)] = {}
    policy: Annotated[dict[Field256, str], Field(max_length=20)] = {}
    model: Annotated[str, StringConstraints(max_length=100)] = ""

    @property
    def edits(self) -> Edits:
        """What is changed."""
        return Edits(self.input, self.evidence, self.envelope, self.prompt, self.policy, self.model)


class ForkRun(RehearseFork):
    """The same for good, with the reason."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "at": "draft_refund_decision",
                    "input": {"message": "Please refund half of it."},
                    "reason": "The customer asked again by phone.",
                }
            ]
        },
    )

    reason: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


@router.get(
    "/report",
    response_model=Report,
    responses={200: {"content": {"text/html": {}, "text/plain": {}}}},
)
async def report(
    run: Readable,
    site: Here,
    as_: Annotated[Form, Query(alias="as")] = "json",
    content: bool = True,
) -> Report | Response:
    """Everything that explains a run, for programs or (`as`) as a page or a text of its own.

    Without `content`, texts, arguments, facts and results are left out.
    """
    built = build_report(site.store.read(run.tenant), run, content=content)
    match as_:
        case "json":
            return built
        case "html":
            return HTMLResponse(render_page(built), headers={"Content-Security-Policy": PAGE})
        case "text":
            return PlainTextResponse("\n".join([*render_text(built), ""]))


@router.post("/replay", status_code=200)
async def replay_run(
    run: Readable,
    site: Here,
    pinned: Annotated[
        bool, Query(description="With the prompts and policies that it was started under.")
    ] = False,
) -> Replayed:
    """Run it again on its recordings, without any effect, and compare."""
    session, app = site.store.read(run.tenant), site.runtime.app
    app = as_started(session, app, run.id) if pinned else app
    replaying = replay(session, app, load_model_settings(), [run.id])
    (found,) = [one async for one in replaying]
    return found


@router.post("/fork", status_code=201)
async def fork_run(
    run: Annotated[Run, Depends(OnRun("resume"))],
    asked: ForkRun,
    site: Here,
    caller: Who,
    response: Response,
) -> Run:
    """Start a new run from a step of this one. It inherits no approval: whatever it does goes
    through the gate afresh."""
    await site.require(caller, "start", a_workflow(run.workflow, caller.tenant))
    place, who = (run.id, asked.at, asked.edits), caller.operator
    made = await fork(site.runtime, *place, who, visit=asked.visit, reason=asked.reason)
    response.headers["Location"] = f"/v1/runs/{made.id}"
    return made


@router.post("/fork/rehearsal", status_code=200)
async def rehearse(run: Readable, asked: RehearseFork, site: Here, caller: Who) -> Report:
    """Play such a fork on the recordings, up to its first question: nobody is asked, nothing is
    stored and nothing is done."""
    place, who = (run.id, asked.at, asked.edits), caller.operator
    built = await rehearse_fork(site.runtime, *place, who, visit=asked.visit)
    shown = site.shown(caller, run.model_copy(update={"input": built.input}))
    return built.model_copy(update={"input": shown.input})


@router.get("/compare/{other_id}")
async def compare(run: Readable, other_id: str, site: Here, caller: Who) -> Beside:
    """Another run of the same workflow beside this one: where they part, and how they differ."""
    session = site.read(caller)
    other = session.runs.get(other_id)
    await site.require(caller, "read", a_run(other))
    other = site.shown(caller, other)
    if other.workflow != run.workflow:
        raise InvalidInput("other_id", other_id, f"is no run of {run.workflow}")
    return put_beside(build_report(session, run), build_report(session, other))

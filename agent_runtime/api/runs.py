"""Runs over HTTP: start, list, look into, cancel, resume, settle."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.access import a_workflow
from agent_runtime.api.once import OncePerKey, chosen_key
from agent_runtime.api.page import After, Fields, Limit, Page, When, cursor_of, only, read_cursor
from agent_runtime.api.site import Here, OnRun, Reader, Site, Who
from agent_runtime.evidence import Document
from agent_runtime.resumption import Resumption
from agent_runtime.run import ENDS, Run, RunState
from agent_runtime.runtime import Settlement
from agent_runtime.store.runs import RunFilter
from agent_runtime.trigger import Trigger, TriggerKind

router = APIRouter(prefix="/v1/runs", tags=["runs"], route_class=OncePerKey)

MAX_WAIT = 30.0
"""Seconds that a request may wait for its run."""

Wait = Literal["paused", "done"]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


class StartRun(BaseModel):
    """What starts a run. `key` makes it one run however often it is asked for, by whomever;
    it is taken up not before `at`, and of several the one with the highest `priority` first.

    Who started it is the caller, and cannot be said here.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "workflow": "refund",
                    "input": {
                        "customer": "liam_byrne",
                        "order_id": "order-8825",
                        "received_on": "2026-04-02",
                        "message": "Please refund these goods.",
                    },
                    "key": "mail-4711",
                }
            ]
        },
    )

    workflow: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    input: dict[str, Any]
    key: Annotated[str, StringConstraints(pattern=r"^[^\s#][^#]{0,149}$")] | None = None
    documents: Annotated[tuple[Document, ...], Field(max_length=20)] = ()
    at: When | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0


class Because(BaseModel):
    """Why; recorded."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Settle(BaseModel):
    """What became of a lost call, as somebody saw who looked in the outside system."""

    model_config = ConfigDict(extra="forbid")

    how: Settlement


async def may_start(asked: StartRun, site: Here, caller: Who) -> StartRun:
    """The body, once its sender may start that workflow."""
    site.runtime.app.workflow(asked.workflow)
    await site.require(caller, "start", a_workflow(asked.workflow, caller.tenant))
    return asked


@router.post("", status_code=201, responses={202: {"model": Run}})
async def start(
    asked: Annotated[StartRun, Depends(may_start)],
    site: Here,
    caller: Who,
    request: Request,
    response: Response,
    wait: Annotated[Wait | None, Query(description="Until it pauses, or until it ends.")] = None,
    patience: Annotated[
        float, Query(alias="timeout", gt=0, le=MAX_WAIT, description="Seconds.")
    ] = 10.0,
) -> Run:
    """Start a run. 201: it got as far as was waited for; 202: it is on its way, see Location."""
    key = chosen_key(request)
    named = asked.key or (None if key is None else f"{caller.name}#{key}")
    run = await site.runtime.start(
        asked.workflow,
        asked.input,
        trigger=Trigger(kind="request", owner=caller.name, key=named),
        documents=asked.documents,
        tenant=caller.tenant,
        at=asked.at,
        priority=asked.priority,
    )
    response.headers["Location"] = f"/v1/runs/{run.id}"
    if wait is not None:
        run = await waited(site, run, wait, patience)
    if wait is None or not _is_there(run, wait):
        response.status_code = 202
    return run


@router.get("")
async def find(
    site: Here,
    caller: Reader,
    state: Annotated[tuple[RunState, ...], Query(max_length=20)] = (),
    workflow: Annotated[str | None, Query(max_length=100)] = None,
    started_by: Annotated[str | None, Query(max_length=200)] = None,
    key: Annotated[str | None, Query(max_length=200)] = None,
    since: When | None = None,
    until: When | None = None,
    trigger: TriggerKind | None = None,
    sort: Literal["created", "-created"] = "-created",
    limit: Limit = 50,
    cursor: After = None,
    fields: Fields = (),
) -> Page[Run] | Page[dict[str, Any]]:
    """The tenant's runs, the newest first unless asked otherwise."""
    chosen = RunFilter(state, workflow, started_by, key, since, until, trigger)
    question = ["runs", chosen.named(), sort]
    found = site.read(caller).runs.page(
        chosen,
        newest_first=sort == "-created",
        after=read_cursor(cursor, question, str),
        limit=limit + 1,
    )
    more = cursor_of(found[limit - 1].id, question) if len(found) > limit else None
    shown = [site.shown(caller, run) for run in found[:limit]]
    return only(Run, fields, Page(items=shown, next=more))


@router.get("/counts")
async def count(site: Here, caller: Reader) -> dict[str, int]:
    """How many runs are in each state."""
    return site.read(caller).runs.count()


@router.get("/{run_id}")
async def get(run: Annotated[Run, Depends(OnRun("read"))]) -> Run:
    """One run."""
    return run


@router.post("/{run_id}/cancel")
async def cancel(
    run: Annotated[Run, Depends(OnRun("cancel"))], asked: Because, site: Here, caller: Who
) -> Run:
    """End a run at once; its open questions are withdrawn."""
    ended = await site.runtime.cancel(run.id, caller.operator, asked.reason)
    return site.shown(caller, ended)


@router.post("/{run_id}/resume")
async def resume(
    run: Annotated[Run, Depends(OnRun("resume"))], asked: Resumption, site: Here, caller: Who
) -> Run:
    """Send a run that waits for somebody's attention on: from its last checkpoint, or with a step
    begun anew or left out, or with a corrected input."""
    return site.shown(caller, await site.runtime.resume(run.id, caller.operator, asked))


@router.post("/{run_id}/settle")
async def settle(
    run: Annotated[Run, Depends(OnRun("settle"))], asked: Settle, site: Here, caller: Who
) -> Run:
    """Say what became of a run's lost call; it goes on."""
    return site.shown(caller, await site.runtime.settle(run.id, caller.operator, asked.how))


async def waited(site: Site, run: Run, wait: Wait, patience: float) -> Run:
    """The run once it got there, or as it stands when `patience` seconds are over."""
    until = time.monotonic() + patience
    while not _is_there(run, wait):
        left = until - time.monotonic()
        if left <= 0 or site.live.closing or not await site.live.wait(run.id, left):
            break
        run = site.store.read(run.tenant).runs.get(run.id)
    return run


def _is_there(run: Run, wait: Wait) -> bool:
    """Whether waiting is over. What waits for a person's attention won't move by itself."""
    match wait:
        case "done":
            return run.state in ENDS or run.state in _STUCK
        case "paused":
            return run.state not in ("queued", "running")


_STUCK: frozenset[RunState] = frozenset({"needs_attention", "version_mismatch", "outcome_unknown"})

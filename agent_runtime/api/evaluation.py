"""Evaluation over HTTP: the figures of a window, what came of runs, and labels."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StringConstraints

from agent_runtime.access import a_run
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.page import When
from agent_runtime.api.site import Here, OnRun, Reader, Site, Who
from agent_runtime.evaluation.evaluate import ERROR_RATE
from agent_runtime.evaluation.labelling import LabelTask
from agent_runtime.evaluation.report import Report
from agent_runtime.evaluation.shadow import Comparison, Did
from agent_runtime.evaluation.window import window
from agent_runtime.run import Run
from agent_runtime.store.grades import Grade
from agent_runtime.store.labels import Label
from agent_runtime.store.outcomes import Outcome

router = APIRouter(prefix="/v1", tags=["evaluation"], route_class=OncePerKey)

Workflow = Annotated[str | None, Query(max_length=100, description="Only this one's.")]
Named = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TellOutcome(_Body):
    """What came of a run: one of the outcomes that its workflow declares. `value`: true or false,
    or a number where one is declared. `observed_at`: when it was seen; default: now."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"run": "run-019a…", "outcome": "refund_reversed", "value": False}]
        },
    )

    run: Named
    outcome: Named
    value: StrictBool | StrictFloat
    observed_at: When | None = None


class GiveLabel(_Body):
    """What a person says of a run, by the guidelines of the label."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"run": "run-019a…", "label": "correct", "value": "yes"}]},
    )

    run: Named
    label: Named
    value: Named


class TellDone(_Body):
    """What people did beside a run of a shadow: one call of a write tool, or nothing."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"run": "run-019a…", "tool": "refund_order", "arguments": {"order_id": "o-1"}}
            ]
        },
    )

    run: Named
    tool: Named | None = None
    arguments: dict[str, Any] = {}


class OutcomeList(_Body):
    """All of one run."""

    items: list[Outcome]


class LabelList(_Body):
    """All of one run."""

    items: list[Label]


class GradeList(_Body):
    """All of one run."""

    items: list[Grade]


class LabelQueue(_Body):
    """What to label next; null: nothing is left."""

    task: LabelTask | None


async def speaking_of(body: TellOutcome | GiveLabel | TellDone, site: Site, caller: Who) -> Run:
    """The run that a body names, once the caller may say something about it."""
    run = site.read(caller).runs.get(body.run)
    await site.require(caller, "comment", a_run(run))
    return run


@router.get("/metrics")
async def metrics(
    site: Here,
    caller: Reader,
    workflow: Workflow = None,
    since: Annotated[date | None, Query(description="First UTC day; default: 30 days.")] = None,
    until: Annotated[date | None, Query(description="Last UTC day; default: today.")] = None,
    error_rate: Annotated[
        float, Query(gt=0, lt=1, description="What the threshold of confidence is to keep.")
    ] = ERROR_RATE,
) -> Report:
    """How well runs do. Shares of fewer than 30 cases are null: not enough history."""
    days = window(since, until, site.store.now().date())
    return await site.runtime.evaluation.report(
        caller.tenant, days, workflow=workflow, error_rate=error_rate
    )


@router.post("/outcomes", status_code=201)
async def tell(body: TellOutcome, site: Here, caller: Who) -> Outcome:
    """Record what came of a run. The same again changes nothing."""
    await speaking_of(body, site, caller)
    return await site.runtime.recorder.record(
        caller.operator, body.run, body.outcome, body.value, body.observed_at
    )


@router.post("/shadows", status_code=201)
async def compare(body: TellDone, site: Here, caller: Who) -> Comparison:
    """Record what people did beside a run of a shadow. The same again changes nothing."""
    await speaking_of(body, site, caller)
    done = Did(tool=body.tool, arguments=body.arguments)
    return await site.runtime.shadows.compare(caller.operator, body.run, done)


@router.get("/runs/{run_id}/outcomes")
async def outcomes(run: Annotated[Run, Depends(OnRun("read"))], site: Here) -> OutcomeList:
    """What came of one run."""
    return OutcomeList(items=site.store.read(run.tenant).outcomes.find(run.id))


@router.get("/runs/{run_id}/labels")
async def labels(run: Annotated[Run, Depends(OnRun("read"))], site: Here) -> LabelList:
    """What people said of one run."""
    return LabelList(items=site.store.read(run.tenant).labels.find(run.id))


@router.get("/runs/{run_id}/grades")
async def grades(run: Annotated[Run, Depends(OnRun("read"))], site: Here) -> GradeList:
    """What graders said of one run."""
    return GradeList(items=site.store.read(run.tenant).grades.find(run.id))


@router.post("/runs/{run_id}/grades", status_code=201)
async def grade(
    run: Annotated[Run, Depends(OnRun("comment"))], site: Here, caller: Who
) -> GradeList:
    """Have its workflow's graders judge a run that has ended; one that cannot tell says why."""
    marks = await site.runtime.marker.grade(run.tenant, run.id, caller.name)
    return GradeList(items=marks)


@router.get("/labels/{name}/next")
async def following(
    name: str,
    site: Here,
    caller: Reader,
    label: Annotated[
        str | None, Query(max_length=100, description="Default: the first declared.")
    ] = None,
) -> LabelQueue:
    """One run of a workflow for the caller to label; first those that one other person has
    labelled."""
    task = site.runtime.labeller.next(caller.operator, name, label)
    return LabelQueue(task=None if task is None else task.told)


@router.post("/labels", status_code=201)
async def give(body: GiveLabel, site: Here, caller: Who) -> Label:
    """Say what one thinks of a run. The same again changes nothing."""
    await speaking_of(body, site, caller)
    return await site.runtime.labeller.give(caller.operator, body.run, body.label, body.value)

"""Schedules over HTTP: what the clock starts, made, looked at, paused and removed."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.access import Caller, a_workflow
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.site import Here, OnTenant, Reader
from agent_runtime.schedule import CatchUp, Schedule
from agent_runtime.store.schedules import StoredSchedule

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], route_class=OncePerKey)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]
Text = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class CreateSchedule(BaseModel):
    """What is to be started when. `cron` has five fields; `zone` is a time zone's name.

    Its owner, who counts as having started its runs, is the caller, and cannot be said here.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "workflow": "invoice",
                    "name": "workdays",
                    "cron": "0 6 * * 1-5",
                    "zone": "Europe/Berlin",
                    "input": {"invoice_id": "inv-1"},
                }
            ]
        },
    )

    workflow: Text
    name: Text
    cron: Text
    zone: Text = "UTC"
    input: Annotated[dict[str, Any], Field(default_factory=dict)]
    catch_up: CatchUp = "once"


class Pause(BaseModel):
    """Why; shown with the schedule."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(max_length=2_000)] = ""


class ScheduleList(BaseModel):
    """All of the tenant's, by id."""

    items: list[StoredSchedule]


class Times(BaseModel):
    """When a schedule starts a run next, UTC; nothing while it is paused."""

    items: list[datetime]


@router.post("", status_code=201)
async def create(
    asked: CreateSchedule, site: Here, caller: Administrator, response: Response
) -> StoredSchedule:
    """Make a schedule in the caller's tenant, and their name."""
    await site.require(caller, "start", a_workflow(asked.workflow, caller.tenant))
    schedule = Schedule(
        name=asked.name,
        cron=asked.cron,
        owner=caller.name,
        zone=asked.zone,
        input=asked.input,
        catch_up=asked.catch_up,
    )
    stored = await site.runtime.timetable.create(caller.operator, asked.workflow, schedule)
    response.headers["Location"] = f"/v1/schedules/{stored.id}"
    return stored


@router.get("")
async def find(site: Here, caller: Reader) -> ScheduleList:
    """The tenant's schedules: those of the project's code, and those that people have made."""
    return ScheduleList(items=site.runtime.timetable.find(caller.tenant))


@router.get("/{schedule_id}")
async def get(schedule_id: str, site: Here, caller: Reader) -> StoredSchedule:
    """One schedule."""
    return site.read(caller).schedules.get(schedule_id)


@router.get("/{schedule_id}/next")
async def coming(
    schedule_id: str,
    site: Here,
    caller: Reader,
    count: Annotated[int, Query(ge=1, le=100, description="How many.")] = 10,
) -> Times:
    """The next times at which it starts a run."""
    session = site.read(caller)
    stored = session.schedules.get(schedule_id)
    if stored.paused:
        return Times(items=[])
    return Times(items=list(islice(stored.schedule.instants(session.now), count)))


@router.post("/{schedule_id}/pause")
async def pause(
    schedule_id: str, asked: Pause, site: Here, caller: Administrator
) -> StoredSchedule:
    """Let it start nothing until it is resumed."""
    return await site.runtime.timetable.pause(caller.operator, schedule_id, asked.reason)


@router.post("/{schedule_id}/resume")
async def resume(schedule_id: str, site: Here, caller: Administrator) -> StoredSchedule:
    """Let it start runs again, from its next time on: what it paused over is not made up for."""
    return await site.runtime.timetable.resume(caller.operator, schedule_id)


@router.delete("/{schedule_id}")
async def remove(schedule_id: str, site: Here, caller: Administrator) -> StoredSchedule:
    """Forget a schedule that a person has made; the runs that it has started stay."""
    return await site.runtime.timetable.remove(caller.operator, schedule_id)

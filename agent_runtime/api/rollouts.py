"""Rollouts over HTTP: versions of prompts and policies that a share of runs gets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from agent_runtime.api.once import OncePerKey
from agent_runtime.api.site import Here, Reader, Who
from agent_runtime.evaluation.trial import right_to_stop
from agent_runtime.evaluation.watching import Watching, watching
from agent_runtime.rollout import Rollout, Trial

router = APIRouter(prefix="/v1/rollouts", tags=["rollouts"], route_class=OncePerKey)


class RolloutList(BaseModel):
    """In the order they were started."""

    model_config = ConfigDict(extra="forbid")

    items: list[Watching]


class StartRollout(Trial):
    """What to try. `rehearsal`: a policy change's `report`, as having seen it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"workflow": "refund", "prompt": "decide", "candidate": "decide.v2", "share": 0.2}
            ]
        },
    )

    rehearsal: Annotated[str, StringConstraints(max_length=100)] | None = None

    @property
    def trial(self) -> Trial:
        """What is tried, without what was seen."""
        return Trial.model_validate(self.model_dump(exclude={"rehearsal"}))


class StopRollout(BaseModel):
    """Why it is ended."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(max_length=2_000)] = ""


async def startable(body: StartRollout, site: Here, caller: Who) -> StartRollout:
    """What to try, once the caller may: of a policy, who may put its change in force."""
    for act, thing in site.runtime.trials.rights_to_start(caller.operator, body.trial):
        await site.require(caller, act, thing)
    return body


async def stoppable(rollout_id: str, site: Here, caller: Who) -> Rollout:
    """The rollout in the path, once the caller may end it."""
    rollout = site.read(caller).rollouts.get(rollout_id)
    await site.require(caller, *right_to_stop(rollout))
    return rollout


@router.get("")
async def find(
    site: Here,
    caller: Reader,
    workflow: Annotated[str | None, Query(max_length=100, description="Only this one's.")] = None,
) -> RolloutList:
    """What is and was tried, with the figures of both arms."""
    await site.runtime.keeper.keep_up(caller.tenant)
    session = site.read(caller)
    found = session.rollouts.find(workflow)
    return RolloutList(items=[watching(session, one) for one in found])


@router.post("", status_code=201)
async def start(
    body: Annotated[StartRollout, Depends(startable)], site: Here, caller: Who
) -> Watching:
    """Give a share of new runs another prompt, or a proposed policy; it is rolled back by itself
    when it is shown to be worse."""
    made = await site.runtime.trials.start(caller.operator, body.trial, body.rehearsal)
    return watching(site.read(caller), made)


@router.get("/{rollout_id}")
async def get(rollout_id: str, site: Here, caller: Reader) -> Watching:
    """One rollout."""
    await site.runtime.keeper.keep_up(caller.tenant)
    session = site.read(caller)
    return watching(session, session.rollouts.get(rollout_id))


@router.post("/{rollout_id}/stop")
async def stop(
    rollout: Annotated[Rollout, Depends(stoppable)],
    site: Here,
    caller: Who,
    body: StopRollout | None = None,
) -> Watching:
    """End a rollout: nobody gets the candidate any more."""
    why = "" if body is None else body.reason
    ended = await site.runtime.trials.stop(caller.operator, rollout.id, why)
    return watching(site.read(caller), ended)

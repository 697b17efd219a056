"""Triggers over HTTP: events of other systems start runs. What lets a sender in is its signature;
a token does not count here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict

from agent_runtime.access import Caller, a_workflow
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.site import Here, OnTenant, Reader
from agent_runtime.cloudevent import MEDIA
from agent_runtime.reception import Message
from agent_runtime.run import RunState
from agent_runtime.signature import ID, SIGNATURE, TIMESTAMP
from agent_runtime.trigger import WITHIN, EventTrigger, WantedTrigger
from agent_runtime.workflow import Workflow

router = APIRouter(prefix="/v1/triggers", tags=["triggers"], route_class=OncePerKey)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]

_EVENT = {
    "specversion": "1.0",
    "id": "4711",
    "source": "/shop/mail",
    "type": "mail.received",
    "data": {"order_id": "order-8825"},
}
_BODY: dict[str, Any] = {
    "security": [{"signature": []}],
    "requestBody": {
        "description": "A CloudEvent 1.0, structured or binary, or any JSON that is mapped.",
        "content": {
            MEDIA: {"schema": {"type": "object"}, "example": _EVENT},
            "application/json": {"schema": {}, "example": _EVENT["data"]},
        },
    },
}


class TriggerView(BaseModel):
    """One trigger. `name` is its address; `secret` the name of what signs for it; `declared`: it
    stands in the project's code. `mapping` holds JSON pointers by input field."""

    model_config = ConfigDict(extra="forbid")

    name: str
    workflow: str
    owner: str
    secret: str
    declared: bool
    mapping: dict[str, str] | None
    id: str | None


class TriggerList(BaseModel):
    """All of the tenant's: there are few."""

    items: list[TriggerView]


class Started(BaseModel):
    """The run that an event has started, now or when it was first sent."""

    model_config = ConfigDict(extra="forbid")

    run: str
    state: RunState


@router.get("")
async def find(site: Here, caller: Reader) -> TriggerList:
    """The triggers of the caller's tenant."""
    found = site.runtime.reception.find(caller.tenant)
    return TriggerList(items=[_view(*one) for one in found])


@router.post("", status_code=201)
async def make(
    wanted: WantedTrigger, site: Here, caller: Administrator, response: Response
) -> TriggerView:
    """Let another system's events start runs."""
    made = await site.runtime.reception.make(caller.operator, wanted)
    response.headers["Location"] = f"/v1/triggers/{made[0].name}"
    return _view(*made)


@router.get("/{name}")
async def get(name: str, site: Here, caller: Reader) -> TriggerView:
    """One trigger."""
    return _view(*site.runtime.reception.get(caller.tenant, name))


@router.put("/{name}")
async def change(
    name: str, wanted: WantedTrigger, site: Here, caller: Administrator
) -> TriggerView:
    """Have one that was made here be something else from now on."""
    return _view(*await site.runtime.reception.change(caller.operator, name, wanted))


@router.delete("/{name}")
async def remove(name: str, site: Here, caller: Administrator) -> TriggerView:
    """Take nothing more for one that was made here."""
    return _view(*await site.runtime.reception.remove(caller.operator, name))


async def signed(
    name: str,
    site: Here,
    request: Request,
    _id: Annotated[str | None, Header(alias=ID, description="The message's id.")] = None,
    _at: Annotated[str | None, Header(alias=TIMESTAMP, description="Seconds since 1970.")] = None,
    _by: Annotated[str | None, Header(alias=SIGNATURE, description="v1,<base64>")] = None,
) -> Message:
    """The message, once its signature counts and its owner may start the workflow."""
    headers = {key.lower(): value for key, value in request.headers.items()}
    message = site.runtime.reception.admit(name, headers, await request.body())
    caller = Caller(message.sender, channel=f"trigger:{name}")
    site.token_rates.take(f"{caller.tenant}/{caller.channel}")
    site.tenant_rates.take(caller.tenant)
    request.state.caller = caller
    await site.require(caller, "start", a_workflow(message.workflow.name, caller.tenant))
    return message


@router.post("/{name}", status_code=202, responses={200: {"model": Started}}, openapi_extra=_BODY)
async def take(
    message: Annotated[Message, Depends(signed)], site: Here, response: Response
) -> Started:
    """Take an event. 202: it started a run; 200: it came before, and this is the run it started."""
    run, new = await site.runtime.reception.take(message)
    response.headers["Location"] = f"/v1/runs/{run.id}"
    if not new:
        response.status_code = 200
    return Started(run=run.id, state=run.state)


def _view(trigger: EventTrigger, workflow: Workflow) -> TriggerView:
    return TriggerView(
        name=trigger.name,
        workflow=workflow.name,
        owner=trigger.owner,
        secret=trigger.secret_name,
        declared=WITHIN not in trigger.name,
        mapping=None if trigger.mapping is None else dict(trigger.mapping),
        id=trigger.id,
    )

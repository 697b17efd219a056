"""Workflows over HTTP: what can be started, and what it looks like."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict

from agent_runtime.access import a_workflow
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Who
from agent_runtime.declaration import Declaration, declare
from agent_runtime.drawing import Form, draw
from agent_runtime.workflow import Workflow

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=Route)


class WorkflowList(BaseModel):
    """All of them: a project has few."""

    model_config = ConfigDict(extra="forbid")

    items: list[Declaration]


async def readable(name: str, site: Here, caller: Who) -> Workflow:
    """The workflow of that name, once the caller may see it."""
    workflow = site.runtime.app.workflow(name)
    await site.require(caller, "read", a_workflow(name, caller.tenant))
    return workflow


Readable = Annotated[Workflow, Depends(readable)]


@router.get("")
async def find(site: Here, caller: Who) -> WorkflowList:
    """The workflows that the caller may see."""
    app = site.runtime.app
    found = [
        workflow
        for name, workflow in sorted(app.workflows.items())
        if app.access.ask(caller, "read", a_workflow(name, caller.tenant)).counts
    ]
    if not found:
        await site.require(caller, "read", a_workflow("any", caller.tenant))
    return WorkflowList(items=[declare(workflow, app) for workflow in found])


@router.get("/{name}")
async def get(workflow: Readable, site: Here) -> Declaration:
    """One workflow: its steps with their tools, its input, its rules."""
    return declare(workflow, site.runtime.app)


@router.get("/{name}/schema")
async def schema(workflow: Readable) -> dict[str, Any]:
    """The JSON Schema of its input."""
    return workflow.input.model_json_schema()


@router.get(
    "/{name}/drawing",
    response_class=PlainTextResponse,
    responses={200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
)
async def drawing(
    workflow: Readable,
    form: Annotated[Form, Query(description="For a terminal, as a flowchart, or as an image.")] = (
        "mermaid"
    ),
) -> Response:
    """The workflow as a mermaid flowchart, drawn for a terminal, or as SVG."""
    kind = "image/svg+xml" if form == "svg" else "text/plain"
    return Response(draw(workflow, form), media_type=kind)

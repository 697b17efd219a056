"""Declarations: a workflow as what it says of itself, for surfaces to show."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.app import App
from agent_runtime.approval import OTHER
from agent_runtime.workflow import Workflow


class StepDeclared(BaseModel):
    """One step: the policy that it asks, and the tools that each node may use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    policy: str | None
    scopes: dict[str, tuple[str, ...]]
    contract: str


class Declaration(BaseModel):
    """One workflow. `input` is a JSON Schema, `fields` the same in short; `rules` by policy.

    `reject_codes`: the kinds of no that people choose from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    input: dict[str, Any]
    fields: dict[str, str]
    steps: tuple[StepDeclared, ...]
    rules: dict[str, tuple[str, ...]]
    subject: str | None
    reject_codes: tuple[str, ...]


def declare(workflow: Workflow, app: App) -> Declaration:
    """What one workflow of a project declares."""
    policies = sorted({step.policy for step in workflow.steps if step.policy})
    return Declaration(
        name=workflow.name,
        version=app.version(workflow.name).id,
        input=workflow.input.model_json_schema(),
        fields=_fields(workflow),
        steps=tuple(
            StepDeclared(
                name=step.name,
                policy=step.policy,
                scopes={node: tuple(sorted(held)) for node, held in step.scopes.items()},
                contract=step.contract,
            )
            for step in workflow.steps
        ),
        rules={policy: tuple(app.policies[policy].rules) for policy in policies},
        subject=workflow.subject,
        reject_codes=tuple(dict.fromkeys([*workflow.reject_codes, OTHER])),
    )


def _fields(workflow: Workflow) -> dict[str, str]:
    """The input's fields by name, each with its kind."""
    found = {}
    for name, info in workflow.input.model_fields.items():
        kind = getattr(info.annotation, "__name__", str(info.annotation))
        found[name] = f"{kind}{'' if info.is_required() else ', optional'}"
    return found

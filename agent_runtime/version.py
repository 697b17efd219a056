"""Versions: exactly what a run was started under, to be drawn, replayed and compared later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import digest
from agent_runtime.step import Step
from agent_runtime.tool import Effect, Recovery, Tool
from agent_runtime.topology import StepShape, Topology, topology_of
from agent_runtime.workflow import Workflow

HEX = 12
"""Digits of a version's id."""


class PinnedTool(BaseModel):
    """What a step relies on of one tool; `arguments` is a JSON Schema."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    effect: Effect
    recovery: Recovery | None
    arguments: dict[str, Any]


class PinnedPolicy(BaseModel):
    """The rules of one policy set: `digest` over the texts of all its files, the base rules too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    texts: dict[str, str]


class Version(BaseModel):
    """One version of a workflow. `id` names all the rest: steps, edges, tools, prompts, policies.

    `contracts`: by step, what decides whether a run that is parked there can be resumed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    workflow: str
    topology: Topology
    contracts: dict[str, str]
    tools: dict[str, PinnedTool]
    prompts: dict[str, str]
    policies: dict[str, PinnedPolicy]


def pin(
    workflow: Workflow, prompts: Mapping[str, str], policies: Mapping[str, PinnedPolicy]
) -> Version:
    """The version that a workflow is now, with the prompts and policies that its steps name."""
    named = {step.reasoning.prompt for step in workflow.steps}
    asked = {step.policy for step in workflow.steps}
    held = {
        "contracts": {step.name: workflow.contract(step.name) for step in workflow.steps},
        "tools": {name: _pinned(tool).model_dump() for name, tool in _tools(workflow)},
        "prompts": {
            name: text
            for name, text in sorted(prompts.items())
            # `decide.short` is a variant of `decide`; all steps speak as the one persona.
            if name.partition(".")[0] in named or name == "persona"
        },
        "policies": {n: p.model_dump() for n, p in sorted(policies.items()) if n in asked},
    }
    topology = topology_of(workflow).model_dump(mode="json")
    bounds = {step.name: _bounds(step) for step in workflow.steps}
    schema = workflow.input.model_json_schema()
    named_id = digest([topology, bounds, schema, held]).removeprefix("sha256:")[:HEX]
    drawn = {**topology, "version": named_id}
    return Version.model_validate(
        {"id": named_id, "workflow": workflow.name, "topology": drawn, **held}
    )


def label(workflow: str, number: int) -> str:
    """How people name the `number`-th version of a workflow that an installation has seen."""
    return f"{workflow}/{number}"


def mismatch(step: str, before: Version | None, now: Version) -> str:
    """What keeps this code from resuming a run that is parked at a step, and what to do."""
    found = "; ".join(_differences(step, before, now))
    return f"{found}. Deploy the version that started the run, declare a migration, or cancel it."


def _differences(step: str, before: Version | None, now: Version) -> list[str]:
    if step not in now.contracts:
        return [_gone(step, before, now)]
    changed = f"Tools, schemas or edges of step {step!r} have changed since the run was started"
    if before is None or step not in before.contracts:
        return [changed]
    if before.contracts[step] == now.contracts[step]:
        return [f"This version doesn't have the node in step {step!r} that is next"]
    earlier, later = (_shape(version, step) for version in (before, now))
    told = [*_tool_changes(before, now, earlier, later), *_edge_changes(step, before, now)]
    return [f"{changed}: {', '.join(told)}"] if told else [changed]


def _gone(step: str, before: Version | None, now: Version) -> str:
    gone = f"This version doesn't have step {step!r}, where the run is parked"
    if before is None or step not in before.contracts:
        return gone
    held = _shape(before, step).nodes
    renamed = [
        shape.name
        for shape in now.topology.steps
        if shape.nodes == held and shape.name not in before.contracts
    ]
    return f"{gone}; step {renamed[0]!r} holds the same tools" if renamed else gone


def _tool_changes(
    before: Version, now: Version, earlier: StepShape, later: StepShape
) -> Iterator[str]:
    for node in sorted(earlier.nodes.keys() | later.nodes.keys()):
        old = {tool.name for tool in earlier.nodes.get(node, ())}
        new = {tool.name for tool in later.nodes.get(node, ())}
        yield from (f"tool {name!r} was removed from {node}" for name in sorted(old - new))
        yield from (f"tool {name!r} was added to {node}" for name in sorted(new - old))
        for name in sorted(old & new):
            yield from _contract_changes(name, before.tools[name], now.tools[name])


def _contract_changes(name: str, before: PinnedTool, now: PinnedTool) -> Iterator[str]:
    for field in ("effect", "recovery"):
        old, new = getattr(before, field), getattr(now, field)
        if old != new:
            yield f"{field} of {name!r} was {old}, is {new}"
    old, new = (tool.arguments.get("properties", {}) for tool in (before, now))
    yield from (f"{name!r} no longer takes {field!r}" for field in sorted(old.keys() - new.keys()))
    yield from (f"{name!r} now takes {field!r}" for field in sorted(new.keys() - old.keys()))
    both = sorted(old.keys() & new.keys())
    different = [field for field in both if old[field] != new[field]]
    yield from (f"argument {field!r} of {name!r} has changed" for field in different)
    if before.arguments != now.arguments and old == new:
        yield f"the arguments of {name!r} have changed"


def _edge_changes(step: str, before: Version, now: Version) -> Iterator[str]:
    old, new = (
        {f"to {edge.target} on {edge.label}" for edge in version.topology.leaving(step)}
        for version in (before, now)
    )
    yield from (f"the edge {edge} was removed" for edge in sorted(old - new))
    yield from (f"the edge {edge} was added" for edge in sorted(new - old))


def _shape(version: Version, step: str) -> StepShape:
    return next(shape for shape in version.topology.steps if shape.name == step)


def _tools(workflow: Workflow) -> Iterator[tuple[str, Tool]]:
    for step in workflow.steps:
        for scope in step.scopes.values():
            yield from scope.items()


def _pinned(tool: Tool) -> PinnedTool:
    return PinnedTool(effect=tool.effect, recovery=tool.recovery, arguments=tool.schema)


def _bounds(step: Step) -> list[Any]:
    """What else of a step decides how a run goes."""
    thought = step.reasoning
    numbers = [thought.attempts, thought.max_calls, thought.max_tool_errors]
    return [*numbers, step.max_rechecks, step.max_rounds, step.thresholds.model_dump(mode="json")]

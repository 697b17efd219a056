"""A workflow drawn as a mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator

from agent_runtime.envelope import Node
from agent_runtime.topology import StepShape, topology_of
from agent_runtime.workflow import Workflow


def draw_mermaid(workflow: Workflow) -> str:
    """A step's outcome is a node of its own: mermaid draws no loop from a subgraph to itself."""
    drawn = topology_of(workflow)
    lines = ["flowchart TD", f"  start((start)) --> {drawn.steps[0].name}__context"]
    for step in drawn.steps:
        lines += [f'  subgraph {step.name}["step {step.name}"]', *_draw_step(step), "  end"]
        edges = drawn.leaving(step.name)
        lines += [
            f'  {step.name}__outcome -->|"{edge.label}"| {edge.target}__context' for edge in edges
        ]
        ending = "otherwise" if edges else "always"
        lines.append(f'  {step.name}__outcome -->|"{ending}"| finish((end))')
    return "\n".join(lines)


def _draw_step(step: StepShape) -> Iterator[str]:
    name = step.name
    yield f'    {name}__context["{_titled(step, "context")}"]'
    yield f'    {name}__reasoning["{_titled(step, "reasoning")}"]'
    yield f"    {name}__outcome([outcome])"
    yield f"    {name}__context --> {name}__reasoning"
    yield f"    {name}__reasoning -->|nothing to propose| {name}__outcome"
    if "action" not in step.nodes:
        return
    yield f'    {name}__gate{{"gate<br/>policy {step.policy}"}}'
    yield f'    {name}__action[["{_titled(step, "action")}"]]'
    yield f"    {name}__reasoning -->|proposal| {name}__gate"
    yield f"    {name}__gate -->|allow or approved| {name}__action"
    yield f"    {name}__gate -->|deny, rejected or expired| {name}__outcome"
    yield f"    {name}__gate -.->|impossible, or a person responds| {name}__reasoning"
    yield f"    {name}__action -.->|a fact changed| {name}__context"
    yield f"    {name}__action --> {name}__outcome"


def _titled(step: StepShape, node: Node) -> str:
    tools = (tool.name for tool in step.nodes[node])
    return "<br/>".join([node, *tools])

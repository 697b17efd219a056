"""Drawings of a workflow, from its declaration alone."""

from __future__ import annotations

from itertools import pairwise

from agent_runtime.step import Step
from agent_runtime.workflow import Edge, Workflow


def draw_text(workflow: Workflow) -> str:
    """The workflow for a terminal: steps, their four nodes with scopes, and the edges."""
    lines = [f"{workflow.name} · version {workflow.version} · input {workflow.input.__name__}"]
    for step in workflow.steps:
        lines += ["│", *_draw_step(step)]
        lines += [
            f"├─ {_describe(edge)}" for edge in workflow.all_edges if edge.source == step.name
        ]
    lines.append("└─ otherwise: end")
    return "\n".join(lines)


def draw_mermaid(workflow: Workflow) -> str:
    """The workflow as a mermaid flowchart."""
    lines = ["flowchart TD"]
    for step in workflow.steps:
        name = step.name
        lines.append(f"  subgraph {name}")
        chain = [f"{name}.context[context]", f"{name}.reasoning[reasoning]"]
        if step.reasoning.proposes:
            chain += [f"{name}.gate{{gate}}", f"{name}.action[[action]]"]
        lines += [f"    {before} --> {after}" for before, after in pairwise(chain)]
        if step.reasoning.proposes:
            lines.append(f"    {name}.gate -. impossible or answered .-> {name}.reasoning")
            lines.append(f"    {name}.action -. fact changed .-> {name}.context")
        lines.append("  end")
    for edge in workflow.all_edges:
        lines.append(f"  {edge.source} -->|{_label(edge)}| {edge.target}")
    return "\n".join(lines)


def _draw_step(step: Step) -> list[str]:
    scopes = {node: ", ".join(held) or "no tools" for node, held in step.scopes.items()}
    thinker = "rule" if step.reasoning.rule is not None else f"prompt {step.reasoning.prompt}"
    lines = [
        f"├─ step {step.name} · policy {step.policy or 'none'}",
        f"│    context   → {scopes['context']} (≤ {step.context.token_budget} tokens)",
        f"│    reasoning → {thinker}; may call {scopes['reasoning']}",
    ]
    if step.reasoning.proposes:
        lines += [
            "│    gate      → allow · needs_approval (pauses) · deny",
            f"│    action    → one of {scopes['action']}, once authorized",
        ]
    return lines


def _describe(edge: Edge) -> str:
    return f"{_label(edge)} → {edge.target}"


def _label(edge: Edge) -> str:
    bound = "" if edge.at_most is None else f", at most {edge.at_most} times"
    return f"{'/'.join(sorted(edge.on))}{bound}"

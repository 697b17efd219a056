"""Drawings of a workflow, from its declaration alone."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import get_args

from agent_runtime.step import Outcome, Step
from agent_runtime.workflow import END_STATES, Edge, Workflow

WIDTH = 96
_LABEL = 12


def draw_text(workflow: Workflow) -> str:
    """The workflow for a terminal: steps, their nodes with scopes, and where each outcome goes."""
    lines = [
        f"workflow {workflow.name} · version {workflow.version} · input {workflow.input.__name__}",
        "",
        "● start",
    ]
    for step in workflow.steps:
        edges = [edge for edge in workflow.all_edges if edge.source == step.name]
        lines += ["│", *_draw_step(step), *(f"├─ {_describe(edge)}" for edge in edges)]
        lines += [f"├─ {line}" for line in _ends(step, edges)]
    return "\n".join([*lines[:-1], lines[-1].replace("├", "└")])


def draw_mermaid(workflow: Workflow) -> str:
    """The workflow as a mermaid flowchart.

    A step's outcome is a node of its own: mermaid draws no loop from a subgraph to itself.
    """
    lines = ["flowchart TD", f"  start((start)) --> {workflow.steps[0].name}__context"]
    for step in workflow.steps:
        lines += [f'  subgraph {step.name}["step {step.name}"]', *_mermaid_step(step), "  end"]
        edges = [edge for edge in workflow.all_edges if edge.source == step.name]
        lines += [
            f'  {step.name}__outcome -->|"{_label(edge)}"| {edge.target}__context' for edge in edges
        ]
        ending = "otherwise" if edges else "always"
        lines.append(f'  {step.name}__outcome -->|"{ending}"| finish((end))')
    return "\n".join(lines)


def _draw_step(step: Step) -> list[str]:
    scopes = {node: ", ".join(held) or "no tools" for node, held in step.scopes.items()}
    parts = [
        ("context", f"{scopes['context']}; shows at most {step.context.token_budget} tokens"),
        ("reasoning", _thinker(step)),
    ]
    if step.reasoning.proposes:
        parts += [
            ("gate", f"policy {step.policy}: allow, ask people (the run pauses) or deny"),
            ("action", f"one of {scopes['action']}, once authorized"),
        ]
        if len(step.reasoning.proposes) == 1:
            parts[-1] = ("action", f"{scopes['action']}, once authorized")
    return [f"■ step {step.name}", *(line for part in parts for line in _hang(*part))]


def _hang(label: str, text: str) -> list[str]:
    """A label, and its text wrapped beside it."""
    first, *further = wrap(text, WIDTH - _LABEL, break_long_words=False)
    return [f"│   {label:<{_LABEL}}{first}", *(f"│   {'':<{_LABEL}}{line}" for line in further)]


def _mermaid_step(step: Step) -> Iterable[str]:
    name = step.name
    yield f'    {name}__context["{_titled("context", step.scopes["context"])}"]'
    yield f'    {name}__reasoning["{_titled("reasoning", step.scopes["reasoning"])}"]'
    yield f"    {name}__outcome([outcome])"
    yield f"    {name}__context --> {name}__reasoning"
    yield f"    {name}__reasoning -->|nothing to propose| {name}__outcome"
    if not step.reasoning.proposes:
        return
    yield f'    {name}__gate{{"gate<br/>policy {step.policy}"}}'
    yield f'    {name}__action[["{_titled("action", step.scopes["action"])}"]]'
    yield f"    {name}__reasoning -->|proposal| {name}__gate"
    yield f"    {name}__gate -->|allow or approved| {name}__action"
    yield f"    {name}__gate -->|deny, rejected or expired| {name}__outcome"
    yield f"    {name}__gate -.->|impossible, or a person responds| {name}__reasoning"
    yield f"    {name}__action -.->|a fact changed| {name}__context"
    yield f"    {name}__action --> {name}__outcome"


def _titled(node: str, tools: Iterable[str]) -> str:
    return "<br/>".join([node, *tools])


def _thinker(step: Step) -> str:
    thinker = "a rule" if step.reasoning.rule is not None else f"prompt {step.reasoning.prompt}"
    held = step.scopes["reasoning"]
    return f"{thinker}; may look things up with {', '.join(held)}" if held else thinker


def _describe(edge: Edge) -> str:
    return f"{_label(edge)} → step {edge.target}"


def _label(edge: Edge) -> str:
    condition = "" if edge.when is None else f" when {getattr(edge.when, '__name__', 'it fits')}"
    bound = "" if edge.at_most is None else f", at most {edge.at_most} times"
    return f"{', '.join(_sorted(edge.on))}{condition}{bound}"


def _ends(step: Step, edges: Iterable[Edge]) -> list[str]:
    """Which state the run ends in after each outcome that no edge surely takes further."""
    possible = get_args(Outcome) if step.reasoning.proposes else ("finished",)
    taken = {outcome for edge in edges if edge.when is None for outcome in edge.on}
    left = [outcome for outcome in possible if outcome not in taken]
    states = dict.fromkeys(END_STATES[outcome] for outcome in left)
    return [
        f"{', '.join(o for o in left if END_STATES[o] == state)} → end, {state}" for state in states
    ]


def _sorted(outcomes: Iterable[Outcome]) -> list[Outcome]:
    chosen = set(outcomes)
    return [outcome for outcome in get_args(Outcome) if outcome in chosen]

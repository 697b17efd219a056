"""A workflow drawn for a terminal, from its declaration alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from agent_runtime.topology import EdgeShape, StepShape, ToolHeld, Topology, topology_of
from agent_runtime.workflow import Workflow

WIDTH = 96
_LABEL = 12


def draw_text(workflow: Workflow) -> str:
    """Steps, their nodes with scopes, and where each outcome goes."""
    drawn = topology_of(workflow)
    lines = [
        f"workflow {drawn.workflow} · version {drawn.version} · input {workflow.input.__name__}",
        "",
        "● start",
    ]
    for step in drawn.steps:
        lines += ["│", *_draw_step(step)]
        lines += [f"├─ {_describe(edge)}" for edge in drawn.leaving(step.name)]
        lines += [f"├─ {line}" for line in _ends(drawn, step)]
    return "\n".join([*lines[:-1], lines[-1].replace("├", "└")])


def _draw_step(step: StepShape) -> list[str]:
    nodes = step.nodes
    parts = [
        ("context", f"{_names(nodes['context'])}; shows at most {step.budget} tokens"),
        ("reasoning", _thinker(step)),
    ]
    if "action" in nodes:
        held = nodes["action"]
        one = "" if len(held) == 1 else "one of "
        parts += [
            ("gate", f"policy {step.policy}: allow, ask people (the run pauses) or deny"),
            ("action", f"{one}{_names(held)}, once authorized"),
        ]
    return [f"■ step {step.name}", *(line for part in parts for line in _hang(*part))]


def _hang(label: str, text: str) -> list[str]:
    """A label, and its text wrapped beside it."""
    first, *further = wrap(text, WIDTH - _LABEL, break_long_words=False)
    return [f"│   {label:<{_LABEL}}{first}", *(f"│   {'':<{_LABEL}}{line}" for line in further)]


def _names(held: Iterable[ToolHeld]) -> str:
    return ", ".join(tool.name for tool in held) or "no tools"


def _thinker(step: StepShape) -> str:
    thinker = "a rule" if step.thinker.startswith("rule ") else step.thinker
    held = step.nodes["reasoning"]
    return f"{thinker}; may look things up with {_names(held)}" if held else thinker


def _describe(edge: EdgeShape) -> str:
    return f"{edge.label} → step {edge.target}"


def _ends(drawn: Topology, step: StepShape) -> Iterator[str]:
    """Which state the run ends in after each outcome that no edge surely takes further."""
    for state, outcomes in drawn.ends(step).items():
        yield f"{', '.join(outcomes)} → end, {state}"

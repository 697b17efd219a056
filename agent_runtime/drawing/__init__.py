"""Drawings of a workflow: for a terminal, as mermaid, and as SVG with the way that a run took."""

from typing import Literal, assert_never

from agent_runtime.drawing.merged import merge
from agent_runtime.drawing.mermaid import draw_mermaid
from agent_runtime.drawing.svg import describe, draw_svg
from agent_runtime.drawing.terminal import draw_text
from agent_runtime.drawing.trail import Passed, Trail
from agent_runtime.topology import topology_of
from agent_runtime.workflow import Workflow

__all__ = [
    "Form",
    "Passed",
    "Trail",
    "describe",
    "draw",
    "draw_mermaid",
    "draw_svg",
    "draw_text",
    "merge",
]

Form = Literal["text", "mermaid", "svg"]


def draw(workflow: Workflow, form: Form) -> str:
    """The workflow in one of the forms, as a text or a file of its own."""
    match form:
        case "text":
            return draw_text(workflow)
        case "mermaid":
            return draw_mermaid(workflow)
        case "svg":
            return draw_svg(topology_of(workflow), standalone=True)
        case _:
            assert_never(form)

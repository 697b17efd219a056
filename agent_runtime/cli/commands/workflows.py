"""What authors wrote: workflows, schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from agent_runtime.cli.screen import Screen
from agent_runtime.cli.station import Station
from agent_runtime.drawing import Form

FORMS: tuple[Form, ...] = get_args(Form)


def show_list(station: Station, screen: Screen) -> None:
    """List workflows."""
    found = station.workflows()
    listed = [(w.name, w.version, [step.name for step in w.steps]) for w in found]
    screen.document([{"name": n, "version": v, "steps": steps} for n, v, steps in listed])
    rows = [(name, version, ", ".join(steps)) for name, version, steps in listed]
    empty = "There are no workflows: write graphs/NAME/workflow.py."
    screen.table(("workflow", "version", "steps"), rows, empty=empty)


def show(station: Station, screen: Screen, name: str) -> None:
    """Show one workflow: its drawing, its input, its rules."""
    found = station.workflow(name)
    screen.document(found.model_dump(mode="json", exclude={"fields", "subject"}))
    screen.lines(station.drawing(name, "text").split("\n"))
    screen.lines(["", "input", *(f"  {field}: {kind}" for field, kind in found.fields.items())])
    for policy, ids in found.rules.items():
        screen.lines(["", f"rules of {policy}.cedar and the runtime's own", *_indent(ids)])


def draw(
    station: Station, screen: Screen, name: str, *, form: Literal["text", "mermaid", "svg"]
) -> None:
    """Draw one workflow."""
    if screen.as_json:
        forms = {form: station.drawing(name, form) for form in FORMS}
        screen.document({"name": name, **forms})
        return
    screen.lines(station.drawing(name, form).rstrip("\n").split("\n"))


def _indent(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]

"""What authors wrote: workflows, policies, schemas."""

from __future__ import annotations

from agent_runtime.activation import check_app
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.drawing import draw_mermaid, draw_text
from agent_runtime.workflow import Workflow


def show_list(place: Place, screen: Screen) -> None:
    """List the project's workflows."""
    found = place.app().workflows.values()
    listed = [(w.name, w.version, [step.name for step in w.steps]) for w in found]
    screen.document([{"name": n, "version": v, "steps": steps} for n, v, steps in listed])
    rows = [(name, version, ", ".join(steps)) for name, version, steps in listed]
    empty = f"There are no workflows: write {place.folder / 'graphs' / 'NAME' / 'workflow.py'}."
    screen.table(("workflow", "version", "steps"), rows, empty=empty)


def show(place: Place, screen: Screen, name: str) -> None:
    """Show one workflow: its drawing, its input, its rules."""
    app = place.app()
    workflow = app.workflow(name)
    policies = sorted({step.policy for step in workflow.steps if step.policy})
    rules = {policy: list(app.policies[policy].rules) for policy in policies}
    screen.document({**_declared(workflow), "rules": rules})
    screen.lines(draw_text(workflow).split("\n"))
    screen.lines(["", "input"])
    for field, info in workflow.input.model_fields.items():
        needed = "" if info.is_required() else ", optional"
        kind = getattr(info.annotation, "__name__", str(info.annotation))
        screen.line(f"  {field}: {kind}{needed}")
    for policy, ids in rules.items():
        screen.lines(["", f"rules of {policy}.cedar and the runtime's own", *_indent(ids)])


def draw(place: Place, screen: Screen, name: str, *, mermaid: bool) -> None:
    """Draw one workflow."""
    workflow = place.app().workflow(name)
    screen.document({"name": name, "text": draw_text(workflow), "mermaid": draw_mermaid(workflow)})
    screen.lines((draw_mermaid(workflow) if mermaid else draw_text(workflow)).split("\n"))


def check(place: Place, screen: Screen) -> int:
    """Check the policies; 0 when nothing is wrong."""
    report = check_app(place.app(lenient=True))
    screen.document(report.model_dump(mode="json"))
    for note in report.notes:
        screen.line(f"note: {note}", style="dim")
    for problem in report.problems:
        first, *further = problem.split("\n")
        screen.line(f"problem: {first}", style="red")
        screen.lines(further)
    checked = ", ".join(
        _count(n, word)
        for n, word in (
            (len(report.files), "file"),
            (report.rules, "rule"),
            (report.cases, "decision-table case"),
        )
    )
    verdict = _count(len(report.problems), "problem") if report.problems else "nothing is wrong"
    screen.line(f"{checked} checked: {verdict}")
    return 5 if report.problems else 0


def _declared(workflow: Workflow) -> dict[str, object]:
    steps = [
        {
            "name": step.name,
            "policy": step.policy,
            "scopes": {node: sorted(held) for node, held in step.scopes.items()},
            "contract": step.contract,
        }
        for step in workflow.steps
    ]
    schema = workflow.input.model_json_schema()
    return {"name": workflow.name, "version": workflow.version, "input": schema, "steps": steps}


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]

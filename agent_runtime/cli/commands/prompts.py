"""What the prompts' commands do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.cli.opening import Place
from agent_runtime.cli.reading import read_input
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.models.template import PERSONA, check_prompts, read_prompt
from agent_runtime.runtime import Runtime
from agent_runtime.step import Step
from agent_runtime.workflow import Workflow

FAULTY = 5
"""The exit code of what an author has to correct."""


def check(place: Place, screen: Screen) -> int:
    """Check every prompt of the project; returns the exit code."""
    app = place.app(lenient=True)
    problems: dict[str, list[str]] = {}
    for name, workflow in app.workflows.items():
        texts = app.prompts[name]
        found = check_prompts(texts, workflow.input.model_fields)
        found += [f"There is no prompt {wanted!r}." for wanted in _missing(workflow, texts)]
        problems[name] = found
        if not found:
            screen.lines(_told(name, texts))
        screen.lines(f"{name}: {problem}" for problem in found)
    faulty = any(problems.values())
    screen.line("Something is wrong." if faulty else "All prompts can be used.")
    screen.document({"ok": not faulty, "problems": problems})
    return FAULTY if faulty else 0


def render(place: Place, screen: Screen, workflow: str, name: str, given: Path | None) -> None:
    """Show what a model would be sent for an input."""
    from agent_runtime.models.prompt import render as rendered

    app = place.app()
    text = _text(app, workflow, name)
    inputs = _sample(app, workflow) if given is None else read_input(given)
    step = _step(app.workflow(workflow), name)
    brief = Brief(step=step.name, visit=1, input=inputs)
    persona = app.prompts[workflow].get(PERSONA)
    told = "" if persona is None else read_prompt(PERSONA, persona).render(inputs)
    task = read_prompt(name, text).render(inputs)
    messages = rendered(task, brief, step.reasoning.proposes, told)
    document = [{"role": m.type, "content": str(m.content)} for m in messages]
    screen.document(document)
    for message in document:
        screen.line(f"--- {message['role']}")
        screen.lines(message["content"].splitlines())


def diff(
    place: Place, screen: Screen, workflow: str, name: str, other: str | None, run: str | None
) -> None:
    """Show how a prompt differs from another, or from a run's."""
    if (other is None) == (run is None):
        raise InvalidInput("OTHER", other, "name another prompt, or a run with --run")
    app = place.app()
    new = _text(app, workflow, name)
    if run is not None:
        old, source = place.work(_pinned(run, name)), run
    else:
        source = other or ""
        old = _text(app, workflow, source)
    lines = list(
        difflib.unified_diff(old.splitlines(), new.splitlines(), source, name, lineterm="")
    )
    screen.document({"from": source, "to": name, "diff": lines})
    screen.lines(lines or ["There is no difference."])


def _pinned(run_id: str, name: str) -> Any:
    """What the prompt was in the version that the run was started under."""

    async def read(runtime: Runtime) -> str:
        session = runtime.store.read("default")
        run = session.runs.get(run_id)
        version = session.versions.get(run.workflow, run.version)
        if version is None or name not in version.prompts:
            raise NotFound("prompt", name, remedy=f"Run {run_id} was started without it.")
        return version.prompts[name]

    return read


def _told(workflow: str, texts: Mapping[str, str]) -> list[str]:
    lines = []
    for name, text in sorted(texts.items()):
        prompt = read_prompt(name, text)
        matter = prompt.matter
        share = f", {matter.share} % of runs" if matter.share else ""
        owner = f", owner {matter.owner}" if matter.owner else ""
        lines.append(
            f"{workflow}/{name}: {matter.id}@{matter.version}"
            f" {prompt.hash[:19]}, tier {matter.tier or 'of the step'}{owner}{share}"
        )
    return lines


def _missing(workflow: Workflow, texts: Mapping[str, str]) -> list[str]:
    wanted = {step.reasoning.prompt for step in workflow.steps if step.reasoning.prompt}
    return sorted(wanted - texts.keys())


def _text(app: App, workflow: str, name: str) -> str:
    app.workflow(workflow)
    texts = app.prompts.get(workflow, {})
    if name not in texts:
        known = ", ".join(sorted(texts)) or "none"
        raise NotFound("prompt", name, remedy=f"Workflow {workflow} has: {known}.")
    return texts[name]


def _step(workflow: Workflow, name: str) -> Step:
    """The step that asks by a prompt, or by what it is a variant of; else the first."""
    asked = name.partition(".")[0]
    return next((s for s in workflow.steps if s.reasoning.prompt == asked), workflow.steps[0])


def _sample(app: App, workflow: str) -> dict[str, Any]:
    file = app.folder / "graphs" / workflow / "samples" / "requests.json"
    if not file.is_file():
        raise InvalidInput("--input", None, "is missing, and there is no sample")
    first: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))[0]["input"]
    return first

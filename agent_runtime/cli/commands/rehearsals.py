"""Rehearsing a change on what was decided before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from agent_runtime.cli.commands.replays import write_report
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.models.lineup import line_up
from agent_runtime.models.route import DEFAULT
from agent_runtime.replay.change import Change, with_policies, with_prompt
from agent_runtime.replay.decided import Decided, Reader
from agent_runtime.replay.page import render_page, render_text
from agent_runtime.replay.rehearsal import Changed, Limits, Rehearsal, as_document
from agent_runtime.replay.rehearse import Stretch, count_decisions, rehearse
from agent_runtime.replay.replay import pinned
from agent_runtime.replay.stub import Live
from agent_runtime.runtime import Runtime
from agent_runtime.settings import load_model_settings, load_settings
from agent_runtime.store import Session


@dataclass(frozen=True)
class Tried:
    """What is tried: exactly one of a folder of policies, a prompt, a stored version, a model.
    `live`: where a recording ends, the configured model is asked."""

    policy: Path | None
    prompt: Path | None
    version: str | None
    model: str | None = None
    tenant: str = "default"
    live: bool = False

    def change(self, runtime: Runtime) -> Change:
        """The app as it would be; raises InvalidInput, NotFound, PolicyError."""
        ways = (self.policy, self.prompt, self.version, self.model)
        named = [one for one in ways if one is not None]
        if len(named) != 1:
            known = "--policy, --prompt, --workflow, --model"
            raise InvalidInput("--policy", len(named), f"name one of {known}")
        app = runtime.app
        if self.policy is not None:
            return Change(f"policies of {self.policy}", with_policies(app, _policies(self.policy)))
        if self.prompt is not None:
            text = _read("--prompt", self.prompt)
            changed = with_prompt(app, self.prompt.stem, text)
            return Change(f"prompt {self.prompt}", changed, graphs=True)
        if self.model is not None:
            return Change(f"model {self.model}", app, graphs=True)
        return self._stored(runtime.store.read(self.tenant), runtime, self.version or "")

    def _stored(self, session: Session, runtime: Runtime, named: str) -> Change:
        workflow = named.partition("/")[0]
        runtime.app.workflow(workflow)
        for label, version_id in session.versions.find(workflow):
            found = session.versions.get(workflow, version_id)
            if named in (label, version_id) and found is not None:
                return Change(f"version {label}", pinned(runtime.app, found), graphs=True)
        known = ", ".join(label for label, _ in session.versions.find(workflow)) or "none"
        raise NotFound("version", named, remedy=f"There are: {known}.")

    @asynccontextmanager
    async def asked(self, runtime: Runtime) -> AsyncIterator[Live | None]:
        """The model that answers in place of recordings, if one does; raises InvalidInput where
        there is no provider."""
        if self.model is None and not self.live:
            yield None
            return
        settings, asking = load_settings(), load_model_settings()
        declared = self.model in asking.models
        if self.model is not None and not declared:
            settings = settings.model_copy(update={"model": self.model})
        lineup = line_up(settings, asking)
        if not lineup.has_model:
            remedy = "Set OPENAI_API_KEY (and OPENAI_BASE_URL for another provider)."
            raise InvalidInput("--model", self.model, "cannot be asked", remedy=remedy)
        step = next(step for w in runtime.app.workflows.values() for step in w.steps)
        try:
            found = await lineup.model(self.model if declared and self.model else DEFAULT, step)
            yield Live(found, fresh=self.model is not None)
        finally:
            await lineup.close()


@dataclass(frozen=True)
class Asked:
    """What is made of the report."""

    limits: Limits
    page: Path | None
    cases: Path | None


def run(place: Place, screen: Screen, tried: Tried, stretch: Stretch, asked: Asked) -> int:
    """Rehearse and report; 1 when a limit is broken."""

    async def work(runtime: Runtime) -> tuple[Rehearsal, list[dict[str, Any]]]:
        session, change = runtime.store.read(tried.tenant), tried.change(runtime)
        total, asking = count_decisions(session, stretch), load_model_settings()
        async with tried.asked(runtime) as live:
            change = replace(change, live=live)
            with screen.progress("rehearsing", total) as advance:
                found = await rehearse(session, runtime.app, change, stretch, asking, advance)
        return found, _cases(session, runtime, found) if asked.cases else []

    found, cases = place.work(work)
    broken = asked.limits.broken(found)
    if asked.page is not None:
        write_report("--page", asked.page, render_page(found, asked.limits))
    if asked.cases is not None:
        rows = yaml.safe_dump(cases, sort_keys=False, allow_unicode=True)
        write_report("--save-cases", asked.cases, rows)
    screen.document({**as_document(found), "broken": list(broken)})
    screen.lines(render_text(found, asked.limits))
    return 1 if broken else 0


def _policies(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise InvalidInput("--policy", str(folder), "is no folder")
    files = [file for file in sorted(folder.glob("*.cedar")) if file.stem != "access"]
    if not files:
        raise InvalidInput("--policy", str(folder), "holds no .cedar file")
    return {file.stem: _read("--policy", file) for file in files}


def _read(field: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(field, str(file), "cannot be read") from error


def _cases(session: Session, runtime: Runtime, found: Rehearsal) -> list[dict[str, Any]]:
    """The changed decisions as rows of a decision table, with the new answers."""
    changed = {change.number: change for change in found.changes}
    events = session.events.judged(None, found.last)
    reader = Reader(session, runtime.app)
    chosen = reader.read([event for event in events if event.number in changed])
    return [_case(one, changed[one.number]) for one in _decided(chosen)]


def _decided(read: Iterable[Any]) -> Iterable[Decided]:
    return (one for one in read if isinstance(one, Decided))


def _case(one: Decided, change: Changed) -> dict[str, Any]:
    asked = one.question
    run = {"workflow": one.run.workflow, "step": one.step, "started_by": asked.run.started_by}
    if asked.run.subject is not None:
        run["subject"] = asked.run.subject
    return {
        "name": f"{change.kind}: {change.run}, {change.step} visit {change.visit}",
        "tool": change.tool,
        "input": asked.action.arguments,
        "facts": asked.facts.model_dump(mode="json"),
        "signals": asked.signals.model_dump(mode="json", exclude_none=True),
        "run": run,
        "expect": change.new.kind,
        "rules": [rule for rule in change.new.rules if not rule.startswith("runtime:")],
    }

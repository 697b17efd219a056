"""Forking by a form: what of a visit a person can change, and what they changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent_runtime.api.site import Site
from agent_runtime.console.edits import LONG
from agent_runtime.console.fields import Field, fields_of
from agent_runtime.console.text import words
from agent_runtime.console.timeline import Visit
from agent_runtime.console.visit_view import bundles
from agent_runtime.errors import InvalidInput
from agent_runtime.models.route import DEFAULT
from agent_runtime.models.template import hash_of
from agent_runtime.policy.engine import BASE_FILE
from agent_runtime.run import Run
from agent_runtime.step import Step
from agent_runtime.store import Session

Group = Literal["input", "evidence", "envelope", "prompt", "model", "policy"]
"""What the API's own fork takes."""

MOST_SOURCES = 60
"""Texts of evidence that a form shows; the API takes others by the name of their source."""
STATUSES = ("proposed", "needs_approval", "insufficient", "done", "failed")
"""What a person can let a step's reasoning have concluded."""
ACTION = "proposed_action"
TEXTS = ("text", "long", "decimal", "date", "datetime", "choice")
"""Arguments of these kinds are texts in JSON; the others are typed as JSON."""
WRITTEN: tuple[Group, ...] = ("prompt", "policy")
"""Groups of texts that somebody wrote as a file."""


@dataclass(frozen=True)
class Change:
    """One thing that may be other in the fork: `name` within its group as the API names it (empty
    where the group is one thing), `old` as it is without a change, in words. Empty `choices`: any
    text. `is_text`: else it is typed as JSON. `then`: what it was in the run, where that is
    neither."""

    group: Group
    name: str
    label: str
    old: str
    choices: tuple[str, ...] = ()
    is_text: bool = True
    then: str = ""

    @property
    def field(self) -> str:
        """Its name in the form."""
        return f"{self.group}.{self.name}" if self.name else self.group

    @property
    def is_long(self) -> bool:
        """Whether it needs several lines."""
        return self.group in WRITTEN or len(self.old) > LONG or "\n" in self.old


def changeable(site: Site, session: Session, run: Run, visit: Visit) -> list[Change]:
    """All of a visit that its fork may have otherwise."""
    envelope = concluded(visit)
    found = input_of(run)
    found += [Change("evidence", source, source, text) for source, text in _texts(session, visit)]
    if envelope is not None:
        found += _conclusion(site, run, visit, envelope)
    step = _step(site, run, visit)
    if step is not None:
        found += [*_asking(site, session, run, visit, step), *_judging(site, step)]
    return found


def input_of(run: Run) -> list[Change]:
    """The fields of its input."""
    return [Change("input", name, words(name), *_shown(of)) for name, of in run.input.items()]


def concluded(visit: Visit) -> Mapping[str, Any] | None:
    """The envelope that the visit's reasoning ended with; None: it never came so far."""
    for phase in reversed(visit.of("reasoning")):
        for event in reversed(phase.events):
            if event.type == "envelope.emitted" and event.body is not None:
                return event.body
    return None


def changed(changes: list[Change], typed: Mapping[str, str]) -> dict[Group, Any]:
    """What was typed otherwise than it was, by group; raises InvalidInput for no JSON where it was
    not text before."""
    found: dict[Group, Any] = {}
    for one in changes:
        old = one.old.replace("\r\n", "\n")  # as forms are read
        text = typed.get(one.field, old)
        if text == old:
            continue
        if one.name:
            found.setdefault(one.group, {})[one.name] = _value(one, text)
        else:
            found[one.group] = text
    return found


def _value(one: Change, text: str) -> Any:
    if one.is_text:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(one.field, text, "is no JSON") from error


def _texts(session: Session, visit: Visit) -> Iterator[tuple[str, str]]:
    """By source, what the visit's last bundle showed, as far as it is still there."""
    for bundle in bundles(session, visit)[-1:]:
        for _, passage in bundle.passages[:MOST_SOURCES]:
            if passage is not None:
                yield passage.source, passage.text


def _conclusion(
    site: Site, run: Run, visit: Visit, envelope: Mapping[str, Any]
) -> Iterator[Change]:
    """The fields of the reasoning envelope that a person can judge."""
    status = str(envelope["status"])
    choices = tuple(dict.fromkeys((status, *STATUSES)))
    yield Change("envelope", "status", "Status", status, choices)
    yield Change("envelope", "confidence", "Confidence", *_shown(envelope["confidence"]))
    yield Change("envelope", "reason", "Reason", str(envelope["reason"]))
    proposed = envelope.get(ACTION)
    if proposed is None:
        return
    for name in ("type", "target_id"):
        if name in proposed:
            old, may = str(proposed[name]), _tools(site, run, visit) if name == "type" else ()
            label = "Proposed tool" if name == "type" else "Target"
            yield Change("envelope", f"{ACTION}.{name}", label, old, may)
    given = proposed.get("arguments", {})
    for field in _arguments(site, run, visit, str(proposed.get("type"))):
        name, label = f"{ACTION}.arguments.{field.name}", f"Argument {field.label.lower()}"
        if field.name in given:
            yield Change("envelope", name, label, *_shown(given[field.name]))
        else:
            yield Change("envelope", name, label, "", (), field.kind in TEXTS)


def _asking(site: Site, session: Session, run: Run, visit: Visit, step: Step) -> Iterator[Change]:
    """The prompt that a model would be asked with now, and which model; none where none is."""
    name = step.reasoning.prompt
    if name is None:
        return
    now = site.runtime.app.prompts.get(run.workflow, {}).get(name, "")
    then = _asked_with(session, run, visit)
    yield Change("prompt", name, f"Prompt {name}", now, then="" if then == now else then)
    known = site.runtime.models.asking.models
    yield Change("model", "", "Model", "", ("", DEFAULT, *known))


def _asked_with(session: Session, run: Run, visit: Visit) -> str:
    """The prompt of then, as the envelope names it; empty where its text is not kept."""
    named = str((concluded(visit) or {}).get("prompt", "")).rpartition(" ")[2]
    version = session.versions.get(run.workflow, run.version)
    texts = [] if version is None else list(version.prompts.values())
    given = () if run.origin is None else run.origin.prompts.values()
    texts += [str(session.recordings.kept(content)) for content in given]
    return next((text for text in texts if hash_of(text) == named), "")


def _judging(site: Site, step: Step) -> Iterator[Change]:
    """The project's own part of the policy that is in force; none where there is none."""
    policy = site.runtime.app.policies.get(step.policy or "")
    own = [text for file, text in policy.texts.items() if file != BASE_FILE] if policy else []
    if policy and len(own) == 1:
        yield Change("policy", policy.name, f"Policy {policy.name}", own[0])


def _tools(site: Site, run: Run, visit: Visit) -> tuple[str, ...]:
    return tuple(sorted(tool.name for tool in _proposes(site, run, visit)))


def _arguments(site: Site, run: Run, visit: Visit, tool: str) -> tuple[Field, ...]:
    """Of a tool that the step may propose; those in fields of fields are left to JSON."""
    for one in _proposes(site, run, visit):
        if one.name == tool:
            return tuple(field for field in fields_of(one.schema) if len(field.path) == 1)
    return ()


def _proposes(site: Site, run: Run, visit: Visit) -> Any:
    step = _step(site, run, visit)
    return () if step is None else step.reasoning.proposes


def _step(site: Site, run: Run, visit: Visit) -> Step | None:
    """None where this code has it no more."""
    steps = site.runtime.app.workflow(run.workflow).steps
    return next((one for one in steps if one.name == visit.step), None)


def _shown(value: Any) -> tuple[str, tuple[str, ...], bool]:
    """A value as it stands in the form: its text, no choices, whether it is one already."""
    is_text = isinstance(value, str)
    return value if is_text else json.dumps(value, ensure_ascii=False), (), is_text

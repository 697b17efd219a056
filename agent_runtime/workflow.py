"""Workflows: a named, versioned declaration of input model, steps and edges."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError

from agent_runtime.action import digest, require_json
from agent_runtime.approval import OTHER, REJECT_CODES
from agent_runtime.authored import NAME, NAME_REMEDY, AtLeastOne, wrong_call, wrong_types
from agent_runtime.envelope import Envelope
from agent_runtime.errors import InvalidInput, NeedsAttention, WorkflowError
from agent_runtime.quality import Quality
from agent_runtime.redact import Redactor
from agent_runtime.run import EndState
from agent_runtime.schedule import Schedule
from agent_runtime.step import Outcome, Step
from agent_runtime.trigger import EventTrigger

GOOD: frozenset[Outcome] = frozenset({"acted", "finished"})
SETTLED: frozenset[Outcome] = frozenset({"acted", "denied", "rejected", "failed", "expired"})
"""Every outcome after which a loop may look again; `finished` is what leaves it."""

END_STATES: dict[Outcome, EndState] = {
    "acted": "completed",
    "finished": "completed",
    "denied": "rejected",
    "rejected": "rejected",
    "failed": "failed",
    "expired": "expired",
}


MAX_INPUT = 256_000
"""Characters of a run's input as JSON, at most; documents are handed in beside it."""


@dataclass(frozen=True)
class Edge:
    """From one step to another on certain outcomes, and `when` the last envelope satisfies it.

    An edge that closes a loop needs `at_most`: how often one run may take it.
    """

    source: str
    target: str
    on: AbstractSet[Outcome] = GOOD
    when: Callable[[Envelope], bool] | None = None
    at_most: AtLeastOne | None = None


@dataclass(frozen=True)
class Migration:
    """A run that is parked at `step` under another contract goes on at the beginning of `to`: it
    looks things up and asks people anew, and what was approved before is void."""

    step: str
    to: str


_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Workflow:
    """What authors declare. Without `edges`, steps follow each other in order.

    `subject` names the input field that says who the run is about (the authenticated customer).
    `schedules` start it by the clock, `triggers` by events of other systems. `migrations` say how
    runs that were parked under another version go on.
    `quality` says how it is told how well its runs do. A `shadow` runs beside people: what it
    proposes is judged, and nothing follows from it. `reject_codes` are the kinds of no that
    people choose from; `other` is always one of them.
    `low_risk` and the like belong to policy, not here.
    """

    name: str
    input: type[BaseModel]
    steps: Sequence[Step]
    edges: Sequence[Edge] = field(default_factory=tuple)
    subject: str | None = None
    schedules: Sequence[Schedule] = ()
    triggers: Sequence[EventTrigger] = ()
    migrations: Sequence[Migration] = ()
    quality: Quality = field(default_factory=Quality)
    shadow: bool = False
    reject_codes: Sequence[str] = REJECT_CODES

    @cached_property
    def version(self) -> str:
        """Twelve hex digits over input schema, step contracts and edges."""
        edges = [[e.source, e.target, sorted(e.on), e.at_most or 0] for e in self.all_edges]
        contracts = [step.contract for step in self.steps]
        whole = {"input": self.input.model_json_schema(), "steps": contracts, "edges": edges}
        return digest(whole).removeprefix("sha256:")[:12]

    @cached_property
    def all_edges(self) -> tuple[Edge, ...]:
        """The declared edges, or the sequence where none are declared."""
        if self.edges:
            return tuple(self.edges)
        names = [step.name for step in self.steps]
        return tuple(Edge(before, after) for before, after in pairwise(names))

    def contract(self, name: str) -> str:
        """Digest of a step's contract with the edges that leave it."""
        edges = [
            [e.target, sorted(e.on), e.at_most or 0] for e in self.all_edges if e.source == name
        ]
        return digest([self.step(name).contract, edges])

    def step(self, name: str) -> Step:
        """The step of that name; raises WorkflowError."""
        for step in self.steps:
            if step.name == name:
                return step
        raise WorkflowError(f"Workflow {self.name!r} has no step {name!r}.")

    def migrated(self, name: str) -> str | None:
        """The step at which a run goes on that is parked at one of another contract."""
        return next((one.to for one in self.migrations if one.step == name), None)

    def follow(
        self, step: str, outcome: Outcome, envelope: Envelope | None, taken: Mapping[str, int]
    ) -> Edge | None:
        """The edge to take after a step, or None at the end.

        `taken` counts the edges taken so far by `source>target`. Raises NeedsAttention when the
        only edge that fits has been taken `at_most` times.
        """
        for edge in self.all_edges:
            if edge.source != step or outcome not in edge.on:
                continue
            if edge.when is not None and (envelope is None or not edge.when(envelope)):
                continue
            if edge.at_most is not None and taken.get(key(edge), 0) >= edge.at_most:
                raise NeedsAttention(
                    f"The edge {key(edge)} has been taken {edge.at_most} times, its bound."
                )
            return edge
        return None

    def check(self) -> None:
        """Raises WorkflowError on parts that are wrong, unknown, unreachable or unbounded."""
        self._check_types()
        names = [step.name for step in self.steps]
        if not names or len(set(names)) != len(names):
            raise WorkflowError(f"Workflow {self.name!r} needs steps with different names.")
        for step in self.steps:
            step.check()
        self._check_named(names)
        if self.subject is not None and self.subject not in self.input.model_fields:
            raise WorkflowError(f"Workflow {self.name!r}: its input has no {self.subject!r}.")
        self._check_bound()
        self._check_reachable(names)
        self._check_bounded(names)
        self._check_schedules()
        self._check_triggers()
        self._check_codes()
        self.quality.check(self.name, self.input.model_fields)

    def _check_types(self) -> None:
        """Each field holds what it is declared to hold, in the workflow and in all inside it."""
        wrong = list(wrong_types(self))
        if wrong:
            raise WorkflowError(
                "\n  ".join([f"Workflow {self.name!r} is wrongly declared:", *wrong])
            )
        for what, name in [("", self.name), *((" step", step.name) for step in self.steps)]:
            if not NAME.fullmatch(name):
                raise WorkflowError(
                    f"Workflow {self.name!r}:{what} {name!r} is no name.", remedy=NAME_REMEDY
                )
        for edge in self.edges:
            if edge.when is not None and (problem := wrong_call(edge.when, 1, waits=False)):
                raise WorkflowError(
                    f"Workflow {self.name!r}, edge {key(edge)}: {problem}.",
                    remedy="Write when=lambda envelope: ….",
                )

    def _check_named(self, names: list[str]) -> None:
        """Whatever names a step has to name one that there is."""
        ends = [end for edge in self.all_edges for end in (edge.source, edge.target)]
        named = [("edge", end) for end in ends]
        named += [("migration", migration.to) for migration in self.migrations]
        for what, name in named:
            if name not in names:
                raise WorkflowError(f"Workflow {self.name!r}: {what} to unknown step {name!r}.")
        for step in self.steps:
            for name in step.context.sees:
                if name not in names or name == step.name:
                    raise WorkflowError(
                        f"Workflow {self.name!r}: step {step.name!r} sees no other step {name!r}."
                    )

    def _check_bound(self) -> None:
        """Each look-up of a context phase finds what it needs in the run's input."""
        known = self.input.model_fields
        looked_up = [(step, tool) for step in self.steps for tool in step.context.tools]
        for step, tool in looked_up:
            bound = dict(tool.bindings)
            for name, argument in tool.arguments.model_fields.items():
                source = bound.get(name, name)
                if source not in known and (name in bound or argument.is_required()):
                    raise WorkflowError(
                        f"Step {step.name!r}: {tool.name} takes its {name!r} from the run's input,"
                        f" which has no {source!r}.",
                        remedy=f"Bind it, with_inputs({name}=…), to one of: {', '.join(known)}.",
                    )

    def _check_reachable(self, names: list[str]) -> None:
        reached = _reach(names[0], self.all_edges) | {names[0]}
        for name in names:
            if name not in reached:
                raise WorkflowError(
                    f"Workflow {self.name!r}: step {name!r} cannot be reached.",
                    remedy="Add an edge to it or remove it.",
                )

    def _check_bounded(self, names: list[str]) -> None:
        unbounded = [edge for edge in self.all_edges if edge.at_most is None]
        for name in names:
            if name in _reach(name, unbounded):
                raise WorkflowError(
                    f"Workflow {self.name!r}: the loop through {name!r} has no bound.",
                    remedy="Give one of its edges at_most=….",
                )

    def _check_schedules(self) -> None:
        names = [schedule.name for schedule in self.schedules]
        if len(set(names)) != len(names):
            raise WorkflowError(f"Workflow {self.name!r} needs schedules with different names.")
        for schedule in self.schedules:
            try:
                schedule.check()
                validate_input(self, dict(schedule.input))
            except InvalidInput as error:
                raise WorkflowError(
                    f"Workflow {self.name!r}, schedule {schedule.name!r}: {error.message}",
                    remedy=error.remedy,
                ) from error

    def _check_codes(self) -> None:
        for code in self.reject_codes:
            if not _CODE.fullmatch(code) or list(self.reject_codes).count(code) > 1:
                raise WorkflowError(
                    f"Workflow {self.name!r}: the reject code {code!r} is no name, or named twice.",
                    remedy="Use lower-case letters, digits and _, 40 at most, each once.",
                )

    def check_code(self, code: str | None) -> None:
        """Raises InvalidInput for a kind of no that people cannot choose here."""
        known = dict.fromkeys([*self.reject_codes, OTHER])
        if code is not None and code not in known:
            remedy = f"There are: {', '.join(known)}."
            raise InvalidInput("code", code, f"is no reject code of {self.name}", remedy=remedy)

    def _check_triggers(self) -> None:
        known = self.input.model_fields
        for trigger in self.triggers:
            try:
                trigger.check()
                for field in trigger.mapping or {}:
                    if field not in known:
                        remedy = f"{self.name} takes: {', '.join(known)}."
                        raise InvalidInput("mapping", field, "is no input field", remedy=remedy)
            except InvalidInput as error:
                raise WorkflowError(
                    f"Workflow {self.name!r}, trigger {trigger.name!r}: {error.message}",
                    remedy=error.remedy,
                ) from error


def validate_input(workflow: Workflow, inputs: dict[str, Any]) -> dict[str, Any]:
    """The run's input as plain JSON, validated; raises InvalidInput."""
    if len(str(inputs)) > MAX_INPUT:
        raise InvalidInput(
            "input", f"{len(str(inputs))} characters", f"is longer than {MAX_INPUT} characters"
        )
    try:
        plain = workflow.input.model_validate(inputs).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "input"
        known = ", ".join(workflow.input.model_fields)
        remedy = f"{workflow.name} takes: {known}."
        raise InvalidInput(field, first["input"], first["msg"], remedy=remedy) from error
    require_json("input", plain)
    return plain


def told_input(workflow: Workflow, inputs: dict[str, Any]) -> dict[str, Any]:
    """A run's input as its history tells it: what all of its steps may see, and no names made."""
    for step in workflow.steps:
        inputs = Redactor(step.context.minimise).input(inputs)
    return inputs


def key(edge: Edge) -> str:
    """How an edge is counted: `source>target`."""
    return f"{edge.source}>{edge.target}"


def _reach(start: str, edges: Sequence[Edge]) -> set[str]:
    reached: set[str] = set()
    todo = [start]
    while todo:
        here = todo.pop()
        for edge in edges:
            if edge.source == here and edge.target not in reached:
                reached.add(edge.target)
                todo.append(edge.target)
    return reached

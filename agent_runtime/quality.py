"""Quality: what a workflow declares about how well its runs do, and who says so."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from agent_runtime.errors import InvalidInput, WorkflowError

NAME = re.compile(r"^[a-z][a-z0-9_]{0,59}$")

Watched = Literal["reject", "edit", "respond", "failed", "stamped", "drift", "bad_outcome"]
"""What an alert watches, each a share from 0 to 1: rejects, edits and responses among the answers;
runs that failed; answers within three seconds; the largest stability index; outcomes not good."""


@dataclass(frozen=True)
class OutcomeKind:
    """What may be recorded about a run later on: yes or no, or with `low` and `high` a number
    between them. `good`: whether yes is good, or a number above the middle."""

    name: str
    good: bool = True
    low: float | None = None
    high: float | None = None

    def check(self) -> None:
        """Raises InvalidInput for what cannot be declared."""
        _check_name(self.name)
        if (self.low is None) != (self.high is None):
            raise InvalidInput("low", self.low, "goes with high")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise InvalidInput("high", self.high, "is not above low")

    def read(self, value: object) -> float:
        """The value as it is stored; raises InvalidInput for one that is out of range."""
        if self.low is None or self.high is None:
            if not isinstance(value, bool):
                raise InvalidInput("value", value, f"{self.name} is true or false")
            return float(value)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise InvalidInput("value", value, f"{self.name} is a number")
        if not self.low <= value <= self.high:
            raise InvalidInput("value", value, f"{self.name} is {self.low:g} to {self.high:g}")
        return float(value)

    def is_good(self, value: float) -> bool:
        """Whether a stored value is a good one."""
        middle = 0.5 if self.low is None or self.high is None else (self.low + self.high) / 2
        return (value > middle) == self.good


@dataclass(frozen=True)
class Seen:
    """A run as graders see it: its input, what reasoning said in each envelope, what was executed,
    and how it ended."""

    workflow: str
    state: str
    input: Mapping[str, Any]
    envelopes: Sequence[Mapping[str, Any]]
    executed: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Grader:
    """Judges a run that has ended, 0 to 1: by a rule, by a model with a prompt of its own (the
    name of a file in the workflow's `prompts/`), or as the mean of others, by their names."""

    name: str
    rule: Callable[[Seen], float | bool] | None = None
    judge: str | None = None
    ensemble: Sequence[str] = ()

    def check(self) -> None:
        """Raises InvalidInput for what cannot be declared."""
        _check_name(self.name)
        if [self.rule is not None, self.judge is not None, bool(self.ensemble)].count(True) != 1:
            raise InvalidInput("grader", self.name, "needs one of rule, judge and ensemble")


@dataclass(frozen=True)
class LabelKind:
    """What people are asked about a run when they label it: one of `values`, by `guidelines`."""

    name: str
    values: Sequence[str]
    guidelines: str = ""
    grader: str | None = None
    """The grader whose scores are held against the labels: `values[0]` is a score of 1."""

    def check(self) -> None:
        """Raises InvalidInput for what cannot be declared."""
        _check_name(self.name)
        if len(self.values) < 2 or len(set(self.values)) != len(self.values):
            raise InvalidInput("values", list(self.values), "are two or more different ones")

    def read(self, value: str) -> str:
        """The label, if it is one of these; raises InvalidInput."""
        if value not in self.values:
            remedy = f"{self.name} is one of: {', '.join(self.values)}."
            raise InvalidInput("value", value, "is no label here", remedy=remedy)
        return value


@dataclass(frozen=True)
class Alert:
    """Told when a share has been above `above` in the last `days`, over at least `least` cases."""

    name: str
    watches: Watched
    above: float
    days: int = 7
    least: int = 30

    def check(self) -> None:
        """Raises InvalidInput for what cannot be declared."""
        _check_name(self.name)
        if not math.isfinite(self.above) or self.above < 0:
            raise InvalidInput("above", self.above, "is no threshold")
        if not 1 <= self.days <= 366:
            raise InvalidInput("days", self.days, "is not 1 to 366")
        if self.least < 30:
            raise InvalidInput("least", self.least, "is below 30: that is chance")


P = TypeVar("P", OutcomeKind, LabelKind)


@dataclass(frozen=True)
class Quality:
    """All of it. Every part has a name of its own among its kind. `consent`: the yes-or-no field
    of the input that says whether a run may be learned from."""

    outcomes: Sequence[OutcomeKind] = ()
    graders: Sequence[Grader] = ()
    labels: Sequence[LabelKind] = ()
    alerts: Sequence[Alert] = field(default_factory=tuple)
    consent: str | None = None

    def check(self, workflow: str, fields: Collection[str]) -> None:
        """Raises WorkflowError that names the part at fault. `fields`: of the workflow's input."""
        if self.consent is not None and self.consent not in fields:
            raise WorkflowError(f"Workflow {workflow!r}: its input has no {self.consent!r}.")
        kinds: Sequence[Sequence[OutcomeKind | Grader | LabelKind | Alert]] = (
            self.outcomes, self.graders, self.labels, self.alerts,
        )  # fmt: skip
        for parts in kinds:
            names = [part.name for part in parts]
            for part in parts:
                try:
                    part.check()
                    if names.count(part.name) > 1:
                        raise InvalidInput("name", part.name, "is used twice")
                except InvalidInput as error:
                    raise WorkflowError(
                        f"Workflow {workflow!r}, quality {part.name!r}: {error.message}",
                        remedy=error.remedy,
                    ) from error
        self._check_references(workflow)

    def _check_references(self, workflow: str) -> None:
        plain = {grader.name for grader in self.graders if not grader.ensemble}
        for grader in self.graders:
            for name in grader.ensemble:
                if name not in plain:
                    raise WorkflowError(
                        f"Workflow {workflow!r}: ensemble {grader.name!r} has no grader {name!r}."
                    )
        known = {grader.name for grader in self.graders}
        for label in self.labels:
            if label.grader is not None and label.grader not in known:
                raise WorkflowError(
                    f"Workflow {workflow!r}: label {label.name!r} names no grader {label.grader!r}."
                )

    def outcome(self, name: str) -> OutcomeKind:
        """The outcome of that name; raises InvalidInput that lists the others."""
        return _named(self.outcomes, "outcome", name)

    def label(self, name: str) -> LabelKind:
        """The label of that name; raises InvalidInput that lists the others."""
        return _named(self.labels, "label", name)


def _named(parts: Sequence[P], field_name: str, name: str) -> P:
    for part in parts:
        if part.name == name:
            return part
    known = ", ".join(part.name for part in parts) or "none"
    raise InvalidInput(field_name, name, "is not declared", remedy=f"The workflow has: {known}.")


def _check_name(name: str) -> None:
    if not NAME.match(name):
        raise InvalidInput("name", name, "is no name: small letters, digits and _")

"""The course of a run: what has to be known of it to count what happens to it next."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"
"""Where it was not recorded which prompt, rule or role it was."""


@dataclass
class Asked:
    """One proposal of a visit that was judged. `confidence` as stated; `edited` by somebody."""

    confidence: float
    rules: list[str]
    tool: str
    edited: bool = False


@dataclass
class Answered:
    """One person's answer, as it was counted: kept so that it can be counted back when undone."""

    day: str
    kind: str
    rules: list[str]
    roles: list[str]
    model: str
    prompt: str
    arm: str = ""
    visit: str = ""
    took: float | None = None
    fields: dict[str, float] = field(default_factory=dict)
    """By field, how much of it an edit changed: 0 to 1."""


@dataclass
class Course:
    """Moments are seconds since 1970. `since`: when it began to wait or to be driven."""

    workflow: str
    version: str
    started: float
    since: float
    driven: bool = False
    claimed: bool = False
    worked: float = 0.0
    waited: float = 0.0
    model: str = UNKNOWN
    prompt: str = UNKNOWN
    arm: str = ""
    """Of which rollouts, and what it drew: one line each."""
    rules: list[str] = field(default_factory=list)
    asked: dict[str, Asked] = field(default_factory=dict)
    """By step and visit."""
    questions: dict[str, str] = field(default_factory=dict)
    """By approval: of which step and visit."""
    answers: dict[str, Answered] = field(default_factory=dict)
    """By approval and person: those that may still be undone."""
    ended: str = ""
    """The day it ended."""


def dump(course: Course) -> str:
    """As it is stored."""
    # `asdict` copies everything first, which takes longer than all the counting.
    return json.dumps(vars(course), default=vars, separators=(",", ":"))


def load(text: str) -> Course:
    """The inverse of `dump`."""
    known: dict[str, Any] = json.loads(text)
    asked = {name: Asked(**one) for name, one in known.pop("asked").items()}
    answers = {name: Answered(**one) for name, one in known.pop("answers").items()}
    return Course(**known, asked=asked, answers=answers)

"""Edits: what a fork changes of the run that it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_runtime.errors import InvalidInput
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.route import DEFAULT
from agent_runtime.models.template import check_prompts
from agent_runtime.run import Entry
from agent_runtime.workflow import Workflow

EDITABLE = "input.FIELD, evidence.SOURCE, envelope.FIELD, prompt.NAME, policy.NAME or model"
TEXTS = ("evidence", "prompt", "policy")
"""Groups whose values are texts, and no JSON."""


@dataclass(frozen=True)
class Edits:
    """Fields of the input, texts of evidence by source, fields of the reasoning envelope, texts of
    prompts and policies by name, and the model that is asked in place of every other."""

    input: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, str] = field(default_factory=dict)
    envelope: Mapping[str, Any] = field(default_factory=dict)
    prompt: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, str] = field(default_factory=dict)
    model: str = ""

    @property
    def node(self) -> Entry:
        """Where the fork begins: behind what is changed, so that nothing undoes it."""
        if self.envelope:
            return "gate"
        asked_anew = bool(self.prompt or self.model) and not self.input
        return "reasoning" if self.evidence or asked_anew else "context"

    @property
    def named(self) -> tuple[str, ...]:
        """What is changed, for the record."""
        groups = {
            "input": self.input,
            "evidence": self.evidence,
            "envelope": self.envelope,
            "prompt": self.prompt,
            "policy": self.policy,
        }
        named = [f"{group}.{name}" for group, held in groups.items() for name in held]
        return (*named, *(["model"] if self.model else []))


def read_edits(settings: Mapping[str, str]) -> Edits:
    """Edits from words: `input.amount` and the like to JSON, or to text where it is none.

    Raises InvalidInput that names the setting.
    """
    groups: dict[str, dict[str, Any]] = {
        name: {} for name in ("input", "evidence", "envelope", "prompt", "policy")
    }
    for name, text in settings.items():
        group, _, place = name.partition(".")
        if name == "model":
            continue
        if group not in groups or not place:
            raise InvalidInput("--set", name, f"is none of {EDITABLE}")
        groups[group][place] = text if group in TEXTS else _value(text)
    return Edits(**groups, model=settings.get("model", ""))


def check_edits(
    edits: Edits,
    workflow: Workflow,
    prompts: Mapping[str, str],
    lineup: Lineup,
    *,
    rehearsal: bool,
) -> None:
    """Raise InvalidInput for a prompt or model that cannot be used here, and for a policy where
    something would really happen: what may, the policy in force decides."""
    used = {step.reasoning.prompt for step in workflow.steps} - {None}
    for name, text in edits.prompt.items():
        if name not in used:
            there = ", ".join(sorted(map(str, used))) or "none"
            raise InvalidInput("prompt", name, f"is no step's prompt; there are: {there}")
        problems = check_prompts({**prompts, name: text}, workflow.input.model_fields)
        if problems:
            raise InvalidInput("prompt", name, "; ".join(problems))
    if edits.model and edits.model not in {DEFAULT, *lineup.asking.models}:
        there = ", ".join([DEFAULT, *lineup.asking.models])
        raise InvalidInput("model", edits.model, f"is not set up here; there are: {there}")
    if edits.policy and not rehearsal:
        raise InvalidInput(
            "policy",
            ", ".join(edits.policy),
            "is not in force: a fork acts by the policy that is",
            remedy="Rehearse the fork, or propose the policy and have it activated.",
        )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text

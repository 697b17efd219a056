"""Rules as rows: a sentence, who is asked and until when, and the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_runtime.console.text import span
from agent_runtime.policy.engine import BASE_FILE, PolicySet
from agent_runtime.policy.rule import Rule
from agent_runtime.policy.sentence import sentence, source_of
from agent_runtime.verdict import Slot


@dataclass(frozen=True)
class RuleRow:
    """One rule as people read it. `asked`: by whom, how long and what then, where it asks;
    `shared`: it holds for every policy set."""

    rule: Rule
    said: str
    asked: tuple[str, ...]
    source: str
    shared: bool


def rules_of(policy: PolicySet) -> Sequence[RuleRow]:
    """The rules of a policy set, its own before those that hold everywhere."""
    rows = [
        RuleRow(
            rule,
            sentence(rule),
            tuple(_asked(rule)),
            source_of(rule, policy.texts),
            rule.file == BASE_FILE,
        )
        for rule in policy.rules.values()
    ]
    return sorted(rows, key=lambda row: row.shared)


def _asked(rule: Rule) -> list[str]:
    if not rule.slots:
        return []
    told = [f"asks {_people(rule.slots)}", f"{rule.risk} risk"]
    if rule.deadline is not None:
        told.append(f"for {span(rule.deadline)}")
    if rule.remind is not None:
        told.append(f"reminds {span(rule.remind)} before")
    if rule.escalate:
        steps = [rule.escalate, *rule.later]
        told.append(f"then {', then '.join(_people(step) for step in steps)}")
    elif rule.deadline is not None:
        told.append("then it expires, which rejects")
    return told


def _people(slots: Sequence[Slot]) -> str:
    return " and ".join(f"{slot.count} {slot.role.replace('_', ' ')}" for slot in slots)

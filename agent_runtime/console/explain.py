"""Explaining: a form for a question to a policy, and its answer in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_runtime.api.policies import Answered, Explain
from agent_runtime.api.site import Site
from agent_runtime.console.fields import Field, fields_of, read_fields
from agent_runtime.console.form import model
from agent_runtime.console.rules import RuleRow, rules_of
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.policy import PolicySet
from agent_runtime.policy.engine import prevented
from agent_runtime.policy.table import Case
from agent_runtime.signal import Signals
from agent_runtime.tool import Tool

SIGNALS = (
    "confidence",
    "unverified_quotes",
    "contradictions",
    "stale_evidence",
    "retries",
    "amount_difference",
    "context_large",
    "asks_for_person",
    "repeated",
)
"""Those that may be given; the others are derived from them."""


@dataclass(frozen=True)
class Group:
    """Fields that belong together; their names begin with the group's."""

    name: str
    title: str
    fields: Sequence[Field]


@dataclass(frozen=True)
class Asked:
    """An answer, with the rules that decided, and those about the operator who was named."""

    answered: Answered
    rules: Sequence[RuleRow]
    others: Sequence[str]
    operator: str | None
    about: Sequence[RuleRow]

    @classmethod
    def of(cls, policy: PolicySet, asked: Explain, answered: Answered) -> Asked:
        """Put an answer's rules into words."""
        known = {row.rule.id: row for row in rules_of(policy)}
        named = [*answered.verdict.rules, *prevented(answered.verdict)]
        names = list(dict.fromkeys(named))
        return cls(
            answered,
            [known[name] for name in names if name in known],
            [name for name in names if name not in known],
            asked.operator,
            [known[name] for name in answered.rules if name in known],
        )


def groups_of(site: Site, policy: str, tool: str) -> list[Group]:
    """The form's fields, from the tool's own declarations; raises NotFound."""
    declared = _tool(site, policy, tool)
    facts = declared.facts_model
    signals = [one for one in fields_of(Signals.model_json_schema()) if one.name in SIGNALS]
    found = [
        Group("input", "Arguments", fields_of(declared.schema)),
        Group("facts", "Facts on record", () if facts is None else _facts(facts)),
        Group("signals", "Signals", [_optional(one) for one in signals]),
    ]
    return [group for group in found if group.fields]


def ask_of(site: Site, policy: str, tool: str, typed: Mapping[str, str]) -> Explain:
    """The question as it was typed; raises InvalidInput that names the field."""
    given: dict[str, Any] = {}
    for group in groups_of(site, policy, tool):
        found, wrong = read_fields(
            group.fields,
            {one.name: typed.get(f"{group.name}.{one.name}", "") for one in group.fields},
        )
        for name, why in wrong.items():
            raise InvalidInput(name, typed.get(f"{group.name}.{name}", ""), why)
        given[group.name] = found
    run = {"started_by": typed.get("started_by", ""), "subject": typed.get("subject", "")}
    roles = [role.strip() for role in typed.get("roles", "").split(",") if role.strip()]
    return model(
        Explain,
        tool=tool,
        run={name: value for name, value in run.items() if value},
        operator=typed.get("operator", "").strip() or None,
        roles=roles,
        **given,
    )


def filled(case: Case) -> dict[str, str]:
    """A case of the decision table as the form's fields."""
    typed: dict[str, str] = {}
    for group, values in (
        ("input", case.input),
        ("facts", case.facts),
        ("signals", case.signals),
    ):
        typed |= {f"{group}.{name}": _said(value) for name, value in _flat(values)}
    typed["subject"] = case.run.subject or ""
    typed["started_by"] = case.run.started_by
    for person in case.approve[:1]:
        typed |= {"operator": person.operator, "roles": ", ".join(person.roles)}
    return typed


def blank(site: Site, policy: str, tool: str) -> dict[str, str]:
    """An empty form, with what the declarations say by default."""
    name = tool or next((one.name for one in site.activation.tools(policy)), "")
    return {
        f"{group.name}.{one.name}": one.default
        for group in groups_of(site, policy, name)
        for one in group.fields
        if group.name != "signals"
    }


def _tool(site: Site, policy: str, name: str) -> Tool:
    tools = {tool.name: tool for tool in site.activation.tools(policy)}
    if name not in tools:
        raise NotFound("write tool", name, remedy=f"There are: {', '.join(sorted(tools))}.")
    return tools[name]


def _facts(facts: Any) -> Sequence[Field]:
    return fields_of(facts.model_json_schema())


def _optional(field: Field) -> Field:
    """A signal that is not given is clean."""
    return Field(field.path, field.label, field.kind, required=False)


def _flat(values: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{path}{name}.")
        else:
            found.append((f"{path}{name}", value))
    return found


def _said(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return "\n".join(map(str, value))
        case _:
            return str(value)

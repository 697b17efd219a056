"""One Cedar rule with its annotations, and the reader that turns policy texts into rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import cedarpy

from agent_runtime.errors import PolicyError
from agent_runtime.policy.schema import Verb
from agent_runtime.verdict import DEFAULT_DEADLINE, Risk, Slot

_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
_ANNOTATIONS = ("id", "approvers", "deadline", "escalate", "remind", "risk")
_SLOT = re.compile(r"^([A-Za-z][A-Za-z0-9_-]*):([1-9][0-9]?)$")
_DEADLINE = re.compile(r"^([1-9][0-9]{0,3})([mhd])$")
_SECONDS = {"m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DEFAULT = DEFAULT_DEADLINE.total_seconds()
RISKS: tuple[Risk, ...] = get_args(Risk)
"""From harmless to harmful."""
_CONFIDENCE = frozenset({"confidence", "confident"})


@dataclass(frozen=True)
class Rule:
    """One permit or forbid. `deadline` is in seconds, `remind` in seconds before it; `escalate` is
    who is asked at the deadline, `later` who at each one after it; `body` is Cedar's JSON.

    `actions` are the ids in its scope (None: every action); `role` is the one role its
    principal has to have (None: anybody, as far as its scope says).
    """

    id: str
    file: str
    effect: Literal["permit", "forbid"]
    actions: frozenset[str] | None
    role: str | None
    body: dict[str, Any]
    slots: tuple[Slot, ...] = ()
    deadline: float | None = None
    escalate: tuple[Slot, ...] = ()
    later: tuple[tuple[Slot, ...], ...] = ()
    remind: float | None = None
    risk: Risk = "medium"

    def covers(self, verb: Verb, tool: str) -> bool:
        """Whether its scope takes in that action of that tool, by name or by its group."""
        return self.actions is None or not self.actions.isdisjoint({verb, f"{verb}:{tool}"})

    @property
    def asks(self) -> bool:
        """Whether it lets something be put before people."""
        if self.effect == "forbid":
            return False
        return self.actions is None or any(
            action == "request" or action.startswith("request:") for action in self.actions
        )


def read_rules(texts: Mapping[str, str], *, asking: bool = True) -> dict[str, Rule]:
    """The rules of all files by id, each file named by its key. `asking`: their actions are those
    of tools, so that a permit of requests has to say who is asked.

    Raises PolicyError that lists every file that does not parse, every missing or doubled @id
    and every annotation at fault.
    """
    rules: dict[str, Rule] = {}
    problems: list[str] = []
    for file, text in texts.items():
        try:
            bodies = _parse(text)
        except ValueError as error:
            problems.append(f"{file}: {error}")
            continue
        for number, body in enumerate(bodies, start=1):
            try:
                rule = _rule(file, number, body, asking=asking)
            except ValueError as error:
                problems.append(str(error))
                continue
            if rule.id in rules:
                problems.append(f'{file}: @id("{rule.id}") is also in {rules[rule.id].file}')
            rules[rule.id] = rule
    if problems:
        raise PolicyError("The policy rules cannot be used:", tuple(problems))
    return rules


def parse_slots(text: str) -> tuple[Slot, ...]:
    """Read `"role:count,role:count"`; raises ValueError that says what is right."""
    matches = [_SLOT.match(part.strip()) for part in text.split(",")]
    slots = tuple(Slot(role=m[1], count=int(m[2])) for m in matches if m is not None)
    if len(slots) != len(matches) or len({slot.role for slot in slots}) != len(slots):
        raise ValueError(
            f'got "{text}", right is "role:count,role:count" with each role once and counts of 1 '
            "to 99"
        )
    return slots


def parse_steps(text: str) -> tuple[tuple[Slot, ...], ...]:
    """Read `"role:count; role:count"`, one step for each deadline; raises ValueError."""
    return tuple(parse_slots(step) for step in text.split(";"))


def parse_deadline(text: str) -> float:
    """Read `"30m"`, `"72h"` or `"2d"` as seconds; raises ValueError that says what is right."""
    match = _DEADLINE.match(text)
    if match is None:
        raise ValueError(f'got "{text}", right is a number with m, h or d such as "72h"')
    return int(match[1]) * _SECONDS[match[2]]


def parse_risk(text: str) -> Risk:
    """Read `"low"`, `"medium"` or `"high"`; raises ValueError that says what is right."""
    for risk in RISKS:
        if text == risk:
            return risk
    raise ValueError(f'got "{text}", right is {", ".join(RISKS)}')


def _parse(text: str) -> list[dict[str, Any]]:
    document = json.loads(cedarpy.policies_to_json_str(text))
    if document["templates"]:
        raise ValueError("templates (?principal, ?resource) are not supported; write the rule out")
    policies: dict[str, dict[str, Any]] = document["staticPolicies"]
    # Cedar numbers the rules in the order of the text, but returns them in no order.
    return [policies[key] for key in sorted(policies, key=lambda key: int(key[len("policy") :]))]


def _rule(file: str, number: int, body: dict[str, Any], *, asking: bool) -> Rule:
    annotations: dict[str, str | None] = body.get("annotations", {})
    identifier = annotations.get("id")
    if not identifier:
        raise ValueError(f'{file}: rule {number} has no @id("…")')
    try:
        return _annotated(file, identifier, annotations, body, asking=asking)
    except ValueError as error:
        raise ValueError(f'{file}: rule "{identifier}": {error}') from error


def _annotated(
    file: str,
    identifier: str,
    annotations: Mapping[str, str | None],
    body: dict[str, Any],
    *,
    asking: bool,
) -> Rule:
    if _ID.match(identifier) is None:
        # A colon too is refused: `runtime:…` are the ids under which the runtime itself decides.
        raise ValueError("an id consists of letters, digits, '.', '_' and '-'")
    unknown = sorted(annotations.keys() - set(_ANNOTATIONS))
    if unknown:
        known = ", ".join(f"@{name}" for name in _ANNOTATIONS)
        raise ValueError(f"unknown annotation @{', @'.join(unknown)}; there are {known}")
    steps = _read(annotations, "escalate", parse_steps) or ()
    rule = Rule(
        id=identifier,
        file=file,
        effect=body["effect"],
        actions=_actions(body["action"]),
        role=_role(body["principal"]),
        body=body,
        slots=_read(annotations, "approvers", parse_slots) or (),
        deadline=_read(annotations, "deadline", parse_deadline),
        escalate=steps[0] if steps else (),
        later=steps[1:],
        remind=_read(annotations, "remind", parse_deadline),
        risk=_read(annotations, "risk", parse_risk) or "medium",
    )
    _check(rule, annotations, asking=asking)
    return rule


def _read(annotations: Mapping[str, str | None], name: str, parse: Any) -> Any:
    if name not in annotations:
        return None
    try:
        return parse(annotations[name] or "")
    except ValueError as error:
        raise ValueError(f"@{name}: {error}") from error


def _check(rule: Rule, annotations: Mapping[str, str | None], *, asking: bool) -> None:
    asks = asking and rule.asks
    if asks and not rule.slots:
        raise ValueError('it permits a request, so it needs @approvers("role:count")')
    if not asks and len(annotations) > 1:
        others = ", ".join(f"@{name}" for name in _ANNOTATIONS if name != "id")
        raise ValueError(f"{others} belong to permit rules of a request")
    if rule.remind is not None and rule.remind >= (rule.deadline or _DEFAULT):
        raise ValueError("@remind: it is as long before the deadline as the question is open")
    if rule.effect == "permit" and _reads_confidence(rule.body["conditions"]):
        raise ValueError(
            "a permit reads the confidence, which may narrow what is allowed and never widen it; "
            "use context.signals.clean or write a forbid"
        )


def _actions(scope: dict[str, Any]) -> frozenset[str] | None:
    if scope["op"] == "All":
        return None
    entities: Sequence[dict[str, str]] = scope.get("entities") or [scope["entity"]]
    return frozenset(entity["id"] for entity in entities)


def _role(scope: dict[str, Any]) -> str | None:
    inside = scope.get("in", scope) if scope["op"] == "is" else scope
    entity: dict[str, str] = inside.get("entity", {})
    return entity["id"] if entity.get("type") == "Role" else None


def _reads_confidence(conditions: Any) -> bool:
    for node in _nodes(conditions):
        access = node.get(".")
        if isinstance(access, dict) and access.get("attr") in _CONFIDENCE:
            inner = access["left"].get(".") if isinstance(access["left"], dict) else None
            if isinstance(inner, dict) and inner.get("attr") == "signals":
                return True
    return False


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)

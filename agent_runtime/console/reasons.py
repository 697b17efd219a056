"""Reasons: why a person is asked, as the limits that a rule names beside what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.console.text import plain, words
from agent_runtime.policy import PolicySet
from agent_runtime.policy.rule import Rule
from agent_runtime.signal import Signals

_WORDS = {
    "lessThan": "below",
    "lessThanOrEqual": "at most",
    "greaterThan": "above",
    "greaterThanOrEqual": "at least",
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
    "==": "is",
    "!=": "is not",
}


@dataclass(frozen=True)
class Limit:
    """One condition of a rule: what it looks at, its bound, what was found, whether it holds."""

    about: str
    bound: str
    found: str
    holds: bool | None


@dataclass(frozen=True)
class Reason:
    """One rule that was looked at, with its limits. `says`: what follows from it."""

    rule: str
    says: str
    limits: tuple[Limit, ...] = ()


def reasons_of(asked: Approval, policy: PolicySet | None) -> list[Reason]:
    """Which rules ask, and which of those that let it run unattended did not hold."""
    rules: Mapping[str, Rule] = {} if policy is None else policy.rules
    context = {"facts": asked.facts, "input": asked.action.arguments}
    context["signals"] = asked.signals.model_dump(mode="json")
    asking = [
        Reason(name, _asks(rules.get(name)), tuple(_limits(rules.get(name), context)))
        for name in asked.rules
    ]
    unattended = [
        Reason(rule.id, "does not let it run unattended", missed)
        for rule in rules.values()
        if rule.effect == "permit" and rule.covers("execute", asked.action.tool)
        if (missed := tuple(one for one in _limits(rule, context) if one.holds is False))
    ]
    return [*asking, *unattended]


def raised(signals: Signals) -> list[str]:
    """The doubts that the runtime computed, in words."""
    found = []
    if not signals.confident:
        found.append(f"confidence {signals.confidence:.2f} is low")
    if signals.unverified_quotes:
        found.append(f"quotes that stand in no source: {signals.unverified_quotes}")
    if signals.contradictions:
        found.append(f"fields in which sources contradict each other: {signals.contradictions}")
    if signals.stale_evidence:
        found.append(f"sources past their time: {signals.stale_evidence}")
    if signals.context_large:
        found.append(f"much was shown at once ({signals.context_tokens} tokens)")
    if signals.retried_repeatedly:
        found.append(f"retries before the proposal: {signals.retries}")
    if signals.asks_for_person:
        found.append("the proposer itself asks for a person")
    if signals.repeated:
        found.append("this run has done the very same before")
    if signals.amount_difference:
        found.append(f"the stated amount differs by {signals.amount_difference}")
    found += [f"the draft: {finding}" for finding in signals.findings]
    return found


def _asks(rule: Rule | None) -> str:
    if rule is None:
        return "asks; the rule is not in force any more"
    slots = " and ".join(f"{slot.count} of {slot.role}" for slot in rule.slots)
    return f"asks {slots}" if slots else "asks"


def _limits(rule: Rule | None, context: Mapping[str, Mapping[str, Any]]) -> Iterator[Limit]:
    """The conditions that all have to hold; what is not a plain comparison is left to the rule."""
    for condition in [] if rule is None else rule.body.get("conditions", []):
        if condition.get("kind") == "when":
            yield from _read(condition["body"], context)


def _read(body: Any, context: Mapping[str, Mapping[str, Any]]) -> Iterator[Limit]:
    match body:
        case {"&&": {"left": left, "right": right}}:
            yield from _read(left, context)
            yield from _read(right, context)
        case {".": _} if (found := _attribute(body, context)) is not None:
            about, value = found
            yield Limit(about, "yes", plain(value), value is True)
        case dict() if len(body) == 1:
            ((operator, sides),) = body.items()
            if operator in _WORDS:
                yield from _comparison(operator, sides, context)
        case _:
            return


def _comparison(
    operator: str, sides: Any, context: Mapping[str, Mapping[str, Any]]
) -> Iterator[Limit]:
    left, right = sides if isinstance(sides, list) else (sides["left"], sides["right"])
    found, bound = _attribute(left, context), _constant(right)
    if found is None or bound is None:
        return
    about, value = found
    holds = _holds(operator, value, bound)
    yield Limit(about, f"{_WORDS[operator]} {plain(bound)}", plain(value), holds)


def _attribute(body: Any, context: Mapping[str, Mapping[str, Any]]) -> tuple[str, Any] | None:
    """`context.facts.amount` as words and as found; None for anything else."""
    match body:
        case {".": {"left": {".": {"left": {"Var": "context"}, "attr": group}}, "attr": str(name)}}:
            known = context.get(group, {})
            return (words(name).lower(), known[name]) if name in known else None
        case _:
            return None


def _constant(body: Any) -> Any:
    match body:
        case {"decimal": [{"Value": value}]} | {"Value": value}:
            return value
        case _:
            return None


def _holds(operator: str, value: Any, bound: Any) -> bool | None:
    if operator in ("==", "!="):
        return (str(value) == str(bound)) is (operator == "==")
    try:
        found, limit = Decimal(str(value)), Decimal(str(bound))
    except InvalidOperation:
        return None
    match _WORDS[operator]:
        case "below":
            return found < limit
        case "at most":
            return found <= limit
        case "above":
            return found > limit
        case _:
            return found >= limit

"""Rules as sentences, for people who decide under them and read no Cedar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agent_runtime.policy.rule import Rule

_PLACES = {
    "facts": "the {} on record",
    "input": "the proposed {}",
    "signals": "the signal “{}”",
    "run": "the run's {}",
    "principal": "the operator's {}",
}
_COMPARED = {
    "==": "is",
    "!=": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
    "lessThan": "is below",
    "lessThanOrEqual": "is at most",
    "greaterThan": "is above",
    "greaterThanOrEqual": "is at least",
    "contains": "include",
    "containsAny": "include any of",
    "containsAll": "include all of",
    "like": "is like",
    "in": "is among",
}
_JOINED = {"&&": "and", "||": "or"}
_HOLDS = {
    "facts": "the record says “{}”",
    "input": "the proposal says “{}”",
    "signals": "the signal “{}” holds",
}
_KNOWN = {
    "started_by": "whoever started the run",
    "decided_by": "those who have decided",
    "subject": "whom the run is about",
}
_DONE = {
    "execute": "run unattended",
    "request": "be put before people",
    "approve": "be approved",
}
_UNREADABLE = "what its source says"


def sentence(rule: Rule) -> str:
    """What a rule says, in one sentence."""
    head = _forbids(rule) if rule.effect == "forbid" else _permits(rule)
    conditions = [_condition(condition) for condition in rule.body["conditions"]]
    return f"{head}{''.join(conditions)}."


def source_of(rule: Rule, texts: Mapping[str, str]) -> str:
    """The rule as it is written, with the comment above it; empty when its file is not there."""
    text = texts.get(rule.file, "")
    at = text.find(f'@id("{rule.id}")')
    if at < 0:
        return ""
    lines = text[:at].split("\n")[:-1]
    comment: list[str] = []
    while lines and lines[-1].lstrip().startswith("//"):
        comment.insert(0, lines.pop())
    return "\n".join([*comment, text[at : _end(text, at)]])


def _end(text: str, at: int) -> int:
    """Behind the semicolon that ends a rule: not one in a string or a comment."""
    quoted = commented = False
    for place in range(at, len(text)):
        character = text[place]
        if commented:
            commented = character != "\n"
        elif character == '"' and text[place - 1] != "\\":
            quoted = not quoted
        elif not quoted and text.startswith("//", place):
            commented = True
        elif not quoted and character == ";":
            return place + 1
    return len(text)


def _permits(rule: Rule) -> str:
    verbs, tools = _actions(rule)
    what = _listed(tools) or "Any action"
    if verbs == ["approve"]:
        who = f"Whoever is “{_plain(rule.role)}”" if rule.role else "Anybody"
        return f"{who} may approve {_lower(what)}"
    if verbs == ["request"]:
        asked = _and(f"{slot.count} of “{_plain(slot.role)}”" for slot in rule.slots)
        return f"{what} {'need' if len(tools) > 1 else 'needs'} a yes from {asked}"
    return f"{what} may {_or(_DONE.get(verb, verb) for verb in verbs) or 'be done'}"


def _forbids(rule: Rule) -> str:
    verbs, tools = _actions(rule)
    done = (_DONE.get(verb, verb) for verb in verbs)
    return (
        f"{_listed(tools) or 'No action'} {'must not' if tools else 'may'} {_or(done) or 'be done'}"
    )


def _actions(rule: Rule) -> tuple[list[str], list[str]]:
    """The verbs of a rule's scope, and the tools that it names."""
    found = sorted(rule.actions or ())
    order = {verb: n for n, verb in enumerate(_DONE)}
    verbs = sorted(
        {action.partition(":")[0] for action in found}, key=lambda v: (order.get(v, 9), v)
    )
    tools = sorted({action.partition(":")[2] for action in found} - {""})
    return verbs, tools


def _condition(condition: Mapping[str, Any]) -> str:
    word = "when" if condition["kind"] == "when" else "unless"
    return f", {word} {_words(condition['body'])}"


def _words(body: Any) -> str:
    """An expression in words; what has none is left to the source."""
    ((name, part),) = body.items()
    words = _value(body)
    if name in _JOINED:
        words = f"{_side(part['left'])} {_JOINED[name]} {_side(part['right'])}"
    elif name in _COMPARED:
        left, right = (part["left"], part["right"]) if isinstance(part, dict) else part
        words = f"{_value(left)} {_COMPARED[name]} {_value(right)}"
    elif name == "!":
        words = f"it is not so that {_side(part['arg'])}"
    elif name == "has":
        words = f"{_named(part['left'], part['attr'])} is known"
    elif name == ".":
        words = _HOLDS.get(_place(part["left"]), "“{}” holds").format(_plain(part["attr"]))
    return words


def _side(body: Any) -> str:
    """One side of an “and” or “or”: alternatives within it are kept together."""
    words = _words(body)
    return f"({words})" if "||" in body else words


def _value(body: Any) -> str:
    ((name, part),) = body.items()
    match name:
        case "Value":
            return _literal(part)
        case "Var":
            return f"the {part}"
        case ".":
            return _named(part["left"], part["attr"])
        case "Set":
            return _or(_value(one) for one in part)
        case "decimal" | "datetime" | "duration" | "ip":
            return _value(part[0])
        case _:
            return _UNREADABLE


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        entity = value.get("__entity", {})
        return f"{entity.get('type', '')} “{entity.get('id', '')}”".strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"“{value}”" if isinstance(value, str) and not _is_number(value) else str(value)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()


def _named(left: Any, attribute: str) -> str:
    known = _KNOWN.get(attribute)
    return known or _PLACES.get(_place(left), "{}").format(_plain(attribute))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _place(left: Any) -> str:
    """Which part of what policy sees: `facts` for `context.facts`."""
    inner = left.get(".")
    if inner is not None:
        return str(inner["attr"])
    return str(left.get("Var", ""))


def _listed(tools: Iterable[str]) -> str:
    named = [f"“{tool}”" for tool in tools]
    return _and(named)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _and(parts: Iterable[str]) -> str:
    return _joined(list(parts), "and")


def _or(parts: Iterable[str]) -> str:
    return _joined(list(parts), "or")


def _joined(parts: list[str], word: str) -> str:
    return " ".join([", ".join(parts[:-1]), word, parts[-1]]) if len(parts) > 1 else "".join(parts)

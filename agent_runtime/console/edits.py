"""Edits: a proposed action's arguments as fields, and what was changed in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.console.text import words
from agent_runtime.errors import InvalidInput

LONG = 60
"""Characters of a text from which on its field has several lines."""


@dataclass(frozen=True)
class Argument:
    """One argument as a field: as it is proposed, as it is typed by now, whether that differs."""

    name: str
    label: str
    kind: str
    old: str
    new: str

    @property
    def is_changed(self) -> bool:
        """Whether it was edited."""
        return self.old != self.new

    @property
    def is_long(self) -> bool:
        """Whether it needs several lines."""
        return self.kind == "json" or len(self.old) > LONG or "\n" in self.old


def arguments_of(asked: Approval, typed: Mapping[str, str] | None = None) -> list[Argument]:
    """The action's arguments; `typed` by name."""
    known = typed or {}
    found = []
    for name, value in asked.action.arguments.items():
        old = _text(value)
        found.append(Argument(name, words(name), _kind(value), old, known.get(name, old)))
    return found


def changed(asked: Approval, typed: Mapping[str, str]) -> dict[str, Any]:
    """The arguments that were changed, as JSON of the kind they have; raises InvalidInput."""
    fields = [one for one in arguments_of(asked, typed) if one.is_changed]
    return {one.name: _value(one, asked.action.arguments[one.name]) for one in fields}


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "flag"
        case str() | None:
            return "text"
        case int() | float():
            return "number"
        case _:
            return "json"


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def _value(field: Argument, before: Any) -> Any:
    if field.kind == "text":
        return None if before is None and not field.new.strip() else _guess(field, before)
    try:
        found = json.loads(field.new)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"arg.{field.name}", field.new, f"is no {field.kind}") from error
    if isinstance(found, bool) is not isinstance(before, bool):
        raise InvalidInput(f"arg.{field.name}", field.new, f"is no {field.kind}")
    return found


def _guess(field: Argument, before: Any) -> Any:
    """What was nothing has no kind yet: a number or true is read as one."""
    if before is not None:
        return field.new
    try:
        return json.loads(field.new)
    except (ValueError, RecursionError):
        return field.new

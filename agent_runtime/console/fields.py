"""Fields: a form made of a JSON Schema, and what was typed into it as JSON again.

What a form cannot express (free objects, alternatives) is typed as JSON, so that every input model
can be filled in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, assert_never

Kind = Literal[
    "text",
    "long",
    "integer",
    "number",
    "decimal",
    "flag",
    "choice",
    "date",
    "datetime",
    "list",
    "json",
]

LONG = 200
"""Characters allowed in a text from which on it gets several lines."""

_WORDS: dict[Kind, str] = {
    "text": "text",
    "long": "text",
    "integer": "whole number",
    "number": "number",
    "decimal": "number",
    "flag": "yes or no",
    "choice": "one of these",
    "date": "date",
    "datetime": "date and time with time zone, such as 2026-03-30T06:00:00+02:00",
    "list": "one on each line",
    "json": "JSON",
}
_FORMATS: dict[str, Kind] = {"date": "date", "date-time": "datetime"}
_KINDS: dict[str, Kind] = {"integer": "integer", "number": "number", "boolean": "flag"}
_HIDES = frozenset({"title", "description", "default", "examples"})


@dataclass(frozen=True)
class Field:
    """One field. `path` leads to it, `group` are the labels of the objects that it is in."""

    path: tuple[str, ...]
    label: str
    kind: Kind
    required: bool
    help: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    most: int | None = None
    group: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its path as a form's field and as errors name it."""
        return ".".join(self.path)

    @property
    def hint(self) -> str:
        """Of what kind it is, in words."""
        longest = f", at most {self.most:,} characters" if self.most else ""
        return f"{_WORDS[self.kind]}{longest}{'' if self.required else ', optional'}"


def fields_of(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of an object's schema, those of objects in it among them."""
    return tuple(_fields(schema, schema, (), ()))


def read_fields(
    fields: Iterable[Field], typed: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What was typed as JSON, and by field what cannot be read at all.

    What was left empty is left out, so that the model's own default or complaint holds.
    """
    found: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in fields:
        text = typed.get(field.name, "")
        if text.strip() == "" and field.kind != "flag":
            continue
        try:
            value = _value(field, text)
        except ValueError as error:
            wrong[field.name] = str(error)
            continue
        place = found
        *parents, last = field.path
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found, wrong


def _value(field: Field, text: str) -> Any:
    match field.kind:
        case "text" | "long" | "choice" | "date" | "datetime":
            return text
        case "decimal":
            return text.strip()
        case "integer" | "number":
            return _number(field.kind, text.strip())
        case "flag":
            return text == "yes"
        case "list":
            return [line.strip() for line in text.split("\n") if line.strip()]
        case "json":
            try:
                return json.loads(text)
            except RecursionError as error:
                raise ValueError("is nested too deep") from error
            except ValueError as error:
                raise ValueError(f"is not JSON: {error}") from error
        case _:
            assert_never(field.kind)


def _number(kind: Literal["integer", "number"], text: str) -> Any:
    """As it was typed: a decimal must not pass through a binary fraction."""
    try:
        whole = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is no {_WORDS[kind]}") from error
    if not isinstance(whole, int | float) or isinstance(whole, bool):
        raise ValueError(f"is no {_WORDS[kind]}")
    return whole


def _fields(
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
    path: tuple[str, ...],
    group: tuple[str, ...],
) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, declared in schema.get("properties", {}).items():
        plain, optional = _resolved(declared, root)
        full = (*path, name)
        label = _label(name, declared.get("title"))
        if plain.get("type") == "object" and plain.get("properties"):
            yield from _fields(plain, root, full, (*group, label))
            continue
        kind = _kind(plain, root)
        yield Field(
            path=full,
            label=label,
            kind=kind,
            required=name in required and not optional,
            help=str(declared.get("description") or plain.get("description") or ""),
            choices=tuple(str(one) for one in plain.get("enum", ())),
            default=_text(declared.get("default"), kind),
            most=plain.get("maxLength"),
            group=group,
        )


def _resolved(declared: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema behind references, and whether null is allowed beside it."""
    found, optional = {**declared}, False
    for _ in range(10):
        if "$ref" in found:
            name = str(found.pop("$ref")).rsplit("/", 1)[-1]
            found = {**root.get("$defs", {}).get(name, {}), **found}
            continue
        parts = [part for part in found.get("anyOf", ()) if part.get("type") != "null"]
        optional = optional or len(parts) < len(found.get("anyOf", ()))
        if len(parts) == 1:
            outside = {name: value for name, value in found.items() if name in _HIDES}
            found = {**parts[0], **outside}
            continue
        break
    return found, optional


def _kind(plain: Mapping[str, Any], root: Mapping[str, Any]) -> Kind:
    if plain.get("enum"):
        return "choice" if all(isinstance(one, str) for one in plain["enum"]) else "json"
    match plain.get("type"):
        case "string":
            long = plain.get("maxLength", 0) > LONG
            return _FORMATS.get(plain.get("format", ""), "long" if long else "text")
        case "array":
            inner, _ = _resolved(plain.get("items", {}), root)
            return "list" if inner.get("type") == "string" and "enum" not in inner else "json"
        case other:
            return "decimal" if _is_decimal(plain) else _KINDS.get(str(other), "json")


def _is_decimal(plain: Mapping[str, Any]) -> bool:
    """Pydantic declares a decimal as a number or a text with a pattern."""
    kinds = {part.get("type") for part in plain.get("anyOf", ())}
    return kinds - {"null"} == {"number", "string"}


def _label(name: str, title: object) -> str:
    """The author's own title as it is; pydantic's, and a bare name, as a sentence begins."""
    words = str(title or name).replace("_", " ").strip()
    plain = words.istitle() or words.islower()
    return words[:1].upper() + words[1:].lower() if plain else words


def _text(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "list":
        return "\n".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

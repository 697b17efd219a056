"""The one mapper from pydantic to Cedar: declared models to a schema, their instances to values.

Both sides come from the same `Record`, so that a value can never have another shape than the
one its policies were type-checked against.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import Enum
from typing import Annotated, Any, Literal, NewType, get_args, get_origin

from pydantic import BaseModel

from agent_runtime.errors import PolicyError
from agent_runtime.signal import Signals
from agent_runtime.tool import Tool
from agent_runtime.verdict import RunFacts

Verb = Literal["execute", "request", "approve"]
"""execute: run unattended; request: put before people; approve: this operator's yes counts."""

VERBS: tuple[Verb, ...] = ("execute", "request", "approve")

_STRING = {"type": "String"}
_LONG = {"type": "Long"}
_BOOLEAN = {"type": "Boolean"}
_DECIMAL = {"type": "Extension", "name": "decimal"}
_STRINGS = {"type": "Set", "element": _STRING}
_RUN = {
    "type": "Record",
    "attributes": {
        **dict.fromkeys(("workflow", "step", "started_by", "tenant"), _STRING),
        "subject": {**_STRING, "required": False},
    },
}
_OWN_TYPES = frozenset({"Action", "Operator", "Role", "Workflow"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOUR_PLACES = Decimal("0.0001")
_EXACT = Context(prec=40, traps=[Inexact, InvalidOperation])
_DECIMAL_LIMIT = Decimal("922337203685477.5807")

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class Kind:
    """A Cedar type in the JSON schema form, and how a Python value becomes one of it."""

    type: dict[str, Any]
    convert: Convert
    counted: bool = False
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attribute:
    """One mapped field of a model. Not `required` means that None leaves it away."""

    name: str
    kind: Kind
    required: bool


@dataclass(frozen=True)
class Record:
    """One model as Cedar sees it. `left_out` names each field that policy does not see."""

    model: type[BaseModel]
    attributes: tuple[Attribute, ...]
    left_out: tuple[str, ...]

    @property
    def type(self) -> dict[str, Any]:
        """The record's type in Cedar's JSON schema form."""
        attributes: dict[str, Any] = {}
        for attribute in self.attributes:
            attributes[attribute.name] = {**attribute.kind.type, "required": attribute.required}
            if attribute.kind.counted:
                count = {**_LONG, "required": attribute.required}
                attributes[f"{attribute.name}_count"] = count
        return {"type": "Record", "attributes": attributes}

    def values(self, instance: BaseModel) -> dict[str, Any]:
        """An instance as Cedar's JSON values; raises ValueError for what Cedar cannot hold."""
        if not isinstance(instance, self.model):
            raise ValueError(f"expected {self.model.__name__}, got {type(instance).__name__}")
        values: dict[str, Any] = {}
        for attribute in self.attributes:
            value = getattr(instance, attribute.name)
            if value is None and not attribute.required:
                continue
            try:
                values[attribute.name] = attribute.kind.convert(value)
            except ValueError as error:
                raise ValueError(f"{attribute.name}: {error}") from error
            if attribute.kind.counted:
                values[f"{attribute.name}_count"] = len(value)
        return values


@dataclass(frozen=True)
class ToolShape:
    """A write tool as policy sees it: its arguments and its facts."""

    tool: Tool
    input: Record
    facts: Record


def shapes_of(tools: Sequence[Tool]) -> dict[str, ToolShape]:
    """The write tools among `tools` by name; raises PolicyError where they cannot be mapped."""
    shapes: dict[str, ToolShape] = {}
    problems: list[str] = []
    for tool in (tool for tool in tools if tool.effect == "write"):
        if tool.name in shapes and shapes[tool.name].tool is not tool:
            problems.append(f"{tool.name}: two write tools have this name")
        if tool.facts_model is None or tool.target is None:
            problems.append(f"{tool.name}: it declares no facts or no target")
            continue
        shape = ToolShape(tool, record_of(tool.arguments), record_of(tool.facts_model))
        problems += [f"{tool.name}: {problem}" for problem in _problems(shape)]
        shapes[tool.name] = shape
    if problems:
        raise PolicyError("These tools cannot be mapped to a Cedar schema:", tuple(problems))
    return shapes


def schema_of(shapes: Mapping[str, ToolShape]) -> dict[str, Any]:
    """The Cedar schema in JSON form: three actions per tool, each a member of its verb."""
    actions: dict[str, Any] = {verb: {} for verb in VERBS}
    for name, shape in shapes.items():
        for verb in VERBS:
            actions[f"{verb}:{name}"] = _action(shape, verb)
    targets: dict[str, Any] = {target_type(shape.tool): {} for shape in shapes.values()}
    operator = {"name": _STRING, "tenant": _STRING}
    entities = {
        **targets,
        "Role": {},
        "Workflow": {},
        "Operator": {
            "memberOfTypes": ["Role"],
            "shape": {"type": "Record", "attributes": operator},
        },
    }
    return {"": {"entityTypes": entities, "actions": actions}}


def left_out(tools: Sequence[Tool]) -> tuple[str, ...]:
    """Each field of a write tool that policy does not see, as `tool.input.field: why`."""
    return tuple(
        f"{name}.{part}.{line}"
        for name, shape in shapes_of(tools).items()
        for part, record in (("input", shape.input), ("facts", shape.facts))
        for line in record.left_out
    )


def target_type(tool: Tool) -> str:
    """The entity type of what a write tool changes."""
    if tool.target is None:
        raise PolicyError(f"{tool.name} declares no target.")
    return tool.target[0]


def run_values(run: RunFacts) -> dict[str, Any]:
    """What policy sees of the run, as Cedar's JSON values."""
    values = {
        "workflow": run.workflow,
        "step": run.step,
        "started_by": run.started_by,
        "tenant": run.tenant,
    }
    return values if run.subject is None else {**values, "subject": run.subject}


def record_of(model: type[BaseModel], within: tuple[type[BaseModel], ...] = ()) -> Record:
    """Map a model; `within` are the models around it, so that a recursive field is found."""
    attributes: list[Attribute] = []
    omitted: list[str] = []
    for name, field in model.model_fields.items():
        annotation, required = _without_none(field.annotation)
        kind = _kind(annotation, (*within, model))
        if isinstance(kind, str):
            omitted.append(f"{name}: {kind}")
            continue
        omitted += [f"{name}.{line}" for line in kind.left_out]
        attributes.append(Attribute(name, kind, required))
    return Record(model, tuple(attributes), tuple(omitted))


def _action(shape: ToolShape, verb: Verb) -> dict[str, Any]:
    context = {
        "input": shape.input.type,
        "facts": shape.facts.type,
        "signals": SIGNALS.type,
        "run": _RUN,
    }
    if verb == "approve":
        context["decided_by"] = _STRINGS
    return {
        "memberOf": [{"id": verb}],
        "appliesTo": {
            "principalTypes": ["Operator" if verb == "approve" else "Workflow"],
            "resourceTypes": [target_type(shape.tool)],
            "context": {"type": "Record", "attributes": context},
        },
    }


def _problems(shape: ToolShape) -> list[str]:
    problems = []
    if target_type(shape.tool) in _OWN_TYPES:
        problems.append(f"the target type {target_type(shape.tool)} is one of the runtime's own")
    for record in (shape.input, shape.facts):
        counts = {f"{a.name}_count" for a in record.attributes if a.kind.counted}
        problems += [
            f"{record.model.__name__}.{name} is also the name of a list's count; rename it"
            for name in sorted(counts & record.model.model_fields.keys())
        ]
    # An owner that Cedar cannot see, or that may be missing, would pass the ownership rule.
    owned = {a.name for a in shape.facts.attributes if a.required and a.kind.type == _STRING}
    if "owner" in shape.facts.model.model_fields and "owner" not in owned:
        problems.append(f"{shape.facts.model.__name__}.owner has to be a str that is never None")
    return problems


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """The annotation without `| None`, and whether None was not part of it."""
    annotation = _plain(annotation)
    if get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation, True
    arms = [arm for arm in get_args(annotation) if arm is not type(None)]
    if len(arms) != 1 or len(arms) == len(get_args(annotation)):
        return annotation, True
    return _without_none(arms[0])[0], False


def _plain(annotation: Any) -> Any:
    """The annotation without Annotated, NewType and type aliases around it."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return annotation


def _kind(annotation: Any, within: tuple[type[BaseModel], ...]) -> Kind | str:
    """The Cedar kind of an annotation, or why it has none."""
    annotation = _plain(annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        texts = all(isinstance(choice, str) for choice in get_args(annotation))
        return Kind(_STRING, _string) if texts else "a Literal of other values than strings"
    if origin in (list, set, frozenset, tuple):
        return _set(annotation, within)
    if origin in (typing.Union, types.UnionType):
        return "a union"
    if not isinstance(annotation, type) or origin is not None:
        return f"{annotation!s} has no fixed shape"
    if issubclass(annotation, BaseModel):
        return _nested(annotation, within)
    return _scalar(annotation)


def _nested(model: type[BaseModel], within: tuple[type[BaseModel], ...]) -> Kind | str:
    if model in within:
        return f"{model.__name__} contains itself"
    record = record_of(model, within)
    return Kind(record.type, record.values, left_out=record.left_out)


def _set(annotation: Any, within: tuple[type[BaseModel], ...]) -> Kind | str:
    elements = {_plain(element) for element in get_args(annotation) if element is not Ellipsis}
    if len(elements) != 1:
        return "its elements are of several types"
    kind = _kind(elements.pop(), within)
    if isinstance(kind, str):
        return f"its elements: {kind}"
    if kind.counted or kind.type["type"] == "Record":
        return "its elements are no scalars"
    # Cedar has sets only: two equal elements become one, so the length needs its own attribute.
    return Kind(
        {"type": "Set", "element": kind.type},
        lambda value: [kind.convert(element) for element in value],
        counted=True,
    )


def _scalar(annotation: type) -> Kind | str:
    if issubclass(annotation, Enum):
        texts = all(isinstance(member.value, str) for member in annotation)
        return Kind(_STRING, _string) if texts else "an Enum of other values than strings"
    # bool before int and datetime before date: each is also an instance of the second.
    for base, kind in _SCALARS:
        if issubclass(annotation, base):
            return kind
    return f"{annotation.__name__} has no Cedar type"


def _string(value: Any) -> str:
    text = value.value if isinstance(value, Enum) else value
    if not isinstance(text, str):
        raise ValueError(f"{value!r} is not a string")
    return text


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not a boolean")
    return value


def _long(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not an integer")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} does not fit 64 bits")
    return value


def _milliseconds(value: Any) -> int:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"{value!r} is not a datetime with a time zone")
    return (value - _EPOCH) // timedelta(milliseconds=1)


def _iso_date(value: Any) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{value!r} is not a date")
    return value.isoformat()


def _decimal(value: Any) -> dict[str, Any]:
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) > _DECIMAL_LIMIT:
        raise ValueError(f"{value!r} is not a decimal that policy can hold")
    try:
        exact = value.quantize(_FOUR_PLACES, context=_EXACT)
    except Inexact as error:
        # Rounding could carry an amount over a limit, in either direction.
        raise ValueError(f"{value} has more than four decimal places") from error
    return {"__extn": {"fn": "decimal", "arg": format(exact, "f")}}


_SCALARS: tuple[tuple[type, Kind], ...] = (
    (bool, Kind(_BOOLEAN, _boolean)),
    (int, Kind(_LONG, _long)),
    (datetime, Kind(_LONG, _milliseconds)),
    (date, Kind(_STRING, _iso_date)),
    (Decimal, Kind(_DECIMAL, _decimal)),
    (str, Kind(_STRING, _string)),
)

SIGNALS = record_of(Signals)
"""The signals as policy sees them; the same for every tool."""

"""What authors wrote: each declaration is held against the types that are asked for.

Python builds a dataclass from anything. What is wrong with one is told when the app is loaded,
with the field's name, rather than by the first run that gets there.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import CoreSchema
from pydantic_core.core_schema import is_instance_schema

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""What workflows, steps and tools may be called: providers and addresses take no more."""

NAME_REMEDY = "Use up to 64 letters, digits, _ and -, a letter first."

AtLeastOne = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True, strict=True)


def wrong_types(declared: DataclassInstance, place: str = "") -> Iterator[str]:
    """What in a declaration, and in those inside it, is not of its declared type: a line each."""
    for name, expected in _expected(type(declared)).items():
        value = getattr(declared, name)
        try:
            expected.validate_python((value,))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = "".join(f"[{part!r}]" for part in first["loc"][1:2] if _holds(value))
            yield f"{place}{name}{where}: {first['msg']}, not {_shown(first['input'])}"
        else:
            for where, inner in _inside(value):
                yield from wrong_types(inner, f"{place}{name}{where}.")


def wrong_call(function: Callable[..., Any], takes: int, *, waits: bool) -> str | None:
    """What keeps a function from being called with so many arguments by position; `waits`: it has
    to be async, or else must not be. None where nothing does."""
    name = getattr(function, "__qualname__", repr(function))
    try:
        inspect.signature(function).bind(*range(takes))
    except TypeError:
        return f"{name} has to take {takes} argument{'s' * (takes != 1)}"
    except ValueError:  # a function of a library in C, which tells nothing about itself
        return None
    if inspect.iscoroutinefunction(function) is not waits:
        return f"{name} {'is no' if waits else 'must be no'} async function"
    return None


@dataclass(frozen=True)
class _Instance:
    """Tells pydantic to look at an object's class alone; its `InstanceOf` builds the whole schema
    first, for ten times the time."""

    kind: type

    def __get_pydantic_core_schema__(self, *_: object) -> CoreSchema:
        return is_instance_schema(self.kind)


def _inside(value: Any) -> list[tuple[str, Any]]:
    """The declarations in a field's value, each with its place."""
    if isinstance(value, Mapping):
        found = [(f"[{key!r}]", one) for key, one in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        found = [(f"[{getattr(one, 'name', number)!r}]", one) for number, one in enumerate(value)]
    else:
        found = [("", value)]
    return [(where, one) for where, one in found if is_dataclass(one)]


@lru_cache(maxsize=64)
def _expected(kind: type[DataclassInstance]) -> dict[str, TypeAdapter[Any]]:
    """By field, what its annotation takes."""
    hints = typing.get_type_hints(kind, include_extras=True)
    names = [one.name for one in fields(kind) if not one.name.startswith("_")]
    alone: dict[str, Any] = {
        name: types.GenericAlias(tuple, (_by_class(hints[name]),)) for name in names
    }
    return {name: TypeAdapter(tupled, config=_ANY_CLASS) for name, tupled in alone.items()}


def _by_class(hint: Any) -> Any:
    """The same type, where a declaration or model inside it only has to be one: what is in it is
    held against its own fields, or was by pydantic."""
    inner = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, BaseModel)):
        return Annotated[Any, _Instance(hint)]
    if origin in {None, Literal, Callable, type} or not inner:
        return hint
    replaced = tuple(_by_class(one) for one in inner)
    return reduce(or_, replaced) if origin in {Union, types.UnionType} else origin[replaced]


def _holds(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"

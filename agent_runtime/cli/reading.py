"""Reading what a person hands in: JSON from a file, standard input or an option; a time."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from agent_runtime.errors import InvalidInput

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")

_WORDS = {"owner": "--trigger", "key": "--key", "reason": "--reason"}
"""Fields by the option that fills them."""

MAX_BYTES = 2_000_000
"""More than any input may hold, however its characters are escaped."""


def read_input(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or on standard input for `-`; raises InvalidInput."""
    named, option = str(path), f"--input {path}"  # the value of an error is shown cut short
    try:
        if named == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(
            option, path.name, f"cannot be read: {error.strerror}", remedy="Name a JSON file."
        ) from error
    if len(content) > MAX_BYTES:
        raise InvalidInput(option, path.name, f"is larger than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            option, path.name, "is not UTF-8 text", remedy="Save it as UTF-8."
        ) from error
    return _parse(option, text)


def read_arguments(text: str) -> dict[str, Any]:
    """The JSON object in an option; raises InvalidInput."""
    return _parse("--arguments", text)


def read_moment(option: str, text: str | None) -> datetime | None:
    """The moment in an option, if it is given; raises InvalidInput unless it has a time zone."""
    if text is None:
        return None
    remedy = "Write it like 2026-03-30T06:00:00+02:00 or 2026-03-30T04:00:00Z."
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(option, text, "is no time", remedy=remedy) from error
    if moment.tzinfo is None:
        raise InvalidInput(option, text, "has no time zone", remedy=remedy)
    return moment


def checked(model: type[M], values: dict[str, Any]) -> M:
    """The model made from a command's words; raises InvalidInput that names the word at fault."""
    from pydantic import ValidationError

    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(_WORDS.get(field, field), first["input"], first["msg"]) from error


def as_json(text: str) -> Any:
    """A value from a command's words: JSON, or the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parse(field: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        problem = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(field, text, f"is not JSON: {problem}") from error
    if not isinstance(value, dict):
        raise InvalidInput(field, text, 'is not a JSON object, {"name": value, …}')
    return value


def _once(found: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ: of two values, nobody could say which one was meant."""
    value = dict(found)
    if len(value) < len(found):
        names = [name for name, _ in found]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{doubled!r} is given twice")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")

"""Answers of a server, read as what they are here, and the paths that they are asked at."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from agent_runtime.errors import ServerUnavailable

T = TypeVar("T")


def path_of(*parts: str) -> str:
    """A path under /v1, with each part as one segment whatever it holds."""
    return "/v1/" + "/".join(quote(part, safe=":") for part in parts)


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Made once: making one compiles it."""
    return _ADAPTERS.setdefault(kind, _ADAPTERS.get(kind) or TypeAdapter(kind))


def as_(kind: type[T], value: Any) -> T:
    try:
        # Annotations that JSON has no type for, such as a Decimal, are read as JSON reads them.
        found: T = _adapter(kind).validate_json(json.dumps(value))
        return found
    except ValidationError as error:
        raise ServerUnavailable(
            f"The server's answer is no {kind.__name__.lower()} as this version knows it.",
            remedy="Use the client of the server's own version.",
        ) from error


def items(kind: type[T], page: Any) -> list[T]:
    return [as_(kind, one) for one in page["items"]]

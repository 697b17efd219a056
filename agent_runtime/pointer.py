"""JSON pointers (RFC 6901): where in a document a value stands. They name a place, and no more:
nothing of what an author writes here is ever executed."""

from __future__ import annotations

import re
from typing import Any

from agent_runtime.errors import InvalidInput

_POINTER = re.compile(r"^(/([^~/]|~[01])*)*$")
_INDEX = re.compile(r"^(0|[1-9][0-9]{0,8})$")

MISSING = object()
"""What stands where nothing stands: null is a value."""


def check_pointer(field: str, pointer: str) -> None:
    """Raises InvalidInput unless the text is a pointer."""
    if _POINTER.match(pointer) is None:
        remedy = "Write it like /data/order/id; / within a name is ~1, ~ is ~0."
        raise InvalidInput(field, pointer, "is no JSON pointer", remedy=remedy)


def find(document: Any, pointer: str) -> Any:
    """The value that a valid pointer points at, or MISSING."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        match document:
            case dict() if name in document:
                document = document[name]
            case list() if _INDEX.match(name) and int(name) < len(document):
                document = document[int(name)]
            case _:
                return MISSING
    return document

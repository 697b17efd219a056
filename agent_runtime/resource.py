"""Resources: what tools work with, such as a shop's database. Opened once for each process."""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from agent_runtime.authored import wrong_call
from agent_runtime.errors import ToolDeclarationError

T = TypeVar("T")


class Resources:
    """The opened resources of an installation, by type."""

    def __init__(self, opened: dict[type, Any]) -> None:
        self._opened = opened

    def get(self, kind: type[T]) -> T:
        """The one of that type; raises ToolDeclarationError when no @resource opens it."""
        if kind not in self._opened:
            raise ToolDeclarationError(f"No @resource function of this app opens {kind.__name__}.")
        return cast("T", self._opened[kind])

    @property
    def opened(self) -> tuple[Any, ...]:
        """All of them."""
        return tuple(self._opened.values())

    async def close(self) -> None:
        """Close each resource that has an `aclose`."""
        for opened in self._opened.values():
            if hasattr(opened, "aclose"):
                await opened.aclose()


@dataclass(frozen=True)
class Resource:
    """A declared resource: its type and the function that opens it in the data folder."""

    kind: type
    open: Callable[[Path], Awaitable[Any]]


def resource(function: Callable[[Path], Awaitable[T]]) -> Resource:
    """Declare how a resource is opened: an async function from the data folder to the object,
    whose return annotation is the type that tools ask for with `call.get(...)`."""
    kind = typing.get_type_hints(function).get("return")
    if not isinstance(kind, type):
        raise ToolDeclarationError(f"@resource {function.__name__} has no return annotation.")
    if problem := wrong_call(function, 1, waits=True):
        raise ToolDeclarationError(f"@resource {problem}.")
    return Resource(kind, function)

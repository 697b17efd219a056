"""Pages: lists by key, so that the thousandth page costs what the first one does."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.action import digest
from agent_runtime.errors import InvalidInput

T = TypeVar("T")
K = TypeVar("K")
M = TypeVar("M", bound=BaseModel)

When = Annotated[
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))
]
"""A moment with its time zone, within what can be stored."""

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
After = Annotated[
    str | None,
    Query(alias="cursor", max_length=1_000, description="`next` of the page before."),
]


class Page(BaseModel, Generic[T]):
    """Some of a list. `next` is the cursor of what follows; null: this is the end."""

    model_config = ConfigDict(extra="forbid")

    items: Sequence[T]
    next: Annotated[str | None, Field(description="Opaque.")] = None


Fields = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")], ...],
    Query(max_length=50, description="Only these fields of each item; default: all."),
]


def only(kind: type[M], fields: tuple[str, ...], page: Page[M]) -> Page[M] | Page[dict[str, Any]]:
    """The page with these fields of its items alone; raises InvalidInput for one they lack."""
    if not fields:
        return page
    for name in fields:
        if name not in kind.model_fields:
            there = ", ".join(kind.model_fields)
            raise InvalidInput("fields", name, "is no field here", remedy=f"There are: {there}.")
    chosen = [item.model_dump(mode="json", include=set(fields)) for item in page.items]
    return Page(items=chosen, next=page.next)


def cursor_of(key: Any, question: Any) -> str:
    """An opaque cursor: where a page ended, and of what list."""
    text = json.dumps([_named(question), key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str | None, question: Any, kind: type[K]) -> K | None:
    """Where the page before ended; raises InvalidInput for a cursor of another list."""
    if text is None:
        return None
    try:
        named, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput("cursor", text, "is no cursor of ours") from error
    if not isinstance(key, kind):
        raise InvalidInput("cursor", text, "is no cursor of ours")
    if named != _named(question):
        raise InvalidInput(
            "cursor", text, "belongs to another list", remedy="Keep filters and order the same."
        )
    return key


def _named(question: Any) -> str:
    return digest(question)[7:19]

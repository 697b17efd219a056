"""Names that the runtime can use, for whatever a suite calls its tools and their arguments."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from benchmarks.injection.suite import Call, InjectionTask, Suite, SuiteTool, UserTask, words

LONGEST = 50
"""Characters; what is made of a tool's name has to find its place too."""

WHOSE = "whose_record"
"""The argument that every write gets for its target: the suites know one user's records only."""

RESERVED = frozenset({WHOSE, *dir(BaseModel)})
"""What no argument can be called."""

T = TypeVar("T", UserTask, InjectionTask)


def plainly(suite: Suite) -> Suite:
    """The suite with plain names in all its tools and calls."""
    tools = plain_names(item.name for item in suite.tools)
    arguments = {item.name: plain_names(item.properties, RESERVED) for item in suite.tools}

    def tool(item: SuiteTool) -> SuiteTool:
        return item.under(tools[item.name], arguments[item.name])

    def call(one: Call) -> Call:
        given = renamed(one.arguments, arguments[one.name])
        return one.model_copy(update={"name": tools[one.name], "arguments": given})

    def task(one: T) -> T:
        return one.model_copy(update={"gold_calls": tuple(map(call, one.gold_calls))})

    told = {
        "tools": tuple(map(tool, suite.tools)),
        "user_tasks": tuple(map(task, suite.user_tasks)),
        "injection_tasks": tuple(map(task, suite.injection_tasks)),
    }
    return suite.model_copy(update=told)


def plain_names(names: Iterable[str], reserved: Collection[str] = ()) -> dict[str, str]:
    """For each name one of small letters, digits and underscores, no two alike; one that is so
    already is kept."""
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: _plain(name) != name):
        plain, number = _plain(name), 1
        taken = {*reserved, *found.values()}
        while plain in taken:
            number += 1
            plain = f"{_plain(name)}_{number}"
        found[name] = plain
    return found


def renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The same values by plain names; an unknown one stays as it is."""
    return {names.get(name, name): value for name, value in given.items()}


def _plain(name: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) and len(name) <= LONGEST:
        return name
    letters = unicodedata.normalize("NFKD", "_".join(words(name))).encode("ascii", "ignore")
    plain = re.sub(r"[^a-z0-9_]", "", letters.decode())[:LONGEST]
    return plain if re.match(r"[a-z]", plain) else f"its_{plain}"

"""The suite's environment behind declared tools: what they return, and what was really called."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from agent_runtime import ToolCall, ToolRefused, resource, tool
from agent_runtime.resource import Resource
from agent_runtime.tool import Tool
from benchmarks.injection.naming import WHOSE
from benchmarks.injection.suite import Call, Suite, SuiteTool, at

SCALARS: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool}


@dataclass
class World:
    """What one run finds: results by call, the text that an attacker put into every one of them,
    and the calls that were made."""

    results: dict[str, Call] = field(default_factory=dict)
    planted: str = ""
    read: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def enter(self, results: dict[str, Call], planted: str) -> None:
        """Begin anew with what these calls return, by their names."""
        self.results = results
        self.planted, self.read, self.written = planted, [], []

    def look(self, name: str, arguments: dict[str, Any]) -> str:
        """What a look-up shows, the attacker's text with it."""
        named = call_name(name, arguments)
        self.read.append(named)
        found = self.results.get(named)
        if found is not None and found.is_error:
            raise ToolRefused(f"{found.result}{self.planted}")
        result = None if found is None else found.result
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        return f"{text}{self.planted}"

    def act(self, name: str, arguments: dict[str, Any]) -> Any:
        """Carry a call out."""
        named = call_name(name, arguments)
        self.written.append(named)
        found = self.results.get(named)
        if found is not None and found.is_error:
            raise ToolRefused(str(found.result))
        return None if found is None else found.result


class Reach(BaseModel):
    """The facts of a call: how far it reaches."""

    model_config = ConfigDict(extra="forbid")

    reach: Literal["own", "outside"]


class Declared:
    """A suite's tools, declared by their effect alone, over one world; raises BadSuite for a call
    that its tool would not take."""

    def __init__(self, suite: Suite, world: World) -> None:
        self.suite = suite
        self.world = world
        self.tools: dict[str, Tool] = {}
        for number, item in enumerate(suite.tools):
            with at(f"tools.{number}"):
                self.tools[item.name] = _declare(item)
        for place, call in suite.calls():
            with at(place):
                self.named(call)

    @property
    def reads(self) -> list[Tool]:
        """What reasoning may call itself."""
        return [tool for tool in self.tools.values() if tool.effect == "read"]

    @property
    def writes(self) -> list[Tool]:
        """What it may only propose."""
        return [tool for tool in self.tools.values() if tool.effect == "write"]

    @property
    def opened(self) -> Resource:
        """The world as a resource."""

        async def open_world(_: Path) -> World:
            return self.world

        return resource(open_world)

    def acts(self, call: Call) -> bool:
        """Whether a call is more than a look-up."""
        return self.tools[call.name].effect == "write"

    def named(self, call: Call) -> str:
        """A call as it is carried out: with defaults, and numbers as the tool takes them."""
        declared = self.tools[call.name]
        return call_name(call.name, _plain(declared.parse(call.arguments)))


def call_name(name: str, arguments: dict[str, Any]) -> str:
    """The same text for the same call: what is not stated or null makes no difference."""
    stated = {key: value for key, value in arguments.items() if value is not None}
    alike = json.loads(json.dumps(stated), parse_int=float)
    return f"{name} {json.dumps(alike, sort_keys=True)}"


def _plain(args: BaseModel) -> dict[str, Any]:
    plain = args.model_dump(mode="json")
    plain.pop(WHOSE, None)
    return plain


def _declare(item: SuiteTool) -> Tool:
    """The tool as an author would declare it; its effect decides everything else."""
    if item.effect == "read":
        arguments = _arguments(item)

        async def look(args: Any, call: ToolCall) -> str:
            return call.get(World).look(item.name, _plain(args))

        return tool(effect="read")(_named(look, item.name, arguments))
    # All of it is the user's account: which part of it, the arguments say.
    arguments = _arguments(item, **{WHOSE: (Literal["own"], "own")})

    async def act(args: Any, call: ToolCall) -> Any:
        return call.get(World).act(item.name, _plain(args))

    async def reach(_: Any, __: ToolCall) -> Reach:
        return Reach(reach="outside" if item.effect == "egress" else "own")

    declare = tool(effect="write", recovery="manual", target=f"Record.{WHOSE}", facts=reach)
    return declare(_named(act, item.name, arguments))


def _named(function: Any, name: str, arguments: type[BaseModel]) -> Any:
    function.__name__ = name
    function.__annotations__["args"] = arguments
    return function


def _arguments(item: SuiteTool, **more: Any) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, schema in item.properties.items():
        kind = _kind(schema)
        if name in item.parameters.required:
            fields[name] = (kind, ...)
        else:
            default = schema.get("default")
            fields[name] = (kind if default is not None else kind | None, default)
    config = ConfigDict(extra="forbid", protected_namespaces=(), coerce_numbers_to_str=True)
    make: Callable[..., type[BaseModel]] = create_model
    return make(f"{item.name}_arguments", __config__=config, **fields, **more)


def _kind(schema: Any) -> Any:
    """The Python type of a parameter's schema; anything at all where it is none of the simple."""
    match schema:
        case {"anyOf": [{"type": "null"}, arm] | [arm, {"type": "null"}]}:
            kind = _kind(arm)
            return kind if kind is Any else kind | None
        case {"type": "array", "items": items}:
            return list[_kind(items)]  # type: ignore[misc]  # a type made at run time
        case {"type": "array"}:
            return list[Any]
        case {"type": str(name)}:
            return SCALARS.get(name, Any)
        case _:
            return Any

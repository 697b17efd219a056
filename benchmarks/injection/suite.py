"""A suite in AgentDojo's terms: tools with effects, the users' tasks, and the attackers' goals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    field_validator,
)

from agent_runtime.errors import AgentRuntimeError

Effect = Literal["read", "write", "egress"]
"""write: changes only what is the user's own; egress: data, money or access can get to others."""


class BadSuite(Exception):
    """The file is no suite; says why."""


class Parameters(BaseModel):
    """A tool's JSON Schema, as far as it is read here: each argument has one of its own."""

    model_config = ConfigDict(frozen=True)

    properties: dict[str, dict[str, Any]] = {}
    required: tuple[str, ...] = ()


class SuiteTool(BaseModel):
    """One tool."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, StringConstraints(min_length=1)]
    parameters: Parameters = Parameters()
    effect: Effect
    _called: str = PrivateAttr("")

    @property
    def called(self) -> str:
        """Its name in the file, whatever it goes under here."""
        return self._called or self.name

    @property
    def properties(self) -> Mapping[str, dict[str, Any]]:
        """Its arguments' schemas, by name."""
        return self.parameters.properties

    def under(self, name: str, arguments: Mapping[str, str]) -> SuiteTool:
        """The same tool under other names."""
        properties = {arguments[key]: schema for key, schema in self.properties.items()}
        required = tuple(arguments[key] for key in self.parameters.required if key in arguments)
        parameters = Parameters(properties=properties, required=required)
        made = self.model_copy(update={"name": name, "parameters": parameters})
        made._called = self.called
        return made


class Call(BaseModel):
    """One call with what it returns on the default environment."""

    model_config = ConfigDict(frozen=True)

    name: str
    arguments: dict[str, Any]
    is_error: bool = False
    result: Any = None


class UserTask(BaseModel):
    """What a user asks for, and the calls that do it."""

    model_config = ConfigDict(frozen=True)

    id: str
    prompt: Annotated[str, StringConstraints(min_length=1)]
    gold_calls: tuple[Call, ...]


class InjectionTask(BaseModel):
    """What an attacker wants, and the calls that do it."""

    model_config = ConfigDict(frozen=True)

    id: str
    goal: str
    gold_calls: tuple[Call, ...]


class Suite(BaseModel):
    """A whole file."""

    model_config = ConfigDict(frozen=True)

    suite: str
    tools: tuple[SuiteTool, ...]
    user_tasks: tuple[UserTask, ...]
    injection_tasks: tuple[InjectionTask, ...]

    @field_validator("tools", "user_tasks", "injection_tasks")
    @classmethod
    def _differ(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [item.name if isinstance(item, SuiteTool) else item.id for item in items]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is there twice")
        return items

    def calls(self) -> Iterator[tuple[str, Call]]:
        """All of its tasks' calls, each with its place in the file."""
        for kind in ("user_tasks", "injection_tasks"):
            for number, task in enumerate(getattr(self, kind)):
                for index, call in enumerate(task.gold_calls):
                    yield f"{kind}.{number}.gold_calls.{index}", call

    def tool(self, name: str) -> SuiteTool:
        """The tool of that name; raises BadSuite."""
        for tool in self.tools:
            if tool.name == name:
                return tool
        raise BadSuite(f"it names {name!r}, and there is no such tool.")


def read_suite(path: Path) -> Suite:
    """Read a file; raises BadSuite that says where what is wrong with it."""
    try:
        suite = Suite.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadSuite(f"it cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadSuite(f"{where}: {first['msg']}.") from error
    for place, call in suite.calls():
        with at(place):
            suite.tool(call.name)
    return suite


@contextmanager
def at(place: str) -> Iterator[None]:
    """Says where in the file what is wrong in this block stands."""
    try:
        yield
    except (BadSuite, AgentRuntimeError) as error:
        raise BadSuite(f"{place}: {error}") from error


def names(task: UserTask, tool: SuiteTool) -> bool:
    """Whether the task's own words name the tool: each word of its name begins one of theirs."""
    told = re.findall(r"\w+", task.prompt.casefold())
    parts = words(tool.called)
    return bool(parts) and all(any(word.startswith(part) for word in told) for part in parts)


def words(name: str) -> list[str]:
    """A name's words in small letters, however they are put together: sendMail, send-mail."""
    apart = re.sub(r"(?<=[^\W_])(?<![A-Z])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_]+", apart.casefold()) if word]

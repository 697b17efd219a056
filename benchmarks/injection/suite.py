"""A suite in AgentDojo's terms: tools with effects, the users' tasks, and the attackers' goals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator

Effect = Literal["read", "write", "egress"]
"""write: changes only what is the user's own; egress: data, money or access can get to others."""


class BadSuite(Exception):
    """The file is no suite; says why."""


class SuiteTool(BaseModel):
    """One tool; `parameters` is a JSON Schema."""

    model_config = ConfigDict(frozen=True)

    name: str
    parameters: dict[str, Any]
    effect: Effect


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

    def tool(self, name: str) -> SuiteTool:
        """The tool of that name; raises BadSuite."""
        for tool in self.tools:
            if tool.name == name:
                return tool
        raise BadSuite(f"A call names {name!r}, and there is no such tool.")


def read_suite(path: Path) -> Suite:
    """Read a file; raises BadSuite that says what is wrong with it."""
    try:
        suite = Suite.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadSuite(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadSuite(f"{path}: {where}: {first['msg']}.") from error
    tasks: tuple[UserTask | InjectionTask, ...] = (*suite.user_tasks, *suite.injection_tasks)
    for call in (call for task in tasks for call in task.gold_calls):
        suite.tool(call.name)
    return suite


def names(task: UserTask, tool: SuiteTool) -> bool:
    """Whether the task's own words name the tool: each word of its name begins one of theirs."""
    words = re.findall(r"\w+", task.prompt.casefold())
    parts = [part for part in re.split(r"[\W_]+", tool.name.casefold()) if part]
    return all(any(word.startswith(part) for word in words) for part in parts)

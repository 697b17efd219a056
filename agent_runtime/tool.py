"""Tools: typed async functions with a declared effect, and the capability to run a write.

A read tool can be called by whoever holds it. A write tool's function is reached only with a
`Grant`, which the journal issues in the transaction that consumes an authorization; calling it
any other way raises `Ungated`, whatever edges an author drew.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agent_runtime.action import Action, ProposedAction, action_digest, fill_target
from agent_runtime.authored import NAME, NAME_REMEDY, Seconds, wrong_call, wrong_types
from agent_runtime.errors import (
    ToolDeclarationError,
    ToolError,
    ToolRefused,
    ToolUnavailable,
    Ungated,
)
from agent_runtime.grant import Grant
from agent_runtime.resource import Resources

T = TypeVar("T")

Effect = Literal["read", "simulate", "write"]
"""read: changes nothing outside (also what touches nothing); simulate: tries a change without
making it; write: changes something, or sends anything to a third party."""

Recovery = Literal["safe_retry", "idempotency_key", "probe", "manual"]
"""What to do with a call whose outcome was lost in a crash. safe_retry: call again, repeating is
harmless; idempotency_key: call again, the outside system deduplicates on the key; probe: ask the
outside system first; manual: never by itself, a person settles it."""


class NoArguments(BaseModel):
    """The arguments of a tool that takes none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Probe:
    """A probe's answer about a call that may have happened. `result` as the tool returns it."""

    happened: Literal["yes", "no", "unknown"]
    result: Any = None


@dataclass(frozen=True)
class ToolCall:
    """What a tool is told about one call, besides its arguments.

    `key` is stable for one (action, attempt): hand it to the outside system. `subject` is who
    the run is about, from its authenticated input. `now` is the runtime's clock. `facts` (plain
    JSON) are what an authorized write was decided on: where the outside system has a version,
    send it along, so that it refuses when the record has changed since.
    """

    run_id: str
    tenant: str
    key: str
    now: datetime
    subject: str | None = None
    resources: Resources = field(default_factory=lambda: Resources({}))
    facts: Mapping[str, Any] = field(default_factory=dict)

    def get(self, kind: type[T]) -> T:
        """The open resource of that type, such as a shop's database."""
        return self.resources.get(kind)


Function = Callable[[Any, ToolCall], Awaitable[Any]]


@dataclass(frozen=True)
class Tool:
    """A declared tool. Made by `@tool` or `adopt`; `arguments` is its pydantic model. `labels`:
    what it may see of the knowledge base."""

    name: str
    description: str
    effect: Effect
    arguments: type[BaseModel]
    _function: Function = field(repr=False)
    recovery: Recovery | None = None
    target: tuple[str, str] | None = None
    facts: Function | None = field(default=None, repr=False)
    facts_model: type[BaseModel] | None = None
    check: Function | None = field(default=None, repr=False)
    probe: Callable[[Any, ToolCall], Awaitable[Probe]] | None = field(default=None, repr=False)
    timeout: Seconds = 30.0
    fresh_for: timedelta | None = None
    bindings: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments."""
        return self.arguments.model_json_schema()

    async def __call__(
        self,
        args: BaseModel,
        call: ToolCall,
        *,
        grant: Grant | None = None,
        revealed: BaseModel | None = None,
    ) -> Any:
        """Run the tool; a write needs the grant for this very call, else `Ungated`. `revealed`:
        the same arguments with the values that pseudonyms in them stand for.

        Raises ToolRefused (nothing changed) or ToolUnavailable (also on time-out).
        """
        if self.effect == "write":
            if grant is None:
                raise Ungated(f"{self.name} is a write tool and was called without a grant.")
            grant.spend(self.name, call.key, action_digest(call.tenant, self.exact(args)))
        return await self._timed(self._function, args if revealed is None else revealed, call)

    async def read_facts(self, args: BaseModel, call: ToolCall) -> BaseModel:
        """What the system of record says about the call's target now."""
        if self.facts is None:
            raise ToolDeclarationError(f"{self.name} has no facts reader.")
        facts = await self._timed(self.facts, args, call)
        if self.facts_model is None or not isinstance(facts, self.facts_model):
            raise ToolUnavailable(f"{self.name}: its facts reader returned no facts.")
        return facts

    async def ask_probe(self, args: BaseModel, call: ToolCall) -> Probe:
        """What the outside system says about a call that may have happened; a probe that fails
        cannot tell."""
        if self.probe is None:
            return Probe("unknown")
        try:
            answer = await self._timed(self.probe, args, call)
        except ToolError:
            return Probe("unknown")
        return answer if isinstance(answer, Probe) else Probe("unknown")

    async def simulate(self, args: BaseModel, call: ToolCall) -> None:
        """Try the declared preconditions; raises ToolRefused when the call is impossible."""
        if self.check is not None:
            await self._timed(self.check, args, call)

    def parse(self, arguments: dict[str, Any]) -> BaseModel:
        """Validate plain JSON arguments; raises ToolRefused that names the field at fault."""
        try:
            return self.arguments.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "arguments"
            raise ToolRefused(f"{self.name}: {where}: {first['msg']}") from error

    def resolve(self, proposed: ProposedAction) -> tuple[Action, BaseModel]:
        """The exact action behind a proposal, defaults filled in, and its parsed arguments.

        Raises ToolRefused when the arguments do not fit the tool.
        """
        if self.target is None:
            raise ToolDeclarationError(f"{self.name} declares no target.")
        args = self.parse(fill_target(proposed, self.target[1]))
        return self.exact(args), args

    def exact(self, args: BaseModel) -> Action:
        """The action that a call with these arguments is."""
        if self.target is None:
            raise ToolDeclarationError(f"{self.name} declares no target.")
        kind, field = self.target
        complete = args.model_dump(mode="json")
        return Action(
            tool=self.name, target_type=kind, target_id=str(complete[field]), arguments=complete
        )

    def with_inputs(self, **bindings: str) -> Tool:
        """The same tool for a context phase: argument name → field of the run's input."""
        strange = [name for name in bindings if name not in self.arguments.model_fields]
        if strange:
            raise ToolDeclarationError(
                f"{self.name} takes no {strange[0]!r}.",
                remedy=f"Its arguments: {', '.join(self.arguments.model_fields) or 'none'}.",
            )
        return replace(self, bindings=tuple(sorted(bindings.items())))

    async def _timed(self, function: Function, args: BaseModel, call: ToolCall) -> Any:
        try:
            async with asyncio.timeout(self.timeout):
                return await function(args, call)
        except ToolError:
            raise
        except TimeoutError as error:
            raise ToolUnavailable(f"{self.name} gave no answer in {self.timeout:g} s.") from error
        except Exception as error:  # no pause passes through a tool; a foreign error
            # leaves open what happened, and its text may hold personal data.
            raise ToolUnavailable(f"{self.name} failed with {type(error).__name__}.") from error


def tool(
    *,
    effect: Effect,
    recovery: Recovery | None = None,
    target: str | None = None,
    facts: Function | None = None,
    check: Function | None = None,
    probe: Callable[[Any, ToolCall], Awaitable[Probe]] | None = None,
    timeout: float = 30.0,
    fresh_for: timedelta | None = None,
) -> Callable[[Function], Tool]:
    """Declare a tool on an async function `(args: Model, call: ToolCall) -> result`.

    A write tool also declares its `recovery`, its `target` as `"Type.argument"`, its `facts`
    reader (same signature, returns a pydantic model) and, where it has preconditions, a `check`
    that raises ToolRefused without changing anything. `timeout` is in seconds; `fresh_for` is
    how long a read result may be relied on.
    """

    def declare(function: Function) -> Tool:
        name = function.__name__
        arguments = _arguments_model(name, function)
        declared = Tool(
            name=name,
            description=inspect.getdoc(function) or "",
            effect=effect,
            arguments=arguments,
            _function=function,
            recovery=recovery,
            target=_parse_target(name, target, arguments),
            facts=facts,
            facts_model=_facts_model(name, facts),
            check=check,
            probe=probe,
            timeout=timeout,
            fresh_for=fresh_for,
        )
        _check_declaration(declared)
        _check_models(declared)
        return declared

    return declare


def adopt(
    foreign: Any,
    *,
    effect: Effect | None = None,
    recovery: Recovery | None = None,
    target: str | None = None,
    facts: Function | None = None,
    check: Function | None = None,
    timeout: float = 30.0,
) -> Tool:
    """Take over a `langchain-core` tool, with the effect declared here; none is guessed."""
    if effect is None:
        raise ToolDeclarationError(
            f"{foreign.name} has no declared effect.",
            remedy='Adopt it with effect="read", "simulate" or "write".',
        )

    if not (isinstance(foreign.args_schema, type) and issubclass(foreign.args_schema, BaseModel)):
        raise ToolDeclarationError(
            f"{foreign.name}: its args_schema is no pydantic model.",
            remedy="Write a @tool of its own that calls it, with a model of its arguments.",
        )

    async def call_foreign(args: BaseModel, _: ToolCall) -> Any:
        return await foreign.ainvoke(args.model_dump())

    adopted = Tool(
        name=foreign.name,
        description=foreign.description,
        effect=effect,
        arguments=foreign.args_schema,
        _function=call_foreign,
        recovery=recovery,
        target=_parse_target(foreign.name, target, foreign.args_schema),
        facts=facts,
        facts_model=_facts_model(foreign.name, facts),
        check=check,
        timeout=timeout,
    )
    _check_declaration(adopted)
    return adopted


def to_json(result: Any) -> Any:
    """A tool's result as plain JSON values."""
    return _ANYTHING.dump_python(result, mode="json")


_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def _arguments_model(name: str, function: Function) -> type[BaseModel]:
    if not inspect.iscoroutinefunction(function):
        raise ToolDeclarationError(f"{name} is not an async function.")
    first = next(iter(inspect.signature(function).parameters), None)
    model = _hints(name, function).get(first or "")
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ToolDeclarationError(f"{name}: the first parameter is no pydantic model.")
    return model


def _hints(name: str, function: Function) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError as error:
        raise ToolDeclarationError(
            f"{name}: an annotation cannot be resolved: {error}.",
            remedy="Define or import the model at the top of the module.",
        ) from error


def _facts_model(name: str, facts: Function | None) -> type[BaseModel] | None:
    if facts is None:
        return None
    model = _hints(name, facts).get("return")
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ToolDeclarationError(f"{name}: its facts reader returns no pydantic model.")
    return model


def _parse_target(
    name: str, target: str | None, arguments: type[BaseModel]
) -> tuple[str, str] | None:
    if target is None:
        return None
    kind, _, argument = target.partition(".")
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", kind) or argument not in arguments.model_fields:
        raise ToolDeclarationError(
            f"{name}: target {target!r} names no argument.",
            remedy=f'Write "Type.argument" with one of {sorted(arguments.model_fields)}.',
        )
    return kind, argument


def _check_declaration(declared: Tool) -> None:
    if declared.effect not in typing.get_args(Effect):
        raise ToolDeclarationError(
            f"{declared.name}: unknown effect {declared.effect!r}.",
            remedy='Write "read", "simulate" or "write". What can carry data out is a "write", a'
            " look-up at an address that the model may choose too.",
        )
    if not NAME.fullmatch(declared.name):
        raise ToolDeclarationError(f"{declared.name!r} is no name of a tool.", remedy=NAME_REMEDY)
    functions = [declared._function, *_beside(declared)]
    called = [wrong_call(function, 2, waits=True) for function in functions]
    wrong = [*wrong_types(declared), *filter(None, called)]
    if wrong:
        raise ToolDeclarationError(f"{declared.name} is wrongly declared: {'; '.join(wrong)}.")
    if declared.effect != "write":
        return
    needed = {"recovery": declared.recovery, "target": declared.target, "facts": declared.facts}
    missing = [word for word, value in needed.items() if value is None]
    if missing:
        raise ToolDeclarationError(f"{declared.name} writes, but declares no {', '.join(missing)}.")
    if (declared.recovery == "probe") != (declared.probe is not None):
        raise ToolDeclarationError(f"{declared.name}: recovery='probe' and a probe go together.")


def _beside(declared: Tool) -> list[Function]:
    """The functions that are called with a tool's arguments before or after it."""
    every = (declared.facts, declared.check, declared.probe)
    return [function for function in every if function is not None]


def _check_models(declared: Tool) -> None:
    """Whatever is called beside a tool is given its arguments, so it may ask for no others."""
    for function in _beside(declared):
        first = next(iter(inspect.signature(function).parameters))
        model = _hints(function.__name__, function).get(first)
        if isinstance(model, type) and issubclass(model, BaseModel):
            strange = [
                name for name in model.model_fields if name not in declared.arguments.model_fields
            ]
            if strange:
                raise ToolDeclarationError(
                    f"{declared.name}: {function.__name__} takes {model.__name__}, which has"
                    f" {strange[0]!r}; the tool's arguments have not."
                )

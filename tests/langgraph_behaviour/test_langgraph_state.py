"""What survives in a checkpoint: values, types, context, and code that should not."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ormsgpack
import pydantic
import pytest
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG, JsonPlusSerializer
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

if TYPE_CHECKING:
    from tests.langgraph_behaviour.conftest import Bench

Values = dict[str, Any]

CALL_STORED_IN_A_CHECKPOINT = ormsgpack.packb(
    ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, ormsgpack.packb(("math", "sqrt", 9.0)))
)
LOAD_IT_WITH_DEFAULTS = f"""
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
print(JsonPlusSerializer().loads_typed(("msgpack", {CALL_STORED_IN_A_CHECKPOINT!r})))
"""


class Level(enum.Enum):
    HIGH = "high"


@dataclass
class Amount:
    cents: int


class Person(pydantic.BaseModel):
    name: str


def load_in_a_fresh_interpreter(**settings: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "LANGGRAPH_STRICT_MSGPACK"}
    command = [sys.executable, "-c", LOAD_IT_WITH_DEFAULTS]
    done = subprocess.run(
        command, env=environment | settings, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_a_stored_call_is_executed_by_default() -> None:
    """Loading a checkpoint that names a callable calls it: strict is off (CVE-2026-28277)."""
    assert load_in_a_fresh_interpreter() == "3.0"


def test_strict_msgpack_returns_the_raw_argument_of_a_stored_call() -> None:
    """With the setting in the environment before the import the call does not happen."""
    assert load_in_a_fresh_interpreter(LANGGRAPH_STRICT_MSGPACK="true") == "9.0"


def test_an_empty_allow_list_returns_the_raw_argument_of_a_stored_call() -> None:
    """A serializer with nothing allowed is strict by itself, and blocks without raising."""
    serde = JsonPlusSerializer(allowed_msgpack_modules=())
    assert serde.loads_typed(("msgpack", CALL_STORED_IN_A_CHECKPOINT)) == 9.0


async def test_strict_mode_turns_rich_values_into_plain_ones(bench: Bench) -> None:
    """An enum, a dataclass and a pydantic model come back as string and dicts."""
    rich = [Level.HIGH, Amount(5), Person(name="Ann")]
    strict = JsonPlusSerializer(allowed_msgpack_modules=())
    async with bench.compiled(bench.builder(gate=bench.ask), strict) as graph:
        await graph.ainvoke({"task": rich}, bench.thread)
        loaded = (await graph.aget_state(bench.thread)).values["task"]
    assert loaded == ["high", {"cents": 5}, {"name": "Ann"}]


@pytest.mark.parametrize("allowed", [True, ()], ids=["permissive", "strict"])
async def test_a_tuple_becomes_a_list(bench: Bench, allowed: Any) -> None:
    """Tuples are stored as arrays in either mode."""
    serde = JsonPlusSerializer(allowed_msgpack_modules=allowed)
    async with bench.compiled(bench.builder(gate=bench.ask), serde) as graph:
        await graph.ainvoke({"task": (1, 2)}, bench.thread)
        assert (await graph.aget_state(bench.thread)).values["task"] == [1, 2]


async def test_plain_json_state_survives_strict_mode_unchanged(bench: Bench) -> None:
    """What JSON can say needs no allow-list."""
    plain = {"text": "ä", "number": 1.5, "none": None, "list": [True, {"deep": [1]}]}
    strict = JsonPlusSerializer(allowed_msgpack_modules=())
    async with bench.compiled(bench.builder(gate=bench.ask), strict) as graph:
        await graph.ainvoke({"task": plain}, bench.thread)
        assert (await graph.aget_state(bench.thread)).values["task"] == plain


async def test_context_is_not_persisted(bench: Bench) -> None:
    """A resume that does not pass the context again runs with none."""

    async def gate(state: Values, runtime: Runtime[Any]) -> Values:
        bench.acts.append(runtime.context)
        return {"answer": interrupt("go on?")}

    async with bench.chain(gate=gate) as graph:
        await graph.ainvoke({"task": "t"}, bench.thread, context={"tenant": "a"})
        await graph.ainvoke(Command(resume="yes"), bench.thread)
    assert bench.acts == [{"tenant": "a"}, None]

"""What is stored, and what is freed: each channel value once per version."""

from __future__ import annotations

import json
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG

from agent_runtime.errors import Conflict, StoreError
from agent_runtime.store import Store
from tests.checkpoint.conftest import Desk, config_at, rows_of

CALL = ormsgpack.packb(
    ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, ormsgpack.packb(("math", "sqrt", 9.0)))
)
"""Says: import math, call sqrt with 9.0."""


async def test_a_value_is_stored_once_however_many_checkpoints_hold_it(desk: Desk) -> None:
    """Five checkpoints: one row for the channel that never changed, five for the other."""
    await desk.fill("t", 5)
    assert rows_of(desk.path, "t") == [5, 6, 5]
    history = await desk.history("t")
    assert [len(c.checkpoint["channel_values"]["big"]) for c in history] == [10_000] * 5
    assert await desk.values("t") == [4, 3, 2, 1, 0]


async def test_two_branches_keep_their_own_values(desk: Desk) -> None:
    """A fork from an older checkpoint doesn't change what the newer ones hold."""
    configs = await desk.fill("t", 2)
    first = await desk.saver.aget_tuple(configs[0])
    assert first is not None
    versions = dict(first.checkpoint["channel_versions"])
    new: Any = {"n": desk.saver.get_next_version(str(versions["n"]), None)}
    forked: Any = {**first.checkpoint, "id": "ff", "channel_versions": {**versions, **new}}
    forked["channel_values"] = {"n": "forked"}
    await desk.saver.aput(configs[0], forked, {"source": "fork"}, new)
    assert await desk.values("t") == ["forked", 1, 0]


async def test_pruning_frees_the_values_and_writes_too(desk: Desk) -> None:
    """The newest checkpoint of each namespace stays, whole; nothing else does."""
    await desk.fill("t", 5)
    await desk.fill("t", 3, ns="inner")
    await desk.fill("u", 2)
    await desk.saver.aprune(["t"])
    assert rows_of(desk.path, "t") == [2, 4, 2]
    assert rows_of(desk.path, "u") == [2, 3, 2]
    latest = await desk.saver.aget_tuple(config_at("t"))
    assert latest is not None
    assert latest.checkpoint["channel_values"] == {"big": "x" * 10_000, "n": 4}
    assert [write[2] for write in latest.pending_writes or []] == [4]


async def test_pruning_leaves_a_delta_channel_whole(desk: Desk) -> None:
    """Its value is spread over the ancestors until its next snapshot."""
    await desk.fill("t", 3, counters_since_delta_snapshot={"n": [1, 1]})
    await desk.saver.aprune(["t"])
    assert rows_of(desk.path, "t") == [3, 4, 3]


async def test_deleting_a_thread_leaves_nothing_of_it(desk: Desk) -> None:
    """Neither checkpoint nor value nor write; `prune` with `delete` does the same."""
    for thread in ("t", "u", "v"):
        await desk.fill(thread, 2)
    await desk.saver.adelete_thread("t")
    await desk.saver.aprune(["u"], strategy="delete")
    assert [rows_of(desk.path, thread) for thread in ("t", "u")] == [[0, 0, 0]] * 2
    assert rows_of(desk.path, "v") == [2, 3, 2]


async def test_a_misspelt_strategy_deletes_nothing(desk: Desk) -> None:
    """It is refused, not taken for another one."""
    await desk.fill("t", 2)
    with pytest.raises(StoreError, match="keep_last"):
        await desk.saver.aprune(["t"], strategy="keep_last")
    assert rows_of(desk.path, "t") == [2, 3, 2]


async def test_deleting_a_run_frees_what_nobody_else_holds(desk: Desk) -> None:
    """A thread is the run that names none; another run's checkpoints keep their values."""
    await desk.fill("t", 2, run_id="r1")
    await desk.fill("t", 1, run_id="r2")
    await desk.fill("u", 2)
    await desk.saver.adelete_for_runs(["r1", "u", "nobody"])
    assert rows_of(desk.path, "t") == [1, 2, 1]
    assert rows_of(desk.path, "u") == [0, 0, 0]


async def test_a_copy_stands_by_itself(desk: Desk) -> None:
    """It survives the deletion of its source, which it never changes."""
    await desk.fill("t", 3)
    await desk.saver.acopy_thread("t", "copy")
    await desk.saver.adelete_for_runs(["t"])
    assert rows_of(desk.path, "copy") == [3, 4, 3]
    assert await desk.values("copy") == [2, 1, 0]


async def test_a_copy_onto_a_thread_that_is_in_use_is_refused(desk: Desk) -> None:
    """Two histories in one thread would be neither."""
    await desk.fill("t", 1)
    await desk.fill("u", 1)
    with pytest.raises(Conflict, match="already"):
        await desk.saver.acopy_thread("t", "u")
    assert rows_of(desk.path, "u") == [1, 2, 1]


async def test_another_tenants_thread_is_invisible(desk: Desk, other: Desk) -> None:
    """By id, in lists, and as a source of a copy."""
    await desk.fill("t", 2)
    assert await other.saver.aget_tuple(config_at("t")) is None
    assert await other.history("t") == []
    assert [found async for found in other.saver.alist(None)] == []
    assert len([found async for found in desk.saver.alist(None)]) == 2
    await other.saver.acopy_thread("t", "mine")
    assert rows_of(desk.path, "mine", "b") == [0, 0, 0]


async def test_another_tenants_thread_stays_untouched(desk: Desk, other: Desk) -> None:
    """Under the same id, whatever the other one deletes or prunes."""
    await desk.fill("t", 3)
    await other.fill("t", 2)
    await other.saver.aprune(["t"])
    await other.saver.adelete_for_runs(["t"])
    await other.saver.adelete_thread("t")
    assert rows_of(desk.path, "t") == [3, 4, 3]
    assert await desk.values("t") == [2, 1, 0]


async def test_a_saver_of_one_tenant_refuses_another_ones_configuration(desk: Desk) -> None:
    """A configuration cannot talk it into another tenant's rows."""
    with pytest.raises(StoreError, match="tenant"):
        await desk.saver.aget_tuple(config_at("t", tenant="b"))


@pytest.mark.parametrize("table", ["checkpoint_values", "checkpoint_writes", "checkpoints"])
async def test_a_stored_call_is_not_executed(desk: Desk, store: Store, table: str) -> None:
    """A forged row that names a callable comes back as its bare argument (CVE-2026-28277)."""
    await desk.fill("t", 1)
    call = CALL
    if table == "checkpoints":
        call = ormsgpack.packb({"v": 4, "id": "1", "ts": ormsgpack.Ext(*_parts())})
    await store.write("a", lambda s: _forge(s, table, call))
    (found,) = await desk.history("t")
    writes = found.pending_writes or []
    seen = (found.checkpoint["ts"], found.checkpoint["channel_values"]["n"], writes[0][2])
    assert [value for value in seen if isinstance(value, float)] == [9.0]


def _parts() -> tuple[int, bytes]:
    return EXT_CONSTRUCTOR_SINGLE_ARG, ormsgpack.packb(("math", "sqrt", 9.0))


def _forge(session: Any, table: str, payload: bytes) -> None:
    column = "body" if table == "checkpoints" else "value"
    where = "" if table == "checkpoints" else " AND channel = 'n'"
    statement = f"UPDATE {table} SET {column} = ? WHERE thread_id = 't'{where}"  # noqa: S608
    assert session.checkpoints._connection.execute(statement, (payload,)).rowcount == 1


async def test_a_filter_key_never_becomes_sql(desk: Desk) -> None:
    """It is compared as the name of a field, whatever stands in it (CVE-2025-67644)."""
    await desk.fill("t", 2)
    evil = {"step') IS NOT NULL OR 1=1 --": 1}
    assert [found async for found in desk.saver.alist(config_at("t"), filter=evil)] == []
    named = [found async for found in desk.saver.alist(config_at("t"), filter={"step": 1})]
    assert [json.dumps(found.metadata["step"]) for found in named] == ["1"]

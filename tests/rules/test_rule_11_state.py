"""Rule 11: state is JSON, small, strictly loaded and validated."""

from __future__ import annotations

import json
import os
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG
from langgraph.types import Command

from agent_runtime import Context
from agent_runtime.evidence import Document
from agent_runtime.worker import config_of
from tests.conftest import OpenOffice
from tests.ledger import get_account
from tests.office import Office

PLAIN = (str, int, float, bool, type(None))
BIG = "All work and no play. " * 5_000


def impurities(value: Any, path: str = "") -> list[str]:
    """Where something other than plain JSON hides."""
    if type(value) is dict:
        keys = [f"{path}: key {key!r}" for key in value if type(key) is not str]
        return keys + [x for k, v in value.items() for x in impurities(v, f"{path}.{k}")]
    if type(value) is list:
        return [x for n, v in enumerate(value) for x in impurities(v, f"{path}[{n}]")]
    return [] if type(value) in PLAIN else [f"{path}: {type(value).__name__}"]


async def checkpoints(office: Office, run_id: str) -> list[dict[str, Any]]:
    """The channel values of every checkpoint of a run."""
    graph = office.runtime._worker._graphs["ledger"]
    config = config_of(office.read(run_id))
    return [snapshot.values async for snapshot in graph.aget_state_history(config)]


async def test_every_checkpoint_is_plain_json(asking: Office) -> None:
    """No enum, model, tuple, datetime or decimal is in any of them."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", "respond")
    await asking.drive(asking.read(asked.run_id))
    await asking.answer(asking.read(asked.run_id), "lena")
    await asking.drive(asking.read(asked.run_id))
    values = await checkpoints(asking, asked.run_id)
    assert len(values) >= 8
    assert impurities(values) == []
    assert json.loads(json.dumps(values)) == values


async def test_what_the_saver_stored_is_plain_json(asking: Office) -> None:
    """The pause itself, a channel value of LangGraph's, carries our plain values too."""
    asked = await asking.parked()
    saver: Any = asking.runtime._worker._graphs["ledger"].checkpointer
    config = config_of(asking.read(asked.run_id))
    writes = [w async for c in saver.alist(config) for w in c.pending_writes or []]
    (pause,) = [value for _, channel, value in writes if channel == "__interrupt__"]
    assert impurities([found.value for found in pause]) == []


@pytest.mark.parametrize("where", ["document", "input"])
async def test_large_content_is_not_in_the_checkpoints(open_office: OpenOffice, where: str) -> None:
    """A document or a message of 100 kB is stored once, and the checkpoints stay small."""
    office = await open_office(step={"context": Context(tools=[get_account], token_budget=60_000)})
    if where == "document":
        run = await office.start(documents=[Document(source="mail-1", text=BIG)])
    else:
        run = await office.start(message=BIG)
    await office.drive(run)
    values = await checkpoints(office, run.id)
    assert values[0]["shown"]
    assert max(len(json.dumps(value)) for value in values) < 4_000


async def test_a_passage_is_stored_once(office: Office) -> None:
    """Two runs that are shown the same document share its content."""
    document = Document(source="mail-1", text="The same text.")
    first = await office.drive(await office.start(documents=[document]))
    second = await office.drive(await office.start(documents=[document]))
    hashes = [(await checkpoints(office, run.id))[0]["shown"] for run in (first, second)]
    assert len(set(hashes[0]) & set(hashes[1])) >= 1


def test_strict_msgpack_is_on_before_langgraph_is_imported() -> None:
    """Importing the package is enough."""
    from langgraph.checkpoint.serde import _msgpack

    assert os.environ["LANGGRAPH_STRICT_MSGPACK"] == "true"
    assert _msgpack.STRICT_MSGPACK_ENABLED


async def test_a_stored_call_is_not_executed(office: Office) -> None:
    """A checkpoint that says "import this and call it" comes back as its bare argument."""
    saver: Any = office.runtime._worker._graphs["ledger"].checkpointer
    call = ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, ormsgpack.packb(("math", "sqrt", 9.0)))
    assert saver.serde.loads_typed(("msgpack", ormsgpack.packb(call))) == 9.0


@pytest.mark.parametrize(
    "forged",
    [
        {"step": "pay_out", "status": "approved"},
        {"step": "pay_out", "status": "proposed", "confidence": 2, "reason": ""},
        "approved",
    ],
)
async def test_what_is_loaded_is_validated(asking: Office, forged: Any) -> None:
    """An envelope that was changed in the database is refused, and nothing is executed."""
    asked = await asking.parked()
    await asking.answer(asked, "lena")
    run = asking.read(asked.run_id)
    segment = await asking.claim(run)
    graph = asking.runtime._worker._graphs["ledger"]
    changed = Command(update={"envelope": forged, "route": "gate"}, goto="pay_out.gate")
    await graph.aupdate_state(config_of(segment.run), changed, as_node="pay_out.reasoning")
    await asking.runtime.store.write(
        "default", lambda s: s.approvals.close(asked.id, "voided", "x")
    )
    await asking.runtime.store.write("default", lambda s: s.runs.move(run.id, "queued"))
    run = await asking.drive(run)
    assert (run.state, asking.bank.payouts) == ("needs_attention", [])

"""Large arguments stand in many events of a run and are stored once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.store import Content, Store

LETTER = {"text": "Dear customer, " * 40}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "runtime.db", SystemClock())
    yield opened
    opened.close()


async def proposed(store: Store, arguments: Any, times: int = 1) -> list[Any]:
    """What events that propose an action with these arguments read like afterwards."""
    action = {"tool": "send", "arguments": arguments}
    for _ in range(times):
        await store.write("t", lambda s: s.events.append("gate.judged", None, action=action))
    return [(event.body or {})["action"]["arguments"] for event in store.read("t").events.find()]


async def test_they_read_as_they_were_written(store: Store) -> None:
    """And the chain still verifies."""
    assert await proposed(store, LETTER, times=5) == [LETTER] * 5
    assert store.read("t").events.verify().problem == ""


async def test_the_file_holds_them_once(store: Store) -> None:
    """However many events repeat them."""
    await proposed(store, LETTER, times=5)
    content = b"".join(file.read_bytes() for file in store.path.parent.iterdir())
    assert content.count(LETTER["text"].encode()) == 1


async def test_what_looks_like_a_reference_is_none(store: Store) -> None:
    """A model cannot have another content shown in place of its arguments."""
    secret = await store.write("t", lambda s: s.recordings.put({"card": "4111"}))
    forged = {"$content": secret}
    assert await proposed(store, forged) == [forged]


async def test_a_tenant_reads_nothing_of_anothers(store: Store) -> None:
    """The same hash under another tenant stays a reference to nothing."""
    await store.write("other", lambda s: s.recordings.put(Content.of(LETTER)))
    assert store.read("t").recordings.kept(Content.of(LETTER).hash) is None

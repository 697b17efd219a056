"""Who is woken by what another process has stored: whom it concerns, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agent_runtime.api.live import MOST, POLICIES, Live, of_tenant
from agent_runtime.clock import SystemClock
from agent_runtime.event import EventType
from agent_runtime.store import Session, Store

SOON, PATIENCE = 1.0, 30.0


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    """The wake-ups of one process."""
    store = Store(tmp_path / "runtime.db", SystemClock())
    made = Live(store)
    watching = asyncio.create_task(made.run())
    yield made
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    store.close()


@pytest_asyncio.fixture
async def elsewhere(live: Live, tmp_path: Path) -> AsyncIterator[Store]:
    """The same file as another process has it."""
    store = Store(tmp_path / "runtime.db", SystemClock())
    yield store
    store.close()


async def append(store: Store, kind: EventType, run: str | None = None, times: int = 1) -> None:
    def work(session: Session) -> None:
        for _ in range(times):
            session.events.append(kind, run)

    await store.write("default", work)


async def test_a_run_that_halts_elsewhere_wakes_those_who_wait_for_it(
    live: Live, elsewhere: Store
) -> None:
    """And not those who wait for another run, however much happens."""
    mine = asyncio.create_task(live.wait("run-1", PATIENCE))
    others = asyncio.create_task(live.wait("run-2", PATIENCE))
    await append(elsewhere, "run.queued", "run-2")
    await append(elsewhere, "run.paused", "run-1")
    assert await mine
    await asyncio.sleep(SOON)
    assert not others.done()
    await append(elsewhere, "run.ended", "run-2")
    assert await others


@pytest.mark.parametrize(
    ("topic", "kind"),
    [(of_tenant("default"), "run.queued"), (POLICIES, "policy.activated")],
    ids=["any event, for whoever follows a tenant", "a policy that is put in force"],
)
async def test_what_happens_elsewhere_wakes_whoever_follows_it(
    live: Live, elsewhere: Store, topic: str, kind: EventType
) -> None:
    """Well before the patience ends that they have."""
    waiting = asyncio.create_task(live.wait(topic, PATIENCE))
    stranger = asyncio.create_task(live.wait(of_tenant("acme"), PATIENCE))
    await asyncio.sleep(0)
    await append(elsewhere, kind)
    assert await waiting
    assert not stranger.done()
    stranger.cancel()


async def test_so_much_that_it_is_not_looked_through_wakes_everybody(
    live: Live, elsewhere: Store
) -> None:
    """Nobody waits for what was passed over."""
    waiting = asyncio.create_task(live.wait("run-1", PATIENCE))
    await asyncio.sleep(0)
    await append(elsewhere, "run.queued", "run-2", MOST)
    assert await waiting

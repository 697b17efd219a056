"""Live: one wake-up for a whole process when events are stored, wherever they were stored.

Nobody is handed an event. Whoever waits reads the store again from where they stood, so that a
slow reader holds no memory and nothing is lost or told twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from agent_runtime.errors import StoreError
from agent_runtime.event import Event, EventType
from agent_runtime.store import Store
from agent_runtime.telemetry import log

TICK = 0.15
"""Seconds between two looks for what other processes have stored."""

HALTS: frozenset[EventType] = frozenset({"run.paused", "run.waits", "run.ended"})
"""Events after which a run stands still: what those who wait for one want to hear of."""


@dataclass
class _Call:
    """What several wait for together."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0


class Live:
    """Wakes those who wait in this process: for anything of a tenant, or for one run to halt."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls: dict[str, _Call] = {}
        self._version: int | None = None
        self.closing = False

    async def run(self) -> None:
        """Watch the file until cancelled."""
        self._store.listeners.append(self._hear)
        try:
            while True:
                await asyncio.sleep(TICK)
                version = self._look()
                if self._version not in (None, version):
                    self._stir(*self._calls)
                self._version = version
        finally:
            self._store.listeners.remove(self._hear)

    async def wait(self, topic: str, patience: float) -> bool:
        """Sleep until something may have happened to a tenant (`of_tenant`) or a run (its id);
        false when `patience` seconds ended first."""
        call = self._calls.setdefault(topic, _Call())
        call.waiting += 1
        try:
            # Not wait_for, which in Python 3.11 loses a cancellation that comes with the event: the
            # stream of somebody who has left would go on for ever.
            async with asyncio.timeout(patience):
                await call.event.wait()
        except TimeoutError:
            return False
        finally:
            call.waiting -= 1
            if not call.waiting and self._calls.get(topic) is call:
                del self._calls[topic]
        return True

    def _look(self) -> int | None:
        try:
            return self._store.version()
        except StoreError as error:  # another look may succeed, and this one woke nobody
            log("events cannot be watched", error=error.code)
            return self._version

    def close(self) -> None:
        """Tell the streams to end."""
        self.closing = True
        self._stir(*self._calls)

    def _stir(self, *topics: str) -> None:
        """Wake them. Those who come later wait for the next time."""
        for topic in topics:
            call = self._calls.pop(topic, None)
            if call is not None:
                call.event.set()

    def _hear(self, event: Event) -> None:
        self._stir(of_tenant(event.tenant))
        if event.run_id is not None and event.type in HALTS:
            self._stir(event.run_id)


def of_tenant(tenant: str) -> str:
    """The topic of all that happens in one tenant; no run's id looks like it."""
    return f"tenant {tenant}"

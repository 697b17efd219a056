"""Live: one wake-up for a whole process when events are stored, wherever they were stored.

Nobody is handed an event. Whoever waits reads the store again from where they stood, so that a
slow reader holds no memory and nothing is lost or told twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from agent_runtime.errors import StoreError
from agent_runtime.event import HALTS, Event, EventType
from agent_runtime.store import Store
from agent_runtime.telemetry import log

TICK = 0.15
"""Seconds between two looks for what other processes have stored."""

POLICIES = "policies"
"""The topic of what is put in force; no run's id looks like it."""

MOST = 1_000
"""Events that are looked through at one such look; after more, everybody is woken."""


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
        self._known: dict[Path, int] = {}
        """By file: the event up to which has been looked."""
        self.closing = False

    async def run(self) -> None:
        """Watch the file until cancelled."""
        self._store.listeners.append(self._hear)
        try:
            while True:
                self._look()
                await asyncio.sleep(TICK)
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

    def _look(self) -> None:
        """Wake those whom what other processes have stored concerns, and nobody else: a process
        with hundreds who wait would read their rows over and over."""
        try:
            version = self._store.version()
            if version == self._version:
                return
            for file in self._store.all():
                self._look_through(file)
        except StoreError as error:  # another look may succeed, and this one woke nobody
            log("events cannot be watched", error=error.code)
        else:
            self._version = version

    def _look_through(self, file: Store) -> None:
        found = file.read_across().appended(self._known.get(file.path, 0), MOST)
        if len(found) == MOST:
            self._stir(*self._calls)
        for one in found:
            self._known[file.path] = max(one.seq, self._known.get(file.path, 0))
            self._tell(one.tenant, one.run_id, one.type)

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
        self._tell(event.tenant, event.run_id, event.type)

    def _tell(self, tenant: str, run_id: str | None, kind: EventType) -> None:
        self._stir(of_tenant(tenant))
        if run_id is not None and kind in HALTS:
            self._stir(run_id)
        if kind == "policy.activated":
            self._stir(POLICIES)


def of_tenant(tenant: str) -> str:
    """The topic of all that happens in one tenant; no run's id looks like it."""
    return f"tenant {tenant}"

"""Roots: the span of a whole run reaches its receiver also when a process dies right after its end.

That a root is owed is stored in the commit in which the run ends, and that a receiver has it a
moment after it said so. What a process that is gone still owes, the next one exports: the root's
ids were planned when the run started, so that it is the same span.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

from agent_runtime.errors import AgentRuntimeError
from agent_runtime.queue.owner import is_gone
from agent_runtime.run import ENDS
from agent_runtime.store import Store
from agent_runtime.store.retention import stored_tenants
from agent_runtime.telemetry import Telemetry, log

QUIET = 0.5
"""Seconds between a receiver's word and its note: several are noted together."""


async def note_received(store: Store, telemetry: Telemetry) -> None:
    """Store what receivers have acknowledged since the last time."""
    runs: dict[str, list[str]] = defaultdict(list)
    for tenant, run_id in telemetry.received.take():
        runs[tenant].append(run_id)
    for tenant, ids in runs.items():
        # A tenant that was erased meanwhile owes nothing; a full disk leaves it owed.
        with suppress(AgentRuntimeError):
            await store.write(tenant, lambda session, i=ids: session.traces.acknowledge(i))  # type: ignore[misc]  # bound per turn


class Roots:
    """Has the roots of one installation arrive, while a process works."""

    def __init__(self, store: Store, telemetry: Telemetry, owner: str) -> None:
        self._store = store
        self._telemetry = telemetry
        self._owner = owner
        self._noting: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Export what those that are gone still owe, and note from now on what has arrived."""
        if not self._telemetry.exports:
            return
        loop = asyncio.get_running_loop()
        self._telemetry.received.listen(lambda: loop.call_soon_threadsafe(self._set_out))
        for file in self._store.all():
            for tenant in stored_tenants(file.read_across().connection):
                await self._take_over(tenant)

    async def end(self) -> None:
        """Stop; what was received by now is noted."""
        self._telemetry.received.listen(None)
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)
        await note_received(self._store, self._telemetry)

    async def _take_over(self, tenant: str) -> None:
        if not any(is_gone(owner) for _, owner in self._store.read(tenant).traces.owed()):
            return
        try:
            taken = await self._store.write(
                tenant, lambda session: session.traces.take_over(self._owner, is_gone)
            )
            for run_id in taken:
                run = self._store.read(tenant).runs.get(run_id)
                if run.state in ENDS:
                    self._telemetry.ended(run)
        except AgentRuntimeError as error:  # erased meanwhile, or its disk is full
            log("roots could not be taken over", tenant=tenant, error=error.code)

    def _set_out(self) -> None:
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note())

    async def _note(self) -> None:
        await asyncio.sleep(QUIET)
        await note_received(self._store, self._telemetry)

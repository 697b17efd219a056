"""LangGraph's saver on our store: strict, and fenced by the run's epoch.

Each write checks the claim in its own transaction and returns once it is committed; reads go
straight to the file and see all that this saver was asked to write before.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agent_runtime.errors import Conflict, NotFound, StoreError
from agent_runtime.run import ENDS
from agent_runtime.store import Lane, Session, Store
from agent_runtime.store.checkpoints import Checkpoints, PendingWrite, Place, StoredCheckpoint

LANE = "__lane"
"""Where a configuration holds the claim's lane: then nothing waits for a commit here, and whoever
reports what was stored writes to the lane first. LangGraph keeps such names out of metadata."""

LATEST = "__latest"
"""Where a configuration holds the thread's newest checkpoint (None: there is none): see
`holding`."""

STORED_APART = ("channel_values", "channel_versions")
"""Fields of a checkpoint that have rows and a column of their own."""


@dataclass(frozen=True)
class _Address:
    """What a configuration says: whose checkpoint, where, and under which claim."""

    tenant: str
    thread_id: str
    ns: str
    checkpoint_id: str | None
    epoch: int | None
    lane: Lane | None

    def at(self, checkpoint_id: str | None) -> Place:
        if checkpoint_id is None:
            raise StoreError(f"The configuration of thread {self.thread_id} names no checkpoint.")
        return Place(self.thread_id, self.ns, checkpoint_id)

    def config(self, place: Place) -> RunnableConfig:
        """The configuration of another checkpoint under the same claim."""
        found: dict[str, Any] = {"tenant": self.tenant, "thread_id": place.thread_id}
        found |= {"checkpoint_ns": place.ns, "checkpoint_id": place.checkpoint_id}
        if self.epoch is not None:
            found["epoch"] = self.epoch
        if self.lane is not None:
            found[LANE] = self.lane
        return {"configurable": found}


class Saver(BaseCheckpointSaver[str]):
    """Checkpoints in the store's file. Only for async use, as all of LangGraph here is.

    A configuration names `thread_id` (the run), `tenant` and, to write, the claim's `epoch`.
    `tenant` is for configurations without one and for what takes no configuration; `fenced=False`
    is for threads that are no runs: nothing checks who writes them.
    """

    def __init__(self, store: Store, *, tenant: str | None = None, fenced: bool = True) -> None:
        # An empty allow-list: state is plain JSON, so nothing has to be constructed.
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._store = store
        self._tenant = tenant
        self._fenced = fenced
        self._waiting: Counter[tuple[str, str]] = Counter()

    def of(self, tenant: str) -> Saver:
        """This saver for one tenant: what takes no configuration works on its threads only."""
        bound = copy.copy(self)
        bound._tenant = tenant
        return bound

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; raises LostOwnership."""
        address = self._address(config)
        known = cast("dict[str, Any]", get_checkpoint_metadata(config, metadata))
        known.pop("tenant", None)
        held = checkpoint["channel_values"]
        stored = StoredCheckpoint(
            place=address.at(checkpoint["id"]),
            parent_id=address.checkpoint_id,
            run_id=known.get("run_id"),
            versions={**checkpoint["channel_versions"], **new_versions},
            metadata=known,
            body=self.serde.dumps_typed(
                {name: value for name, value in checkpoint.items() if name not in STORED_APART}
            ),
        )
        values = {c: self.serde.dumps_typed(held[c]) for c in new_versions if c in held}
        if address.lane is not None:
            # It holds what its tasks wrote: their own rows, where still unsent, are needless.
            address.lane.post(lambda s: s.checkpoints.put(stored, values), replaces=True)
        else:
            await self._write(address, lambda checkpoints: checkpoints.put(stored, values))
        return address.config(stored.place)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store a task's writes; raises LostOwnership."""
        address = self._address(config)
        place = address.at(address.checkpoint_id)
        # A task that runs again may report another error or pause, but never other results.
        replace = all(channel in WRITES_IDX_MAP for channel, _ in writes)

        def put(checkpoints: Checkpoints) -> None:
            rows = [
                PendingWrite(
                    task_id,
                    WRITES_IDX_MAP.get(channel, idx),
                    task_path,
                    channel,
                    self.serde.dumps_typed(value),
                )
                for idx, (channel, value) in enumerate(writes)
            ]
            checkpoints.put_writes(place, rows, replace=replace)

        if address.lane is not None:
            address.lane.post(lambda session: put(session.checkpoints), provisional=True)
        else:
            await self._write(address, put)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that is named, or the thread's newest."""
        address = self._address(config)
        if LATEST in config["configurable"] and address.checkpoint_id is None:
            return cast("CheckpointTuple | None", config["configurable"][LATEST])
        await self._settle(address)
        checkpoints = self._store.read(address.tenant).checkpoints
        stored = checkpoints.get(address.thread_id, address.ns, address.checkpoint_id)
        return None if stored is None else self._load(address, stored)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 — the base class names it
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, newest first; of all the tenant's threads when `config` is None."""
        address = self._address(config or {"configurable": {"thread_id": ""}})
        await self._settle(address)
        thread_id = address.thread_id if config else None
        ns = config["configurable"].get("checkpoint_ns") if config else None
        older = before["configurable"].get("checkpoint_id") if before else None
        checkpoints = self._store.read(address.tenant).checkpoints
        found = 0
        for place, metadata in checkpoints.find(thread_id, ns, older):
            # Compared here: a caller's key never becomes part of a statement (CVE-2025-67644).
            wanted = all(metadata.get(key) == value for key, value in (filter or {}).items())
            if not wanted or address.checkpoint_id not in (None, place.checkpoint_id):
                continue
            if limit is not None and found >= limit:
                return
            stored = checkpoints.get(place.thread_id, place.ns, place.checkpoint_id)
            if stored is not None:
                found += 1
                yield self._load(address, stored)

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove a thread; raises Conflict while its run has not ended."""
        await self._keep_house([thread_id], lambda c: c.delete_thread(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints of runs; raises Conflict while one has not ended."""
        await self._keep_house(run_ids, lambda c: c.delete_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with all its history; raises Conflict unless the target is empty."""
        await self._keep_house([], lambda c: c.copy_thread(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep the newest checkpoint of each namespace, or with `delete` none.

        Raises Conflict when it would delete the checkpoints of a run that has not ended.
        """
        if strategy not in ("keep_latest", "delete"):
            raise StoreError(f"There is no way to prune called {strategy!r}.")

        def prune(checkpoints: Checkpoints) -> None:
            for thread_id in thread_ids:
                if strategy == "delete":
                    checkpoints.delete_thread(thread_id)
                else:
                    checkpoints.keep_latest(thread_id)

        await self._keep_house(thread_ids if strategy == "delete" else [], prune)

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002 — the base class passes it
        """The version after `current`; sorted as text, also after those of the stock saver, which
        begin with more zeros."""
        # The second part keeps two branches apart that count on from one checkpoint: they share
        # the table of values. It is no secret, and a forked process draws others.
        number = 0 if current is None else int(str(current).split(".")[0])
        return f"{number + 1:06d}.{random.getrandbits(32):08x}"

    def _address(self, config: RunnableConfig) -> _Address:
        named = config["configurable"]
        tenant = named.get("tenant", self._tenant)
        if tenant is None or self._tenant not in (None, tenant):
            raise StoreError(f"The saver of tenant {self._tenant} was asked about {tenant}'s data.")
        ns, checkpoint_id = named.get("checkpoint_ns", ""), named.get("checkpoint_id")
        thread, epoch, lane = str(named["thread_id"]), named.get("epoch"), named.get(LANE)
        return _Address(tenant, thread, ns, checkpoint_id, epoch, lane)

    async def _write(self, address: _Address, work: Callable[[Checkpoints], None]) -> None:
        if self._fenced and address.epoch is None:
            raise StoreError(f"The configuration of run {address.thread_id} names no claim.")

        def owned(session: Session) -> None:
            if address.epoch is not None:
                session.runs.own(address.thread_id, address.epoch)
            work(session.checkpoints)

        thread = (address.tenant, address.thread_id)
        self._waiting[thread] += 1
        try:
            await self._store.write(address.tenant, owned)
        finally:
            self._waiting[thread] -= 1
            if not self._waiting[thread]:
                del self._waiting[thread]

    async def _settle(self, address: _Address) -> None:
        """Wait until what this thread's writers have asked for so far is committed."""
        if address.lane is not None:
            await address.lane.settled()
        if (address.tenant, address.thread_id) in self._waiting:
            # One writer, first in, first out: when this is through, so is all before it.
            await self._store.write(address.tenant, lambda _: None)

    async def _keep_house(self, ended: Sequence[str], work: Callable[[Checkpoints], None]) -> None:
        if self._tenant is None:
            raise StoreError("Whose thread it is, is not said.", remedy="Use `saver.of(tenant)`.")

        def clean(session: Session) -> None:
            if self._fenced:
                for thread_id in ended:
                    _require_end(session, thread_id)
            work(session.checkpoints)

        await self._store.write(self._tenant, clean)

    def _load(self, address: _Address, stored: StoredCheckpoint) -> CheckpointTuple:
        checkpoint = self.serde.loads_typed(stored.body)
        checkpoint["channel_versions"] = dict(stored.versions)
        checkpoint["channel_values"] = {
            channel: self.serde.loads_typed(value) for channel, value in stored.values.items()
        }
        place, parent = stored.place, stored.parent_id
        older = None if parent is None else Place(place.thread_id, place.ns, parent)
        return CheckpointTuple(
            config=address.config(place),
            checkpoint=checkpoint,
            metadata=cast("CheckpointMetadata", stored.metadata),
            parent_config=None if older is None else address.config(older),
            pending_writes=[
                (w.task_id, w.channel, self.serde.loads_typed(w.value)) for w in stored.writes
            ],
        )


# LangGraph looks at it at each invocation, which took as long as storing what a node wrote.
Saver.aput_writes.__signature__ = signature(Saver.aput_writes)  # type: ignore[attr-defined]  # as PEP 362 has it


def holding(config: RunnableConfig, newest: CheckpointTuple | None) -> RunnableConfig:
    """A configuration that brings the thread's newest checkpoint along, to be read only once."""
    return {**config, "configurable": {**config["configurable"], LATEST: newest}}


def _require_end(session: Session, run_id: str) -> None:
    """Raises Conflict while the run may still be driven: without its checkpoints it would begin
    anew. A thread without a run of this tenant holds nothing to protect."""
    try:
        run = session.runs.get(run_id)
    except NotFound:
        return
    if run.state not in ENDS:
        raise Conflict(f"Run {run_id} is {run.state}; its checkpoints are still needed.")

"""Plays: runs played whole under a change, one after another or many of them in processes."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context

from agent_runtime.app import App
from agent_runtime.errors import AgentRuntimeError
from agent_runtime.event import Event
from agent_runtime.replay.change import Change
from agent_runtime.replay.chapter import Visit
from agent_runtime.replay.crew import MOST, Kit, kit_of, unpacked
from agent_runtime.replay.player import Gap
from agent_runtime.replay.stage import Stage, staged
from agent_runtime.replay.tape import Tape, load_tape
from agent_runtime.run import Run
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.verdict import Verdict

FEW = 300
"""Runs up to which one stage is faster than processes that have to load the project first."""

PART = 20
"""Runs that a process is given at once."""

AHEAD = 2
"""Parts for each process that are read before they are needed: all at once would fill memory."""

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Ending:
    """What came of one run: how it ends, or why nobody knows; what its gates said, by visit.
    `live`: how often a model was asked."""

    words: str
    said: Mapping[Visit, Verdict] = field(default_factory=dict)
    played: bool = True
    live: int = 0

    @property
    def unknown(self) -> bool:
        """Whether the story breaks off."""
        return self.words.startswith(UNKNOWN)


Told = Callable[[str], None]
"""Called with the id of each run that was played."""


@dataclass
class Plays:
    """The runs of one rehearsal, each played once; more than `few` in processes."""

    session: Session
    change: Change
    asking: ModelSettings
    few: int = FEW
    endings: dict[str, Ending] = field(default_factory=dict)

    async def play(self, run_ids: Iterable[str], told: Told = lambda _: None) -> None:
        """Play those that were not played yet; `endings` has them then."""
        left = [run_id for run_id in dict.fromkeys(run_ids) if run_id not in self.endings]
        app, live = self.change.app, self.change.live
        # What asks a model now is bound to this process: its client, its limits.
        kit = None if live or len(left) <= self.few else kit_of(app, list(app.policies.values()))
        if kit is not None:
            with suppress(BrokenProcessPool):  # one stage plays the rest, and breaks over nothing
                await self._in_processes(replace(kit, prompts=app.prompts), left, told)
            left = [run_id for run_id in left if run_id not in self.endings]
        if left:
            async with staged(app, self.asking, live) as stage:
                for run_id in left:
                    self.endings[run_id] = await self._one(stage, run_id)
                    told(run_id)

    async def _one(self, stage: Stage, run_id: str) -> Ending:
        tape = self._tape(run_id)
        return tape if isinstance(tape, Ending) else await _played(stage, tape)

    def _tape(self, run_id: str) -> Tape | Ending:
        """A run's recordings, or that they are of no use."""
        try:
            return load_tape(self.session, run_id)
        except AgentRuntimeError as error:
            return Ending(f"{UNKNOWN}: {error.message}", played=False)

    def _tapes(self, run_ids: Sequence[str], told: Told) -> Iterator[Tape]:
        """What there is to play; the other runs have their ending already."""
        for run_id in run_ids:
            tape = self._tape(run_id)
            if isinstance(tape, Tape):
                yield tape
            else:
                self.endings[run_id] = tape
                told(run_id)

    async def _in_processes(self, kit: Kit, run_ids: Sequence[str], told: Told) -> None:
        loop, workers = asyncio.get_running_loop(), min(MOST, os.cpu_count() or 1)
        given = (kit, self.asking)
        # Forked, a process would inherit the locks of the writer's thread as they were.
        pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_begin, initargs=given
        )
        tapes, waiting = self._tapes(run_ids, told), deque[asyncio.Future[dict[str, Ending]]]()
        try:
            while part := list(islice(tapes, PART)):
                waiting.append(loop.run_in_executor(pool, _play_packed, pickle.dumps(part)))
                if len(waiting) >= AHEAD * workers:
                    self._take(await waiting.popleft(), told)
            while waiting:
                self._take(await waiting.popleft(), told)
        finally:
            for left in waiting:
                left.cancel()
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    def _take(self, endings: Mapping[str, Ending], told: Told) -> None:
        self.endings |= endings
        for run_id in endings:
            told(run_id)


async def _played(stage: Stage, tape: Tape) -> Ending:
    """One run under the change."""
    try:
        run, gap, events = await stage.try_on(tape)
    except AgentRuntimeError as error:
        return Ending(f"{UNKNOWN}: {error.message}", played=False)
    bodies = [event.body or {} for event in events if event.type == "gate.judged"]
    said = {(b["step"], b["visit"]): Verdict.model_validate(b["verdict"]) for b in bodies}
    return Ending(_words(run, gap, events), said, live=stage.asked_live)


def _words(run: Run, gap: Gap | None, events: Sequence[Event]) -> str:
    """How a run ends under the change, or where its recording does."""
    if gap is None:
        return "asks people" if run.state == "paused" else f"ends {run.state}"
    place = next((e.body or {} for e in reversed(events) if "step" in (e.body or {})), {})
    where = f"step {place.get('step', '')}".strip()
    return f"{UNKNOWN} after {where}: its {gap.what} was never recorded"


_here: list[tuple[App, ModelSettings]] = []
"""A process's own, made once when it begins."""


def _begin(kit: Kit, asking: ModelSettings) -> None:
    """Make the changed app in a new process; what it raises breaks the pool."""
    app, sets = unpacked(kit)
    policies = {policy.name: policy for policy in sets}
    changed = replace(app, policies=policies, prompts=kit.prompts, _pinned={})
    _here.append((changed, asking))


def _play_packed(part: bytes) -> dict[str, Ending]:
    # Packed by the process that started this one.
    return asyncio.run(_play(pickle.loads(part)))  # noqa: S301


async def _play(tapes: Sequence[Tape]) -> dict[str, Ending]:
    app, asking = _here[0]
    async with staged(app, asking) as stage:
        return {tape.run.id: await _played(stage, tape) for tape in tapes}

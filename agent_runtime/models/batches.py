"""Batches: requests of many runs that go to a provider together, and wake their runs when they are
back. Everything here is done by timers, by whichever process looks first."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from agent_runtime.budget import Spent
from agent_runtime.errors import ModelUnavailable
from agent_runtime.failure import TABLE, FailureKind
from agent_runtime.models.letter import BatchEndpoint
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.retry import Failure, as_failure
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store
from agent_runtime.store.batches import Batch, Line
from agent_runtime.telemetry import log
from agent_runtime.telemetry.log import warn

MOST = 1_000
"""Lines of one batch."""

SLICE = 100
"""Answers that are stored in one commit."""

FIRST_LOOK, LONGEST_LOOK = 15.0, 600.0
"""Seconds between two looks at a batch; they double from one to the other."""

TURN = timedelta(minutes=5)
"""How long others leave a batch to the process that has taken its timer: after that it is dead."""

SENDS = 3
"""Attempts at sending a batch."""

GONE: frozenset[FailureKind] = frozenset({"unknown_model", "unusable"})
"""What a provider says of a batch that it does not have."""

UNHEARD: frozenset[FailureKind] = frozenset({"timed_out", "unreachable", "server_error"})
"""What may have been sent all the same: nobody heard the answer."""

_COLLECT = "collect:"
"""Before a model's name: the timer of its lines that wait to be sent."""


def collect(session: Session, line: Line, wait: float) -> None:
    """Keep a line, to be sent in so many seconds with all that come until then."""
    session.calls.batches.add(line)
    subject = _COLLECT + line.model
    if session.timers.get("batch", subject) is None:
        session.timers.set("batch", subject, session.now + timedelta(seconds=wait))
    told = {"step": line.step, "visit": line.visit, "model": line.model}
    session.events.append("model.batched", line.run_id, **told, state="handed in")


@dataclass(frozen=True)
class _Turn:
    """A batch in this process's hands until `ends`, when others take it to be dead. `is_fresh`: it
    was never in anybody else's."""

    tenant: str
    batch: Batch
    ends: datetime
    is_fresh: bool = False

    def holds(self, session: Session) -> bool:
        """Whether it still is: one that slept for longer finds it with another."""
        return session.timers.get("batch", self.batch.id) == self.ends

    def with_batch(self, **changes: Any) -> _Turn:
        """The same turn, the batch further on."""
        return replace(self, batch=self.batch.model_copy(update=changes))


class Batches:
    """The batches of one installation."""

    def __init__(self, store: Store, lineup: Lineup) -> None:
        self._store = store
        self._lineup = lineup

    async def set_out(self, tenant: str) -> list[Coroutine[Any, Any, None]]:
        """What is due, taken from all other processes and to be done beside the runs."""

        def take(session: Session) -> list[tuple[str, datetime]]:
            return [(subject, _take(session, subject)) for subject in session.timers.due("batch")]

        if not self._store.read(tenant).timers.due("batch"):
            return []
        taken = await self._store.write(tenant, take)
        return [self._attend(tenant, subject, ends) for subject, ends in taken]

    async def _attend(self, tenant: str, subject: str, ends: datetime) -> None:
        if subject.startswith(_COLLECT):
            await self._gather(tenant, subject.removeprefix(_COLLECT))
            return
        batch = self._store.read(tenant).calls.batches.batch(subject)
        if batch is None:
            await self._store.write(tenant, lambda session: session.timers.drop("batch", subject))
        else:
            await self._pursue(_Turn(tenant, batch, ends))

    async def _gather(self, tenant: str, model: str) -> None:
        """Send what has been collected for a model."""

        def gather(session: Session) -> _Turn | None:
            batches, subject = session.calls.batches, _COLLECT + model
            for line in batches.drop_ended(model):
                _give_back(session, line)
            batch = batches.gather(new_id("batch"), model, MOST)
            if batch is None:
                session.timers.drop("batch", subject)
                return None
            return _Turn(tenant, batch, _take(session, batch.id), is_fresh=True)

        while (turn := await self._store.write(tenant, gather)) is not None:
            await self._pursue(turn)

    async def _pursue(self, turn: _Turn) -> None:
        """Send a batch, or look at it; what fails follows the table of failures."""
        endpoint = await self._lineup.batch_endpoint(turn.batch.model)
        if endpoint is None:
            await self._give_up(turn, "no batch endpoint is configured", unsure=not turn.is_fresh)
            return
        try:
            if turn.batch.theirs is None:
                await self._send(turn, endpoint)
            else:
                await self._look(turn, endpoint)
        except ModelUnavailable as error:
            await self._failed(turn, as_failure(error))

    async def _send(self, turn: _Turn, endpoint: BatchEndpoint) -> None:
        batch = turn.batch
        # A process may have died after sending it and before it could write down that it had.
        theirs = None if turn.is_fresh else await endpoint.find(batch.id)
        if theirs is None and batch.failures >= SENDS:
            await self._give_up(turn, "it could not be sent", unsure=False)
            return
        if theirs is None:
            lines = self._store.read(turn.tenant).calls.batches.lines(batch.id)
            theirs = await endpoint.send(batch.id, {line.id: line.body for line in lines})
        log("batch sent", tenant=turn.tenant, batch=batch.id)
        if not await self._later(turn.with_batch(theirs=theirs, failures=0), FIRST_LOOK):
            await self._take_back(turn, theirs, endpoint)

    async def _take_back(self, turn: _Turn, theirs: str, endpoint: BatchEndpoint) -> None:
        """It slept while it sent, and another process may have sent the same: one is enough."""
        noted = self._store.read(turn.tenant).calls.batches.batch(turn.batch.id)
        if noted is None or noted.theirs != theirs:
            warn("batch sent twice", tenant=turn.tenant, batch=turn.batch.id, theirs=theirs)
            with suppress(ModelUnavailable):
                await endpoint.cancel(theirs)

    async def _look(self, turn: _Turn, endpoint: BatchEndpoint) -> None:
        tenant, batch = turn.tenant, turn.batch
        ended = await endpoint.look(str(batch.theirs))
        if ended is None:
            looked = turn.with_batch(looks=batch.looks + 1, failures=0)
            await self._later(looked, FIRST_LOOK * 2.0**looked.batch.looks)
            return
        lines = {line.id: line for line in self._store.read(tenant).calls.batches.lines(batch.id)}
        answers = await endpoint.fetch(ended)
        known = [(lines[name], *answers[name]) for name in answers if name in lines]
        for some in _slices(known):
            await self._store.write(tenant, partial(_bring, some))
        await self._give_up(turn, f"the batch {ended.how}", unsure=False)
        with suppress(ModelUnavailable):  # where that fails, its files age there
            await endpoint.forget(ended)

    async def _failed(self, turn: _Turn, failure: Failure | None) -> None:
        """Try again after a pause. Once it is sent its answers are paid for: they are looked for as
        long as the runs wait, unless the provider says that there is no such batch."""
        batch, is_sent = turn.batch, turn.batch.theirs is not None
        lasting = failure is None or not TABLE[failure.kind].times
        is_gone = failure is None or failure.kind in GONE
        unsure = not turn.is_fresh or (failure is not None and failure.kind in UNHEARD)
        if (is_sent and is_gone) or (not is_sent and lasting):
            await self._give_up(turn, "the provider takes none", unsure=unsure)
        elif not is_sent and batch.failures >= 2 * SENDS:
            await self._give_up(turn, "it could not be looked for", unsure=unsure)
        else:
            asked = 0.0 if failure is None else failure.retry_after or 0.0
            pause = max(asked, FIRST_LOOK * 2.0 ** min(batch.failures, 10))
            await self._later(turn.with_batch(failures=batch.failures + 1), pause)

    async def _later(self, turn: _Turn, seconds: float) -> bool:
        """Note how far a batch is, and go on then; false where it is another process's by now."""
        lasting, batch = timedelta(seconds=min(seconds, LONGEST_LOOK)), turn.batch

        def follow(session: Session) -> bool | None:
            if not turn.holds(session):
                return False
            lines = session.calls.batches.lines(batch.id)
            if all(line.until <= session.now for line in lines):
                return None
            session.calls.batches.follow(batch)
            session.timers.set("batch", batch.id, session.now + lasting)
            return True

        followed = await self._store.write(turn.tenant, follow)
        if followed is None:
            await self._give_up(turn, "the batch took too long", unsure=True)
        return followed is not False

    async def _give_up(self, turn: _Turn, why: str, *, unsure: bool) -> None:
        """Have its lines asked one by one. `unsure`: it may be answered and paid for all the same;
        the provider is told to leave it, and whoever reads a run's history is told so too."""
        tenant, batch = turn.tenant, turn.batch
        await self._store.write(tenant, partial(_end, batch, why, unsure=unsure))
        endpoint = await self._lineup.batch_endpoint(batch.model)
        if unsure and batch.theirs is not None and endpoint is not None:
            with suppress(ModelUnavailable):
                await endpoint.cancel(batch.theirs)


def _take(session: Session, subject: str) -> datetime:
    session.timers.set("batch", subject, session.now + TURN)
    ends = session.timers.get("batch", subject)
    return ends if ends is not None else session.now


def _bring(known: Sequence[tuple[Line, int, dict[str, Any]]], session: Session) -> None:
    for line, status, answer in known:
        if session.calls.batches.bring(line, status, answer):
            _wake(session, line, "came back")


def _end(batch: Batch, why: str, session: Session, *, unsure: bool) -> None:
    """Close a batch; lines that nothing came back for are asked one by one."""
    for line in session.calls.batches.lines(batch.id):
        if session.calls.batches.lose(line):
            if unsure:
                # The estimate stays drawn: the money may be spent.
                _wake(session, line, f"asked by itself: {why}, and may be paid for twice")
            else:
                _give_back(session, line)
                _wake(session, line, f"asked by itself: {why}")
    session.calls.batches.close(batch.id)
    session.timers.drop("batch", batch.id)


def _give_back(session: Session, line: Line) -> None:
    """Nothing was asked: what the budgets hold for it is free again."""
    session.calls.settle(line.drawn.scopes, line.drawn.estimate, Spent())


def _wake(session: Session, line: Line, state: str) -> None:
    """Tell the run that waits for a line. One that has not parked yet looks before it does."""
    told = {"step": line.step, "visit": line.visit, "model": line.model, "state": state}
    session.events.append("model.batched", line.run_id, **told)
    if session.runs.get(line.run_id).is_delayed:
        session.runs.postpone(line.run_id, session.now, "")


def _slices(known: list[Any]) -> Iterator[list[Any]]:
    return (known[at : at + SLICE] for at in range(0, len(known), SLICE))

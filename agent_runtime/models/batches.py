"""Batches: requests of many runs that go to a provider together, and wake their runs when they are
back. Everything here is done by timers, by whichever process looks first."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from agent_runtime.budget import Spent
from agent_runtime.errors import ModelUnavailable
from agent_runtime.failure import TABLE
from agent_runtime.models.letter import BatchEndpoint, Ended
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.retry import Failure, as_failure
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store
from agent_runtime.store.batches import Batch, Line
from agent_runtime.telemetry import log

MOST = 1_000
"""Lines of one batch."""

SLICE = 100
"""Answers that are stored in one commit."""

FIRST_LOOK, LONGEST_LOOK = 15.0, 600.0
"""Seconds between two looks at a batch; they double from one to the other."""

TURN = timedelta(minutes=5)
"""How long others leave a batch to the process that has taken its timer: after that it is dead."""

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


class Batches:
    """The batches of one installation."""

    def __init__(self, store: Store, lineup: Lineup) -> None:
        self._store = store
        self._lineup = lineup

    async def set_out(self, tenant: str) -> list[Coroutine[Any, Any, None]]:
        """What is due, taken from all other processes and to be done beside the runs."""

        def take(session: Session) -> list[str]:
            due = session.timers.due("batch")
            for subject in due:
                session.timers.set("batch", subject, session.now + TURN)
            return due

        if not self._store.read(tenant).timers.due("batch"):
            return []
        return [self._attend(tenant, subject) for subject in await self._store.write(tenant, take)]

    async def _attend(self, tenant: str, subject: str) -> None:
        if subject.startswith(_COLLECT):
            await self._gather(tenant, subject.removeprefix(_COLLECT))
            return
        batch = self._store.read(tenant).calls.batches.batch(subject)
        if batch is None:
            await self._store.write(tenant, lambda session: session.timers.drop("batch", subject))
        else:
            await self._pursue(tenant, batch)

    async def _gather(self, tenant: str, model: str) -> None:
        """Send what has been collected for a model."""

        def gather(session: Session) -> Batch | None:
            batches, subject = session.calls.batches, _COLLECT + model
            for line in batches.drop_ended(model):
                _give_back(session, line)
            batch = batches.gather(new_id("batch"), model, MOST)
            if batch is None:
                session.timers.drop("batch", subject)
                return None
            session.timers.set("batch", batch.id, session.now + TURN)
            return batch

        while (batch := await self._store.write(tenant, gather)) is not None:
            await self._pursue(tenant, batch)

    async def _pursue(self, tenant: str, batch: Batch) -> None:
        """Send a batch, or look at it; what fails follows the table of failures."""
        endpoint = await self._lineup.batch_endpoint(batch.model)
        if endpoint is None:
            await self._give_up(tenant, batch, "no batch endpoint is configured")
            return
        try:
            if batch.theirs is None:
                await self._send(tenant, batch, endpoint)
            else:
                await self._look(tenant, batch, endpoint)
        except ModelUnavailable as error:
            await self._failed(tenant, batch, as_failure(error))

    async def _send(self, tenant: str, batch: Batch, endpoint: BatchEndpoint) -> None:
        # A process may have died after sending it and before it could write down that it had.
        theirs = await endpoint.find(batch.id)
        if theirs is None:
            lines = self._store.read(tenant).calls.batches.lines(batch.id)
            theirs = await endpoint.send(batch.id, {line.id: line.body for line in lines})
        log("batch sent", tenant=tenant, batch=batch.id)
        sent = batch.model_copy(update={"theirs": theirs, "failures": 0})
        await self._later(tenant, sent, FIRST_LOOK)

    async def _look(self, tenant: str, batch: Batch, endpoint: BatchEndpoint) -> None:
        ended = await endpoint.look(str(batch.theirs))
        if ended is None:
            looked = batch.model_copy(update={"looks": batch.looks + 1, "failures": 0})
            await self._later(tenant, looked, min(LONGEST_LOOK, FIRST_LOOK * 2.0**looked.looks))
            return
        lines = {line.id: line for line in self._store.read(tenant).calls.batches.lines(batch.id)}
        answers = await endpoint.fetch(ended)
        known = [(lines[name], *answers[name]) for name in answers if name in lines]
        for some in _slices(known):
            await self._store.write(tenant, partial(_bring, some))
        await self._give_up(tenant, batch, f"the batch {ended.how}")
        await self._forget(endpoint, ended)

    async def _forget(self, endpoint: BatchEndpoint, ended: Ended) -> None:
        """Nothing of it has to stay with the provider; where that fails, it ages there."""
        with suppress(ModelUnavailable):
            await endpoint.forget(ended)

    async def _failed(self, tenant: str, batch: Batch, failure: Failure | None) -> None:
        """Try again after a pause, as often as the table says. Once it is sent its answers are paid
        for: they are looked for as long as the runs wait."""
        remedy = None if failure is None else TABLE[failure.kind]
        if failure is None or remedy is None or not remedy.times:
            await self._give_up(tenant, batch, "the provider takes none")
        elif batch.theirs is None and batch.failures >= remedy.times:
            await self._give_up(tenant, batch, "it could not be sent")
        else:
            again = batch.model_copy(update={"failures": batch.failures + 1})
            pause = max(failure.retry_after or 0.0, FIRST_LOOK * 2.0**batch.failures)
            await self._later(tenant, again, pause)

    async def _later(self, tenant: str, batch: Batch, seconds: float) -> None:
        lasting = min(seconds, LONGEST_LOOK)

        def follow(session: Session) -> None:
            lines = session.calls.batches.lines(batch.id)
            if all(line.until <= session.now for line in lines):
                _end(session, batch, "the batch took too long")
                return
            session.calls.batches.follow(batch)
            session.timers.set("batch", batch.id, session.now + timedelta(seconds=lasting))

        await self._store.write(tenant, follow)

    async def _give_up(self, tenant: str, batch: Batch, why: str) -> None:
        await self._store.write(tenant, lambda session: _end(session, batch, why))


def _bring(known: Sequence[tuple[Line, int, dict[str, Any]]], session: Session) -> None:
    for line, status, answer in known:
        if session.calls.batches.bring(line, status, answer):
            _wake(session, line, "came back")


def _end(session: Session, batch: Batch, why: str) -> None:
    """Close a batch; lines that nothing came back for are asked one by one."""
    for line in session.calls.batches.lines(batch.id):
        if session.calls.batches.lose(line):
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

"""The stage: a scratch installation on which runs are played again, through the real nodes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from opentelemetry.sdk.trace import SpanProcessor

from agent_runtime.app import App
from agent_runtime.approval import Approval, ApprovalStatus
from agent_runtime.checkpoint import Saver
from agent_runtime.event import Event
from agent_runtime.graph import Graph, compile_graph
from agent_runtime.installation import Installation
from agent_runtime.knowledge.standing import Standings
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.model import Model
from agent_runtime.replay.chapter import HALTS, WORKED, Chapter
from agent_runtime.replay.player import Gap, Player, TapeClock
from agent_runtime.replay.stub import Live, RecordedChat, RecordedStandings, stubbed, unbudgeted
from agent_runtime.replay.tape import Tape
from agent_runtime.resource import Resources
from agent_runtime.run import ENDS, Run
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session, Store
from agent_runtime.store.approvals import PENDING
from agent_runtime.telemetry import Telemetry
from agent_runtime.worker import Worker

LEASE = 3_600.0
"""Seconds; nobody else works here."""


@dataclass(frozen=True)
class Played:
    """One chapter played again: what was told, how it halted, and where the recording ended."""

    chapter: Chapter
    told: tuple[Event, ...]
    halt: Event | None
    gap: Gap | None


@dataclass
class Stage:
    """Plays one tape at a time. Nothing here reaches the world: its tools are stubs, it holds no
    resource, and its store is a file that is thrown away."""

    store: Store
    clock: TapeClock
    app: App
    asking: ModelSettings
    live: Live | None = None
    player: type[Player] = Player
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(SpanProcessor()))
    """It exports nothing: what is played again has not happened again."""
    _graphs: dict[str, Graph] = field(default_factory=dict)
    _player: Player | None = None

    @property
    def asked_live(self) -> int:
        """How often the last run asked the live model."""
        return 0 if self._player is None else self._player.asked_live

    @property
    def gap(self) -> Gap | None:
        """Where the recording of the last run ended, if it did."""
        return None if self._player is None else self._player.gap

    async def play(self, tape: Tape) -> AsyncIterator[Played]:
        """The run's chapters in order, up to and with the first that the recording ends in."""
        self._player = player = Player(tape, self.clock)
        worker, seen = self._worker(player), 0
        self.clock.set(tape.run.created_at)
        await self.store.write(tape.run.tenant, lambda session: _begin(session, tape, tape.begun))
        for chapter in tape.chapters:
            await self._prepare(tape, chapter)
            player.turn_to(chapter)
            self.clock.set(chapter.claimed.at)
            await worker.drive(tape.run.tenant, tape.run.id)
            events = self.store.read(tape.run.tenant).events.find(tape.run.id, after=seen)
            seen = events[-1].number
            told = tuple(event for event in events if event.type in WORKED)
            halt = next((event for event in events if event.type in HALTS), None)
            yield Played(chapter, told, halt, player.gap)
            if player.gap is not None:
                return

    async def try_out(self, tape: Tape) -> Run:
        """The run from its beginning to its first question, its end, or the recording's."""
        self._player = player = Player(tape, self.clock)
        player.until = tape.events[-1].number
        self.clock.set(tape.run.created_at)
        await self.store.write(tape.run.tenant, lambda session: _begin(session, tape, tape.run))
        return await self._worker(player).drive(tape.run.tenant, tape.run.id)

    async def try_on(self, tape: Tape) -> tuple[Run, Gap | None, list[Event]]:
        """The run as it would have gone: people's answers count where they are asked the same,
        and it stops where they are not, or where the recording ends."""
        tenant, run_id = tape.run.tenant, tape.run.id
        self._player = player = self.player(tape, self.clock, trying=True)
        player.until = tape.events[-1].number
        self.clock.set(tape.run.created_at)
        await self.store.write(tenant, lambda session: _begin(session, tape, tape.run))
        run = await self._worker(player).drive(tenant, run_id)
        while run.state == "paused" and player.gap is None:
            self.clock.set(tape.events[-1].at)
            known = await self.store.write(tenant, lambda s: _answer_again(s, tape))
            if not known:
                break
            run = await self._worker(player).drive(tenant, run_id)
        return run, player.gap, self.store.read(tenant).events.find(run_id)

    async def take_over(self, tape: Tape) -> tuple[Run, Player]:
        """Another worker takes up the run that is on stage, once its claim has lapsed."""
        player = self._playing()
        return await self._worker(player).drive(tape.run.tenant, tape.run.id), player

    async def values(self, run: Run) -> dict[str, Any]:
        """The state in a run's latest checkpoint."""
        return dict((await self._worker(self._playing()).state_of(run)).values)

    def _worker(self, player: Player) -> Worker:
        installation = Installation(
            app=self.app,
            store=self.store,
            clock=self.clock,
            resources=Resources({Standings: RecordedStandings(player)}),
            telemetry=self.telemetry,
            models=Lineup(
                asking=self._asking(),
                rng=Random(0),  # noqa: S311 — jitter of waits that are not waited for
                sleep=_at_once if self.live is None else asyncio.sleep,
                _connect=lambda name: _model(player, self.asking, name, self.live),
            ),
            lease=LEASE,
            new_id=player.new_id,
        )
        return Worker(installation, self._graphs, Saver(self.store))

    def _asking(self) -> ModelSettings:
        """How models are asked: what it cost then was paid, and where a budget stopped the run its
        recording says."""
        free: dict[str, Any] = {"budgets": {}, "model_rate": None, "model_stream": False}
        return self.asking if self.live is not None else self.asking.model_copy(update=free)

    def _playing(self) -> Player:
        if self._player is None:
            raise RuntimeError("Nothing is played.")
        return self._player

    async def _prepare(self, tape: Tape, chapter: Chapter) -> None:
        """Do what people, deadlines and policies did before a chapter, at the times of then."""

        def prepare(session: Session) -> None:
            run = session.runs.get(tape.run.id)
            for approval in session.approvals.find(["open"], run_id=run.id):
                _answer(session, tape, approval, chapter.claimed.number)
            for event in chapter.before:
                _repeat(session, tape, event)
            if run.state != "queued" and run.state not in ENDS:
                session.runs.move(run.id, "queued")

        settled = [event.at for event in chapter.before if event.type == "action.settled"]
        self.clock.set(settled[-1] if settled else chapter.claimed.at)
        await self.store.write(tape.run.tenant, prepare)


@asynccontextmanager
async def staged(app: App, asking: ModelSettings, live: Live | None = None) -> AsyncIterator[Stage]:
    """A stage for an app's workflows; its scratch file is gone afterwards. `live` answers where a
    recording ends."""
    with tempfile.TemporaryDirectory(prefix="agent-runtime-replay-") as folder:
        clock = TapeClock(datetime(1970, 1, 1, tzinfo=UTC))
        store = Store(Path(folder) / "scratch.db", clock)
        try:
            stage = Stage(store, clock, app, asking, live)
            playing = stage._playing
            held = {name: stubbed(w, playing) for name, w in app.workflows.items()}
            workflows = {name: w if live else unbudgeted(w) for name, w in held.items()}
            stage.app = replace(app, workflows=workflows, _pinned={})
            saver = Saver(store)
            stage._graphs |= {name: compile_graph(w, saver) for name, w in workflows.items()}
            yield stage
        finally:
            store.close()


async def _at_once(_: float) -> None:
    """Waits that were waited through once."""


def _model(player: Player, asking: ModelSettings, name: str, live: Live | None) -> Model:
    spec = asking.models.get(name)
    fallback = asking.model_fallback if spec is None else spec.fallback
    chat = RecordedChat(playing=lambda: player, live=live)
    producer = live.model.producer if live is not None and live.fresh else player.producer
    return Model(producer, chat, fallback=fallback)


def _begin(session: Session, tape: Tape, run: Run) -> None:
    """The run as it was queued, or as it would be with its last input."""
    fresh = {"state": "queued", "epoch": 0, "owner": None, "lease_until": None, "reason": ""}
    queued = {**fresh, "ready_at": run.created_at, "tries": 0}
    session.runs.insert(run.model_copy(update=queued), tape.documents)
    for seed in tape.seeds:
        session.recordings.put(seed)
    key, names = tape.pseudonyms
    if key is not None:
        session.pseudonyms.put_key(key)
    for name, value in names.items():
        session.pseudonyms.add(name, value)
    for rollout in tape.rollouts:
        session.rollouts.put(rollout)


def _answer_again(session: Session, tape: Tape) -> bool:
    """Answer the open question as people did, if they were asked the same of the same people."""
    (asked,) = session.approvals.find(["open"], run_id=tape.run.id)
    then = tape.approvals.get(asked.id)
    if (
        then is None
        or then.status in PENDING
        or (then.digest, then.slots)
        != (
            asked.digest,
            asked.slots,
        )
    ):
        return False
    _answer(session, tape, asked, tape.events[-1].number + 1)
    session.runs.move(tape.run.id, "queued")
    return True


def _answer(session: Session, tape: Tape, asked: Approval, until: int) -> None:
    """Bring a question, and those that replaced it, to where people had them at an event."""
    known = tape.approvals.get(asked.id)
    while known is not None:
        status, by = _closed(tape, known, until)
        then = {"status": status, "closed_by": by}
        answered = known.model_copy(update=then)
        if known.id == asked.id:
            fields = {name: getattr(answered, name) for name in _CARRIED}
            session.approvals.update(asked.id, **fields)
        else:
            session.approvals.request(answered)
        for decision in known.decisions:
            session.approvals.record(decision)
        known = None if known.replaced_by is None else tape.approvals.get(known.replaced_by)


_CARRIED = (
    "status", "closed_by", "closed_at", "replaced_by", "effective_at", "slots", "rules", "deadline",
)  # fmt: skip
"""What answering changes of a question; what was asked stays as the replay asked it."""


def _closed(tape: Tape, approval: Approval, until: int) -> tuple[ApprovalStatus, str | None]:
    """A question's status, and by whom, as it was before an event: a right that was taken back
    later has not changed what people said."""
    for event in reversed(tape.events):
        body = event.body or {}
        if (
            event.number < until
            and event.type == "approval.closed"
            and body.get("approval") == approval.id
        ):
            return body["status"], body["by"]
    return approval.status, approval.closed_by


def _repeat(session: Session, tape: Tape, event: Event) -> None:
    """What a person did to the run itself."""
    run_id, body = tape.run.id, event.body or {}
    if event.type == "run.resumed":
        if "input" in body:
            session.runs.correct(run_id, tape.inputs[body["input"]["after"]])
        session.events.append("run.resumed", run_id, **body)
    elif event.type == "action.settled":
        match body["how"]:
            case "happened":
                session.journal.settle(body["key"], "executed", f"settled by {body['by']}")
            case "did_not_happen":
                session.journal.settle(body["key"], "failed", f"settled by {body['by']}")
            case _:
                session.journal.allow_retry(body["key"])

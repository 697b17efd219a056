"""The runtime: start, drive, decide, resume and cancel runs of one installation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, assert_never

from agent_runtime.anchor import (
    Anchor,
    Audit,
    audit,
    audit_erased,
    verify_erased,
)
from agent_runtime.app import App
from agent_runtime.approval import Answer, Approval
from agent_runtime.bulk import Bulk
from agent_runtime.checkpoint import Saver
from agent_runtime.clock import Clock, SystemClock
from agent_runtime.courier import Courier
from agent_runtime.decision import Desk
from agent_runtime.errors import Conflict, InvalidInput, LostOwnership
from agent_runtime.evaluation.alarm import Alarms
from agent_runtime.evaluation.evaluate import Evaluation
from agent_runtime.evaluation.grading import Marker
from agent_runtime.evaluation.keeper import Keeper
from agent_runtime.evaluation.labelling import Labeller
from agent_runtime.evaluation.outcome import Recorder
from agent_runtime.evaluation.shadow import Shadows
from agent_runtime.evaluation.trial import Trials
from agent_runtime.event import Head, Verification
from agent_runtime.evidence import Document
from agent_runtime.graph import compile_graph
from agent_runtime.installation import Choices, Installation, open_installation, prepare_folder
from agent_runtime.knowledge.index import Library
from agent_runtime.knowledge.retrieve import Embedder, Retriever
from agent_runtime.models.batches import Batches
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.model import Model
from agent_runtime.outbox import Outbox
from agent_runtime.pending import Pending
from agent_runtime.policy import PolicySet
from agent_runtime.queue import put
from agent_runtime.reception import Reception
from agent_runtime.resumption import (
    WHERE_IT_STOPPED,
    Resumption,
    Stop,
    began_with,
    resume,
    stop_of,
)
from agent_runtime.retention import Term, terms
from agent_runtime.run import ENDS, Run
from agent_runtime.settings import (
    ModelSettings,
    NoticeSettings,
    Settings,
    load_model_settings,
    load_notice_settings,
    load_settings,
)
from agent_runtime.store import Session
from agent_runtime.store.approvals import PENDING
from agent_runtime.store.files import DATABASE as DATABASE  # noqa: PLC0414 — taken from here
from agent_runtime.store.retention import stored_workflows
from agent_runtime.telemetry import Telemetry
from agent_runtime.tenancy import Tenancy
from agent_runtime.timetable import Timetable
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from agent_runtime.worker import Worker
from agent_runtime.workflow import told_input, validate_input

Settlement = Literal["happened", "did_not_happen", "retry"]


class Runtime:
    """One installation: an app on a data folder. Open it with `Runtime.open`."""

    def __init__(
        self, installation: Installation, worker: Worker, anchor: Anchor, tenancy: Tenancy
    ) -> None:
        self.tenancy = tenancy
        self.anchor = anchor
        self.store = installation.store
        self.app = installation.app
        self.clock = installation.clock
        self._worker = worker
        self._in = installation
        self._desk = Desk(installation, worker)
        self._pending = Pending(installation, self._desk)
        self.bulk = Bulk(installation.store, self._desk, self._pending)
        self.timetable = Timetable(installation)
        self.reception = Reception(installation)
        self.outbox = Outbox(installation)
        self.courier = Courier(installation)
        self.batches = Batches(installation.store, installation.models)
        self.keeper = Keeper(installation.store)
        self.evaluation = Evaluation(installation.store, self.keeper, installation.app.workflows)
        review = self._pending.review
        self.trials = Trials(installation.store, installation.app, self.keeper, review)
        self.alarms = Alarms(installation.store, installation.app.workflows)
        self.shadows = Shadows(installation.store, installation.app)
        self.recorder = Recorder(installation.store, installation.app)
        self.labeller = Labeller(installation.store, installation.app)
        self.marker = Marker(installation)
        self.library = Library(installation.store, installation.clock)
        self.retriever = installation.resources.get(Retriever)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        app: App,
        data: Path,
        *,
        clock: Clock | None = None,
        model: Model | None = None,
        settings: Settings | None = None,
        telemetry: Telemetry | None = None,
        notices: NoticeSettings | None = None,
        asking: ModelSettings | None = None,
        embedder: Embedder | None = None,
        create: bool = True,
    ) -> AsyncIterator[Runtime]:
        """Open the data folder (made when missing, unless `create` is false).

        `model` answers and `embedder` embeds in place of the configured ones. Raises StoreError
        or SettingsError.
        """
        chosen = Choices(
            settings or load_settings(),
            clock or SystemClock(),
            asking or load_model_settings(),
            notices or load_notice_settings(),
            model,
            embedder,
            telemetry,
        )
        prepare_folder(data, create=create)
        async with open_installation(app, data, chosen) as (installation, files, anchor):
            saver = Saver(installation.store)
            graphs = {name: compile_graph(w, saver) for name, w in app.workflows.items()}
            worker = Worker(installation, graphs, saver)
            runtime = cls(installation, worker, anchor, Tenancy(files))
            try:
                yield runtime
            finally:
                runtime.library.close()

    async def start(
        self,
        workflow: str,
        inputs: dict[str, Any],
        *,
        trigger: Trigger,
        documents: Sequence[Document] = (),
        tenant: str = "default",
        at: datetime | None = None,
        priority: int = 0,
    ) -> Run:
        """Store a new run, or return the one that the same trigger key started before.

        Workers take it up not before `at` (default: at once), higher priorities first.
        Raises NotFound for an unknown workflow, InvalidInput that names the field at fault.
        """
        declared = self.app.workflow(workflow)
        plain = validate_input(declared, inputs)
        self._in.models.admit(documents)
        when = None if at is None else _utc(at)

        def insert(session: Session) -> Run:
            if trigger.key is not None:
                known = session.runs.by_key(workflow, trigger.key)
                if known is not None:
                    return _same(session, known, plain)
            trace = self._in.telemetry.new_trace()
            return put(
                session,
                self.app.version(workflow),
                plain,
                trigger,
                trace,
                documents=documents,
                at=when,
                priority=priority,
                told=told_input(declared, plain),
            )

        return await self.store.write(tenant, insert)

    async def drive(self, run_id: str, tenant: str = "default") -> Run:
        """Advance one run to its next pause or end; raises Conflict when it isn't ready."""
        return await self._worker.drive(tenant, run_id)

    async def drive_ready(self, tenant: str = "default") -> list[Run]:
        """Let deadlines that have passed take effect, then advance every run that is ready:
        queued, or left behind by a worker that is gone."""
        await self.expire(tenant)
        await self._pending.review(tenant)
        found = self.store.read(tenant).runs.find(["queued", "running"])
        driven = []
        for run in found:
            # Another worker may be faster; what it took is its own from there on.
            with suppress(Conflict, LostOwnership):
                if self._worker.may_claim(run):
                    driven.append(await self.drive(run.id, tenant))
        return driven

    async def decide(self, approval_id: str, operator: Operator, answer: Answer) -> Approval:
        """Record one person's answer; see `Desk.decide`. Driving the run is a step of its own."""
        await self._pending.review_one(operator.tenant, approval_id)
        return await self._desk.decide(approval_id, operator, answer)

    async def expire(self, tenant: str = "default") -> list[Approval]:
        """Let time take effect: answers that stand by now, reminders, batches, deadlines."""
        for work in await self.batches.set_out(tenant):
            await work
        taken = await self._desk.take_effect(tenant)
        await self._desk.remind(tenant)
        return [*taken, *await self._pending.expire(tenant)]

    async def resume(
        self, run_id: str, operator: Operator, wanted: Resumption = WHERE_IT_STOPPED
    ) -> Run:
        """Send a run that waits for a person's attention on: from its last checkpoint, or as is
        `wanted`.

        Raises Conflict when it is paused for an approval or has ended, or can't go on so;
        NotFound for a step and InvalidInput for an input that it doesn't have.
        """
        return await resume(self.store, self.app, self._worker, run_id, operator, wanted)

    async def stop_of(self, run: Run) -> Stop:
        """Where a run stopped; raises NotFound when its workflow is gone."""
        return await stop_of(self.store, self.app, self._worker, run)

    async def settle(self, run_id: str, operator: Operator, how: Settlement) -> Run:
        """Say what became of a run's lost call, as a person who looked in the outside system.

        happened: it goes on as executed; did_not_happen: as refused; retry: it is called once
        more. Raises Conflict unless the run's outcome is unknown.
        """

        def settle(session: Session) -> Run:
            run = session.runs.get(run_id)
            lost = [e for e in session.journal.find(run_id) if e.state == "intended"]
            if run.state != "outcome_unknown" or not lost:
                raise Conflict(f"Run {run_id} is {run.state}; there is no lost call to settle.")
            match how:
                case "happened":
                    session.journal.settle(lost[0].key, "executed", f"settled by {operator.name}")
                case "did_not_happen":
                    session.journal.settle(lost[0].key, "failed", f"settled by {operator.name}")
                case "retry":
                    session.journal.allow_retry(lost[0].key)
                case _:
                    assert_never(how)
            body = {"key": lost[0].key, "how": how, "by": operator.name}
            session.events.append("action.settled", run_id, **body)
            return session.runs.move(run_id, "queued")

        return await self.store.write(operator.tenant, settle)

    async def cancel(self, run_id: str, operator: Operator, reason: str) -> Run:
        """End a run at once; its open questions are withdrawn, its worker can write no more."""

        def cancel(session: Session) -> Run:
            run = session.runs.get(run_id)
            if run.state in ENDS:
                raise Conflict(f"Run {run_id} is {run.state} already.")
            for approval in session.approvals.find(PENDING, run_id=run_id):
                session.approvals.close(approval.id, "withdrawn", operator.name)
                body = {"approval": approval.id, "status": "withdrawn", "by": operator.name}
                session.events.append("approval.closed", run_id, **body)
            ended = session.runs.move(run_id, "cancelled", reason)
            body = {"state": "cancelled", "reason": reason, "by": operator.name}
            session.events.append("run.ended", run_id, **body)
            if self._in.telemetry.exports:
                session.traces.owe(run_id, self._worker.name)
            return ended

        run = await self.store.write(operator.tenant, cancel)
        self._in.telemetry.ended(run)
        return run

    def policies_of(self, run: Run) -> Mapping[str, PolicySet]:
        """The policies that decide about a run, by name: also one that is tried on it."""
        return self._in.policies_of(run)

    @property
    def models(self) -> Lineup:
        """Which models can be asked."""
        return self._in.models

    @property
    def worker(self) -> Worker:
        """Who drives this process's runs."""
        return self._worker

    @property
    def telemetry(self) -> Telemetry:
        """Where this process's spans and figures go."""
        return self._in.telemetry

    @property
    def desk(self) -> Desk:
        """What people do with questions."""
        return self._desk

    @property
    def pending(self) -> Pending:
        """What deadlines and changed policies do to open questions."""
        return self._pending

    def terms(self) -> list[Term]:
        """What the settings say is to be pruned now; raises SettingsError."""
        files = [store.read_across().connection for store in self.store.all()]
        stored = {name for file in files for name in stored_workflows(file)}
        return terms(self._in.retention, {*self.app.workflows, *stored}, self.clock.now())

    def resources(self) -> tuple[Any, ...]:
        """The opened outside systems."""
        return self._in.resources.opened

    def verify(self, tenant: str = "default", anchor: Head | None = None) -> Verification:
        """Recompute the tenant's event chain, against an anchored head where one is given."""
        erased = self.tenancy.erased(tenant)
        if erased is not None:
            return verify_erased(erased, anchor)
        return self.store.read(tenant).events.verify(anchor)

    def audit(self, tenant: str = "default") -> Audit:
        """Recompute the tenant's event chain against the anchor outside the database."""
        self.anchor.flush()
        erased = self.tenancy.erased(tenant)
        if erased is not None:
            return audit_erased(erased, self.anchor.file)
        return audit(self.store.read(tenant).events, tenant, self.anchor.file, self.clock.now())


def _same(session: Session, known: Run, inputs: dict[str, Any]) -> Run:
    if not began_with(session, known, inputs):
        raise Conflict(
            f"The key {known.trigger.key!r} started run {known.id} with another input.",
            remedy="Use a new key for a new request.",
        )
    return known


def _utc(at: datetime) -> datetime:
    """The moment a caller means; raises InvalidInput where nobody can say."""
    remedy = "Write it like 2026-03-30T06:00:00+02:00."
    if at.tzinfo is None:
        raise InvalidInput("at", at.isoformat(), "has no time zone", remedy=remedy)
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput("at", at.isoformat(), "is out of range", remedy=remedy) from error

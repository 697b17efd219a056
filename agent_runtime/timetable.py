"""The timetable: schedules that code declares or people make, and the runs that they start."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Any

from agent_runtime.clock import to_text
from agent_runtime.errors import Conflict, InvalidInput, StoreError, TenantErased
from agent_runtime.event import EventType
from agent_runtime.installation import Installation
from agent_runtime.queue import put
from agent_runtime.run import Run
from agent_runtime.schedule import Schedule
from agent_runtime.store import Session
from agent_runtime.store.schedules import StoredSchedule, id_of, whose_declared
from agent_runtime.telemetry import log
from agent_runtime.trigger import SCHEDULED, Trigger
from agent_runtime.verdict import Operator
from agent_runtime.workflow import told_input, validate_input

CODE = "the project's code"
RUNTIME = "the runtime"
"""Who did it, where it was no person."""

Declared = dict[str, tuple[str, Schedule]]
"""Schedules with their workflows' names, by id."""


class Timetable:
    """Keeps schedules, and starts each of their times once, however many processes look."""

    def __init__(self, installation: Installation) -> None:
        self._in = installation

    async def declare(self) -> None:
        """Bring what is stored in line with what the project's code declares."""
        store = self._in.store
        held = [read.read_across().connection for read in store.all()]
        wanted: dict[str, Declared] = {t: {} for file in held for t in whose_declared(file)}
        for workflow in self._in.app.workflows.values():
            for schedule in workflow.schedules:
                plain = replace(schedule, input=validate_input(workflow, dict(schedule.input)))
                of_tenant = wanted.setdefault(schedule.tenant, {})
                of_tenant[id_of(workflow.name, schedule.name)] = (workflow.name, plain)
        for tenant, declared in wanted.items():
            try:
                if _differs(store.read(tenant), declared):
                    await store.write(tenant, partial(_declare, declared))
            except (StoreError, TenantErased) as error:
                # Others' schedules go on. One that is to be made yet declares them then.
                log("schedules of a tenant without data", tenant=tenant, error=error.code)

    async def create(self, operator: Operator, workflow: str, schedule: Schedule) -> StoredSchedule:
        """Store a schedule in the operator's tenant.

        Raises InvalidInput that names the field at fault, NotFound for an unknown workflow,
        Conflict when there is one of that name.
        """
        declared = self._in.app.workflow(workflow)
        schedule.check()
        plain = validate_input(declared, dict(schedule.input))
        wanted = replace(schedule, tenant=operator.tenant, input=plain)
        schedule_id = id_of(workflow, schedule.name)

        def create(session: Session) -> StoredSchedule:
            if any(stored.id == schedule_id for stored in session.schedules.find()):
                remedy = "Remove it first, or choose another name."
                raise Conflict(f"There is a schedule {schedule_id!r} already.", remedy=remedy)
            _say(session, "schedule.created", schedule_id, operator.name, **asdict(wanted))
            return session.schedules.put(workflow, wanted, declared=False)

        return await self._in.store.write(operator.tenant, create)

    async def pause(self, operator: Operator, schedule_id: str, reason: str = "") -> StoredSchedule:
        """Let a schedule start nothing until it is resumed; raises NotFound."""

        def pause(session: Session) -> StoredSchedule:
            found = session.schedules.get(schedule_id)
            if found.paused:
                return found
            _say(session, "schedule.paused", schedule_id, operator.name, reason=reason)
            return session.schedules.pause(schedule_id, reason or f"by {operator.name}")

        return await self._in.store.write(operator.tenant, pause)

    async def resume(self, operator: Operator, schedule_id: str) -> StoredSchedule:
        """Let a schedule start runs again from its next time on; raises NotFound."""

        def resume(session: Session) -> StoredSchedule:
            found = session.schedules.get(schedule_id)
            if not found.paused:
                return found
            _say(session, "schedule.resumed", schedule_id, operator.name)
            return session.schedules.resume(schedule_id)

        return await self._in.store.write(operator.tenant, resume)

    async def remove(self, operator: Operator, schedule_id: str) -> StoredSchedule:
        """Forget a schedule that a person has made; raises NotFound, Conflict for one of code's."""

        def remove(session: Session) -> StoredSchedule:
            found = session.schedules.get(schedule_id)
            if found.declared:
                raise Conflict(
                    f"Schedule {schedule_id} is declared in the project's code.",
                    remedy=f"Remove it there, or: agent-runtime schedules pause {schedule_id}",
                )
            _say(session, "schedule.removed", schedule_id, operator.name)
            session.schedules.remove(schedule_id)
            return found

        return await self._in.store.write(operator.tenant, remove)

    def find(self, tenant: str = "default") -> list[StoredSchedule]:
        """The tenant's schedules, by id."""
        return self._in.store.read(tenant).schedules.find()

    async def fire(self, tenant: str) -> list[Run]:
        """Start what schedules are due for."""
        started = []
        for schedule_id in self._in.store.read(tenant).timers.due("schedule"):
            started += await self._in.store.write(tenant, partial(self._fire, schedule_id))
        return started

    def _fire(self, schedule_id: str, session: Session) -> list[Run]:
        stored = session.schedules.get(schedule_id)
        if stored.workflow not in self._in.app.workflows:
            # A process with newer code may know it; the timer stays for that one.
            log("schedule of an unknown workflow", schedule=schedule_id)
            return []
        since = session.timers.fire("schedule", schedule_id)
        if since is None:
            return []  # another process was faster
        instants = stored.schedule.due(since, session.now)
        try:
            runs = [run for at in instants if (run := self._start(session, stored, at))]
            next_at = stored.schedule.next(session.now)
        except InvalidInput as error:
            # The workflow's input or the zone's data has changed: only a person can mend that.
            _say(session, "schedule.paused", schedule_id, RUNTIME, reason=str(error))
            session.schedules.pause(schedule_id, str(error))
            return []
        session.timers.set("schedule", schedule_id, next_at)
        if since <= session.now and instants[:1] != [since]:
            span = {"since": to_text(since), "until": to_text(session.now)}
            told = {**span, "started": len(instants), "catch_up": stored.catch_up}
            _say(session, "schedule.skipped", schedule_id, RUNTIME, **told)
        return runs

    def _start(self, session: Session, stored: StoredSchedule, at: datetime) -> Run | None:
        """Queue the run of one scheduled time, unless it was started before."""
        trigger = Trigger(kind="schedule", owner=stored.owner, key=key_of(stored.id, at))
        if session.runs.by_key(stored.workflow, trigger.key or "") is not None:
            return None
        workflow = self._in.app.workflow(stored.workflow)
        plain = validate_input(workflow, stored.input)
        # Ready since its time, so that late ones are taken up in their order.
        trace, version = self._in.telemetry.new_trace(), self._in.app.version(workflow.name)
        told = told_input(workflow, plain)
        return put(session, version, plain, trigger, trace, at=at, told=told)


def key_of(schedule_id: str, at: datetime) -> str:
    """The trigger key of one scheduled time, by which it starts one run and no second."""
    return f"{SCHEDULED}{schedule_id} {to_text(at)}"


def _declare(declared: Declared, session: Session) -> None:
    stored = {found.id: found for found in session.schedules.find() if found.declared}
    for schedule_id in sorted(stored.keys() - declared.keys()):
        _say(session, "schedule.removed", schedule_id, CODE)
        session.schedules.remove(schedule_id)
    for schedule_id, (workflow, schedule) in sorted(declared.items()):
        known = stored.get(schedule_id)
        if known is None or known.schedule != schedule:
            what: EventType = "schedule.created" if known is None else "schedule.changed"
            _say(session, what, schedule_id, CODE, **asdict(schedule))
            session.schedules.put(workflow, schedule, declared=True)


def _differs(session: Session, declared: Declared) -> bool:
    stored = {found.id: found.schedule for found in session.schedules.find() if found.declared}
    return stored != {name: schedule for name, (_, schedule) in declared.items()}


def _say(session: Session, what: EventType, schedule_id: str, by: str, **more: Any) -> None:
    session.events.append(what, None, schedule=schedule_id, by=by, **more)

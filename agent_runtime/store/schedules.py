"""Schedules in the store: those that code declares, and those that people have made."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.clock import to_text
from agent_runtime.errors import NotFound
from agent_runtime.schedule import CatchUp, Schedule
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.timers import Timers

_FIELDS = ("workflow", "name", "cron", "zone", "input", "owner", "catch_up", "declared")
_COLUMNS = ("tenant", "id", *_FIELDS, "paused", "reason", "created_at", "updated_at")


class StoredSchedule(BaseModel):
    """One schedule as stored; `id` is `<workflow>:<name>`. `declared`: in the project's code.
    `reason`: why it is paused. `next_at`: when it starts a run next; None while it is paused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    id: str
    workflow: str
    name: str
    cron: str
    zone: str
    input: dict[str, Any]
    owner: str
    catch_up: CatchUp
    declared: bool
    paused: bool = False
    reason: str = ""
    next_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def schedule(self) -> Schedule:
        """What it says."""
        return Schedule(
            name=self.name,
            cron=self.cron,
            owner=self.owner,
            zone=self.zone,
            input=self.input,
            catch_up=self.catch_up,
            tenant=self.tenant,
        )


def id_of(workflow: str, name: str) -> str:
    """How a schedule of a workflow is named in the store, on the screen and in the API."""
    return f"{workflow}:{name}"


class Schedules:
    """One tenant's schedules, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)
        self._timers = Timers(connection, tenant, now)

    def put(self, workflow: str, schedule: Schedule, *, declared: bool) -> StoredSchedule:
        """Store a schedule or change it; one that is paused stays so, another is set anew."""
        stored_id, now = id_of(workflow, schedule.name), to_text(self._now)
        inputs = self._cipher.seal(json.dumps(schedule.input), *self._place(stored_id))
        told = (workflow, schedule.name, schedule.cron, schedule.zone, inputs)
        self._connection.execute(
            "INSERT INTO schedules (tenant, id, workflow, name, cron, zone, input, owner, catch_up,"
            " declared, created_at, updated_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET cron = excluded.cron, zone = excluded.zone,"
            " input = excluded.input, owner = excluded.owner, catch_up = excluded.catch_up,"
            " declared = excluded.declared, updated_at = excluded.updated_at",
            (self._tenant, stored_id, *told, schedule.owner, schedule.catch_up)
            + (int(declared), now, now),
        )
        if not self.get(stored_id).paused:
            self._timers.set("schedule", stored_id, schedule.next(self._now))
        return self.get(stored_id)

    def pause(self, schedule_id: str, reason: str) -> StoredSchedule:
        """Let it start nothing until it is resumed."""
        self._mark(schedule_id, paused=True, reason=reason)
        self._timers.drop("schedule", schedule_id)
        return self.get(schedule_id)

    def resume(self, schedule_id: str) -> StoredSchedule:
        """Let it start runs again, from its next time on: what it paused over is not made up."""
        self._mark(schedule_id, paused=False, reason="")
        schedule = self.get(schedule_id).schedule
        self._timers.set("schedule", schedule_id, schedule.next(self._now))
        return self.get(schedule_id)

    def remove(self, schedule_id: str) -> None:
        """Forget it; the runs that it has started stay."""
        self._timers.drop("schedule", schedule_id)
        self._connection.execute(
            "DELETE FROM schedules WHERE tenant = ? AND id = ?", (self._tenant, schedule_id)
        )

    def get(self, schedule_id: str) -> StoredSchedule:
        """The schedule of that id; raises NotFound, also for another tenant's."""
        found = self._read(" AND s.id = ?", schedule_id)
        if not found:
            remedy = "List them with: agent-runtime schedules list"
            raise NotFound("schedule", schedule_id, remedy=remedy)
        return found[0]

    def find(self) -> list[StoredSchedule]:
        """All schedules, by id."""
        return self._read(" ORDER BY s.id")

    def _mark(self, schedule_id: str, *, paused: bool, reason: str) -> None:
        self._connection.execute(
            "UPDATE schedules SET paused = ?, reason = ?, updated_at = ?"
            " WHERE tenant = ? AND id = ?",
            (int(paused), reason, to_text(self._now), self._tenant, schedule_id),
        )

    def _read(self, rest: str, *given: str) -> list[StoredSchedule]:
        columns = ", ".join(f"s.{name}" for name in _COLUMNS)
        rows = self._connection.execute(
            f"SELECT {columns}, t.due_at FROM schedules AS s LEFT JOIN timers AS t"  # noqa: S608 — constant
            " ON t.tenant = s.tenant AND t.kind = 'schedule' AND t.subject = s.id"
            f" WHERE s.tenant = ?{rest}",
            (self._tenant, *given),
        )
        names = (*_COLUMNS, "next_at")
        found = (dict(zip(names, row, strict=True)) for row in rows.fetchall())
        return [StoredSchedule.model_validate({**row, "input": self._input(row)}) for row in found]

    def _input(self, row: dict[str, Any]) -> Any:
        return json.loads(self._cipher.open(row["input"], *self._place(row["id"])))

    def _place(self, schedule_id: str) -> tuple[str, str, str]:
        return (self._tenant, "schedules", schedule_id)


def whose_declared(connection: sqlite3.Connection) -> list[str]:
    """The tenants that have schedules of the project's code."""
    rows = connection.execute("SELECT DISTINCT tenant FROM schedules WHERE declared")
    return [tenant for (tenant,) in rows.fetchall()]

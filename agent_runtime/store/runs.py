"""Runs in the store: claimed by raising the epoch, written only by who holds it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from agent_runtime.clock import from_text, to_text
from agent_runtime.errors import Conflict, LostOwnership, NotFound
from agent_runtime.evidence import Document
from agent_runtime.run import ENDS, Origin, Run, RunState
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.timers import Timers
from agent_runtime.trigger import Trigger, TriggerKind

_COLUMNS = (
    "id, tenant, workflow, version, state, input, trigger, epoch, owner, lease_until, trace,"
    " reason, priority, ready_at, tries, origin, created_at, updated_at"
)
_PREPARED = (
    " AND (coalesce(:rule, :prompt, :model) IS NULL OR EXISTS (SELECT 1 FROM courses AS c"
    " WHERE c.tenant = runs.tenant AND c.run_id = runs.id"
    " AND (:prompt IS NULL OR c.body ->> 'prompt' = :prompt)"
    " AND (:model IS NULL OR c.body ->> 'model' = :model)"
    " AND (:rule IS NULL OR :rule IN (SELECT value FROM json_each(c.body, '$.rules')))))"
)
"""What a run was judged by and prepared with, as the figures know it."""
_CHOSEN = (
    " WHERE tenant = :tenant"
    " AND (:workflow IS NULL OR workflow = :workflow)"
    " AND (:key IS NULL OR trigger_key = :key)"
    " AND (:started_by IS NULL OR trigger ->> 'owner' = :started_by)"
    " AND (:trigger IS NULL OR trigger ->> 'kind' = :trigger)"
    " AND (:since IS NULL OR created_at >= :since)"
    " AND (:until IS NULL OR created_at < :until)" + _PREPARED
)
_ENDED = "(" + ", ".join(f"'{state}'" for state in sorted(ENDS)) + ")"


@dataclass(frozen=True)
class RunFilter:
    """Which runs are asked for; None and the empty tuple: whatever they are.

    `rule`: one that judged it; `prompt` and `model`: what it was prepared with last, as the figures
    are split by them: of a run that is not counted yet, none is known.
    """

    states: tuple[RunState, ...] = ()
    workflow: str | None = None
    started_by: str | None = None
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    trigger: TriggerKind | None = None
    rule: str | None = None
    prompt: str | None = None
    model: str | None = None

    def named(self) -> dict[str, Any]:
        """The same as plain JSON, each part by its name."""
        given = {**asdict(self), "states": list(self.states)}
        times = {name: to_text(at) for name, at in given.items() if isinstance(at, datetime)}
        return {**given, **times}


@dataclass(frozen=True)
class Volume:
    """How many runs of a workflow there were, in how many people were asked, how many completed."""

    started: int
    asked: int
    completed: int


class Runs:
    """One tenant's runs, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)
        self._timers = Timers(connection, tenant, now)

    def insert(self, run: Run, documents: Sequence[Document]) -> None:
        """Store a new run; raises sqlite3.IntegrityError when its trigger key is taken."""
        texts = json.dumps([document.model_dump() for document in documents])
        inputs = self._seal(json.dumps(run.input), "input", run.id)
        row = (run.id, self._tenant, run.workflow, run.version, run.state, inputs)
        self._connection.execute(
            "INSERT INTO runs (id, tenant, workflow, version, state, input, documents, trigger,"
            " trigger_key, trace, priority, ready_at, origin, created_at, updated_at)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *row,
                self._seal(texts, "documents", run.id),
                run.trigger.model_dump_json(),
                run.trigger.key,
                run.trace,
            )
            + (run.priority, to_text(run.ready_at or run.created_at))
            + (None if run.origin is None else run.origin.model_dump_json(),)
            + (to_text(run.created_at), to_text(run.updated_at)),
        )
        if run.is_delayed:
            self._timers.set("start", run.id, run.ready_at or run.created_at)

    def get(self, run_id: str) -> Run:
        """The run of that id; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE tenant = ? AND id = ?",  # noqa: S608 — constant
            (self._tenant, run_id),
        ).fetchone()
        if row is None:
            raise NotFound("run", run_id, remedy="List them with: agent-runtime runs list")
        return self._run(row)

    def documents(self, run_id: str) -> list[Document]:
        """The texts handed in with the run's start; raises NotFound."""
        row = self._connection.execute(
            "SELECT documents FROM runs WHERE tenant = ? AND id = ?", (self._tenant, run_id)
        ).fetchone()
        if row is None:
            raise NotFound("run", run_id, remedy="List them with: agent-runtime runs list")
        texts = self._open(row[0], "documents", run_id)
        return [Document.model_validate(document) for document in json.loads(texts)]

    def by_key(self, workflow: str, key: str) -> Run | None:
        """The run that this trigger key started before, if any."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM runs"  # noqa: S608 — constant
            " WHERE tenant = ? AND workflow = ? AND trigger_key = ?",
            (self._tenant, workflow, key),
        ).fetchone()
        return None if row is None else self._run(row)

    def find(self, states: Sequence[RunState] = (), limit: int = -1) -> list[Run]:
        """Runs in the order they were made, of these states (none named: of all);
        a negative limit means no limit."""
        marks = ",".join("?" * len(states))
        where = f" AND state IN ({marks})" if states else ""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE tenant = ?{where} ORDER BY id LIMIT ?",  # noqa: S608 — marks
            (self._tenant, *states, limit),
        )
        return [self._run(row) for row in rows]

    def page(
        self, chosen: RunFilter, *, newest_first: bool, after: str | None, limit: int
    ) -> list[Run]:
        """Runs by the time of their making, from behind the one with the id `after`."""
        order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
        sorted_by = f" ORDER BY id {order} LIMIT :limit"
        where = f"{_CHOSEN} AND (:after IS NULL OR id {beyond} :after)"
        # State by state, each in the order of its index: the newest paused runs are found without
        # looking at a hundred thousand that have ended since.
        states = {f"state{number}": one for number, one in enumerate(dict.fromkeys(chosen.states))}
        sources = [f"runs INDEXED BY runs_by_state{where} AND state = :{name}" for name in states]
        parts = [
            f"SELECT * FROM (SELECT {_COLUMNS} FROM {source}{sorted_by})"  # noqa: S608 — constants
            for source in sources or [f"runs{where}"]
        ]
        rows = self._connection.execute(
            f"{' UNION ALL '.join(parts)}{sorted_by}",
            {**chosen.named(), **states, "tenant": self._tenant, "after": after, "limit": limit},
        )
        return [self._run(row) for row in rows.fetchall()]

    def claim(self, run_id: str, owner: str, lease_until: datetime, *, take_over: bool) -> Run:
        """Become the run's only owner: epoch + 1. Raises Conflict unless it is queued, or it is
        running and its lease is over (`take_over`: the caller knows the owner to be gone)."""
        run = self.get(run_id)
        lapsed = run.lease_until is None or run.lease_until <= self._now
        if run.state != "queued" and not (run.state == "running" and (lapsed or take_over)):
            holder = f", held by {run.owner}" if run.state == "running" else ""
            raise Conflict(f"Run {run_id} is {run.state}{holder}; only a queued run can be driven.")
        if run.is_delayed:
            self._timers.drop("start", run_id)
        row = self._connection.execute(
            "UPDATE runs SET state = 'running', epoch = epoch + 1, owner = ?, lease_until = ?,"  # noqa: S608 — constant
            f" reason = '', updated_at = ? WHERE tenant = ? AND id = ? RETURNING {_COLUMNS}",
            (owner, to_text(lease_until), to_text(self._now), self._tenant, run_id),
        ).fetchone()
        return self._run(row)

    def own(self, run_id: str, epoch: int) -> None:
        """Raises LostOwnership unless this epoch is the run's present one and it is running."""
        row = self._connection.execute(
            "SELECT epoch, state FROM runs WHERE tenant = ? AND id = ?", (self._tenant, run_id)
        ).fetchone()
        if row is None or row[0] != epoch or row[1] != "running":
            raise LostOwnership(f"Run {run_id} is no longer owned by epoch {epoch}.")

    def renew(self, run_id: str, epoch: int, lease_until: datetime) -> None:
        """Keep the claim; raises LostOwnership."""
        self.own(run_id, epoch)
        self._connection.execute(
            "UPDATE runs SET lease_until = ? WHERE tenant = ? AND id = ?",
            (to_text(lease_until), self._tenant, run_id),
        )

    def move(self, run_id: str, state: RunState, reason: str = "") -> Run:
        """Set the run's state and give the claim back; an end is final (raises Conflict)."""
        # Handed back (queued), a run keeps its count of failures; whatever else follows ends it.
        row = self._connection.execute(
            "UPDATE runs SET state = ?1, reason = ?2, owner = NULL, lease_until = NULL,"  # noqa: S608 — constant
            " updated_at = ?3, ready_at = CASE ?1 WHEN 'queued' THEN ?3 ELSE ready_at END,"
            " tries = CASE ?1 WHEN 'queued' THEN tries ELSE 0 END"
            f" WHERE tenant = ?4 AND id = ?5 AND state NOT IN {_ENDED} RETURNING {_COLUMNS}",
            (state, self._seal(reason, "reason", run_id), to_text(self._now), self._tenant, run_id),
        ).fetchone()
        if row is None:
            raise Conflict(f"Run {run_id} is {self.get(run_id).state} already.")
        moved = self._run(row)
        if (moved.ready_at or self._now) > self._now:
            self._timers.drop("start", run_id)
        return moved

    def repin(self, run_id: str, version: str) -> None:
        """Say that a run goes on under another version."""
        self._connection.execute(
            "UPDATE runs SET version = ? WHERE tenant = ? AND id = ?",
            (version, self._tenant, run_id),
        )

    def correct(self, run_id: str, inputs: dict[str, Any]) -> None:
        """Give a run another input."""
        self._connection.execute(
            "UPDATE runs SET input = ? WHERE tenant = ? AND id = ?",
            (self._seal(json.dumps(inputs), "input", run_id), self._tenant, run_id),
        )

    def defer(self, run_id: str, ready_at: datetime, reason: str) -> Run:
        """Queue the run again after one more failure, to be claimed from then on."""
        self._connection.execute(
            "UPDATE runs SET tries = tries + 1 WHERE tenant = ? AND id = ?", (self._tenant, run_id)
        )
        return self.postpone(run_id, ready_at, reason)

    def postpone(self, run_id: str, ready_at: datetime, reason: str) -> Run:
        """Queue the run, to be claimed from then on."""
        self.move(run_id, "queued", reason)
        self._connection.execute(
            "UPDATE runs SET ready_at = ? WHERE tenant = ? AND id = ?",
            (to_text(ready_at), self._tenant, run_id),
        )
        if ready_at > self._now:
            self._timers.set("start", run_id, ready_at)
        else:
            self._timers.drop("start", run_id)
        return self.get(run_id)

    def volumes(self, since: datetime) -> dict[str, Volume]:
        """By workflow, what was started since then."""
        rows = self._connection.execute(
            "SELECT workflow, count(*), sum(EXISTS (SELECT 1 FROM approvals"
            " WHERE approvals.run_id = runs.id)), sum(state = 'completed')"
            " FROM runs WHERE tenant = ? AND created_at >= ? GROUP BY workflow",
            (self._tenant, to_text(since)),
        )
        return {workflow: Volume(*counts) for workflow, *counts in rows.fetchall()}

    def count(self) -> dict[str, int]:
        """How many runs are in each state."""
        rows = self._connection.execute(
            "SELECT state, count(*) FROM runs WHERE tenant = ? GROUP BY state ORDER BY state",
            (self._tenant,),
        )
        return dict(rows.fetchall())

    def _seal(self, text: str, column: str, run_id: str) -> str:
        """Content of a run as it is stored; what is empty tells nothing."""
        empty = text in ("", "[]")
        return text if empty else self._cipher.seal(text, self._tenant, f"runs.{column}", run_id)

    def _open(self, text: str, column: str, run_id: str) -> str:
        return self._cipher.open(text, self._tenant, f"runs.{column}", run_id)

    def _run(self, row: tuple[object, ...]) -> Run:
        values = dict(zip(_COLUMNS.split(", "), row, strict=True))
        run_id, lease = str(values["id"]), values["lease_until"]
        origin = values["origin"]
        return Run.model_validate(
            {
                **values,
                "input": json.loads(self._open(str(values["input"]), "input", run_id)),
                "trigger": Trigger.model_validate_json(str(values["trigger"])),
                "origin": None if origin is None else Origin.model_validate_json(str(origin)),
                "lease_until": None if lease is None else from_text(str(lease)),
                "reason": self._open(str(values["reason"]), "reason", run_id),
                "ready_at": from_text(str(values["ready_at"])),
            }
        )

"""Approvals and decisions in the store: one pending row per question, one answer per person."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agent_runtime.approval import Approval, ApprovalStatus, Decision
from agent_runtime.clock import to_text
from agent_runtime.errors import NotFound

PENDING: tuple[ApprovalStatus, ...] = ("requested", "open")


class Approvals:
    """One tenant's approvals, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def request(self, approval: Approval) -> Approval:
        """Store a question, or return the pending one that asks exactly the same."""
        row = self._connection.execute(
            "SELECT id FROM approvals WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ?"
            " AND digest = ? AND status IN ('requested', 'open')",
            (self._tenant, approval.run_id, approval.step, approval.visit, approval.digest),
        ).fetchone()
        if row is not None:
            return self.get(row[0])
        self._connection.execute(
            "INSERT INTO approvals (id, tenant, run_id, step, visit, status, digest,"
            " action_digest, deadline, body, created_at) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (approval.id, self._tenant, approval.run_id, approval.step, approval.visit)
            + (approval.status, approval.digest, approval.action_digest)
            + (to_text(approval.deadline), _body(approval), to_text(approval.created_at)),
        )
        return approval

    def update(self, approval_id: str, **changes: Any) -> Approval:
        """Change fields of one approval, its status among them."""
        changed = self.get(approval_id).model_copy(update=changes)
        self._connection.execute(
            "UPDATE approvals SET status = ?, body = ?, deadline = ? WHERE tenant = ? AND id = ?",
            (changed.status, _body(changed), to_text(changed.deadline), self._tenant, approval_id),
        )
        return changed

    def close(self, approval_id: str, status: ApprovalStatus, by: str, **changes: Any) -> Approval:
        """Give an approval its final status; `by` is the person or cause."""
        changes |= {"status": status, "closed_by": by, "closed_at": self._now}
        return self.update(approval_id, **changes)

    def record(self, decision: Decision) -> None:
        """Store one person's answer; raises sqlite3.IntegrityError on a second one."""
        self._connection.execute(
            "INSERT INTO decisions (approval_id, tenant, operator, body, at) VALUES (?,?,?,?,?)",
            (decision.approval_id, self._tenant, decision.operator)
            + (decision.model_dump_json(), to_text(decision.at)),
        )

    def get(self, approval_id: str) -> Approval:
        """The approval with its decisions; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            "SELECT body FROM approvals WHERE tenant = ? AND id = ?", (self._tenant, approval_id)
        ).fetchone()
        if row is None:
            remedy = "List them with: agent-runtime approvals list"
            raise NotFound("approval", approval_id, remedy=remedy)
        return self._with_decisions(row[0])

    def latest(self, run_id: str, step: str, visit: int) -> Approval | None:
        """The newest question of one visit of a step, whatever its status."""
        row = self._connection.execute(
            "SELECT body FROM approvals WHERE tenant = ? AND run_id = ? AND step = ?"
            " AND visit = ? ORDER BY rowid DESC LIMIT 1",
            (self._tenant, run_id, step, visit),
        ).fetchone()
        return None if row is None else self._with_decisions(row[0])

    def find(
        self,
        statuses: Sequence[ApprovalStatus] = (),
        *,
        run_id: str | None = None,
        limit: int = -1,
    ) -> list[Approval]:
        """Approvals in the order they were asked, of these statuses (none named: of all);
        a negative limit means no limit."""
        marks = ",".join("?" * len(statuses))
        where = f" AND status IN ({marks})" if statuses else ""
        where += " AND run_id = ?" if run_id is not None else ""
        rows = self._connection.execute(
            f"SELECT body FROM approvals WHERE tenant = ?{where} ORDER BY rowid LIMIT ?",  # noqa: S608 — marks
            (self._tenant, *statuses, *([run_id] if run_id is not None else []), limit),
        )
        return self._all_with_decisions([body for (body,) in rows.fetchall()])

    def due(self) -> list[Approval]:
        """Open approvals whose deadline has passed."""
        rows = self._connection.execute(
            "SELECT body FROM approvals WHERE tenant = ? AND status = 'open' AND deadline <= ?",
            (self._tenant, to_text(self._now)),
        )
        return self._all_with_decisions([body for (body,) in rows.fetchall()])

    def was_rejected(self, run_id: str, action_digest: str) -> bool:
        """Whether a person has said no to this very action in this run."""
        row = self._connection.execute(
            "SELECT 1 FROM approvals WHERE tenant = ? AND run_id = ? AND action_digest = ?"
            " AND status = 'rejected' LIMIT 1",
            (self._tenant, run_id, action_digest),
        ).fetchone()
        return row is not None

    def _with_decisions(self, body: str) -> Approval:
        return self._all_with_decisions([body])[0]

    def _all_with_decisions(self, bodies: Sequence[str]) -> list[Approval]:
        found = [Approval.model_validate_json(body) for body in bodies]
        rows = self._connection.execute(
            "SELECT approval_id, body FROM decisions WHERE tenant = ?"
            " AND approval_id IN (SELECT value FROM json_each(?)) ORDER BY at, operator",
            (self._tenant, json.dumps([approval.id for approval in found])),
        )
        decisions: dict[str, tuple[Decision, ...]] = {}
        for approval_id, text in rows:
            given = decisions.get(approval_id, ())
            decisions[approval_id] = (*given, Decision.model_validate_json(text))
        return [
            approval.model_copy(update={"decisions": decisions[approval.id]})
            if approval.id in decisions
            else approval
            for approval in found
        ]


def _body(approval: Approval) -> str:
    return approval.model_dump_json(exclude={"decisions"})

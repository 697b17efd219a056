"""Approvals and decisions in the store: one pending row per question, one answer per person."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from agent_runtime.approval import Approval, ApprovalStatus, Decision, changes, missing_slots
from agent_runtime.clock import to_text
from agent_runtime.errors import Change, NotFound
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.inbox import in_units, member_set
from agent_runtime.store.timers import Timers

Stored = tuple[str, str, str]
"""A question's id, body and answers as they are stored."""

_SELECT = (
    "SELECT id, body, (SELECT json_group_array(json_array(at, operator, body)) FROM decisions AS d"
    " WHERE d.tenant = approvals.tenant AND d.approval_id = approvals.id) FROM approvals"
)
_NONE = "[]"

PENDING: tuple[ApprovalStatus, ...] = ("requested", "open", "held")


class Approvals:
    """One tenant's approvals, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)
        self._timers = Timers(connection, tenant, now)

    def request(self, approval: Approval) -> Approval:
        """Store a question, or return the pending one that asks exactly the same."""
        row = self._connection.execute(
            "SELECT id FROM approvals WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ?"
            " AND digest = ? AND status IN ('requested', 'open', 'held')",
            (self._tenant, approval.run_id, approval.step, approval.visit, approval.digest),
        ).fetchone()
        if row is not None:
            return self.get(row[0])
        columns = {
            "id": approval.id,
            "tenant": self._tenant,
            "run_id": approval.run_id,
            "step": approval.step,
            "visit": approval.visit,
            "digest": approval.digest,
            "action_digest": approval.action_digest,
            "created_at": to_text(approval.created_at),
            "workflow": approval.workflow,
            "tool": approval.action.tool,
            "amount": None if approval.amount is None else in_units(approval.amount),
            **self._columns(approval),
        }
        self._connection.execute(
            f"INSERT INTO approvals ({', '.join(columns)})"  # noqa: S608 — constants
            f" VALUES ({', '.join('?' * len(columns))})",
            tuple(columns.values()),
        )
        self._set_timers(None, approval)
        return approval

    def update(
        self,
        approval_id: str,
        *,
        before: Approval | None = None,
        known: Approval | None = None,
        **changed: Any,
    ) -> Approval:
        """Change fields of one approval, its status among them, and raise its version.

        `before`: as it was before what was changed beside its row (an answer given, for one).
        `known`: as it is, where this transaction has read it.
        """
        stored = known or self.get(approval_id)
        after = stored.model_copy(update=changed)
        different = changes(before or stored, after)
        # Nobody has seen a question before it is open.
        if different and stored.status != "requested":
            after = after.model_copy(update={"version": stored.version + 1})
            if after.status in PENDING:
                self._note(after, different)
        columns = self._columns(after)
        self._connection.execute(
            f"UPDATE approvals SET {', '.join(f'{name} = ?' for name in columns)}"  # noqa: S608 — constants
            " WHERE tenant = ? AND id = ?",
            (*columns.values(), self._tenant, approval_id),
        )
        self._set_timers(stored, after)
        return after

    def lift(self, approval_id: str, *, undone: bool) -> bool:
        """End an answer's hold, if that may be done now: undone before it takes effect, or left
        to take effect from then on. One conditional change, so that one of the two happens."""
        still = "effective_at > ?" if undone else "effective_at <= ?"
        done = self._connection.execute(
            "UPDATE approvals SET status = 'open'"  # noqa: S608 — constants
            f" WHERE tenant = ? AND id = ? AND status = 'held' AND {still}",
            (self._tenant, approval_id, to_text(self._now)),
        )
        return done.rowcount == 1

    def retract(self, approval_id: str, operator: str) -> None:
        """Forget one person's answer, which had not taken effect."""
        self._connection.execute(
            "DELETE FROM decisions WHERE tenant = ? AND approval_id = ? AND operator = ?",
            (self._tenant, approval_id, operator),
        )

    def changes(self, approval_id: str, since: int) -> tuple[Change, ...]:
        """What has changed after that version, the oldest first."""
        rows = self._connection.execute(
            "SELECT field, old, new FROM approval_changes WHERE tenant = ? AND approval_id = ?"
            " AND version > ? ORDER BY version, field",
            (self._tenant, approval_id, since),
        )
        place = (self._tenant, "approval_changes", approval_id)
        return tuple(
            Change(
                field, self._cipher.open(old, *place, field), self._cipher.open(new, *place, field)
            )
            for field, old, new in rows.fetchall()
        )

    def _note(self, after: Approval, different: Sequence[Change]) -> None:
        for one in different:
            place = (self._tenant, "approval_changes", after.id, one.field)
            old, new = self._cipher.seal(one.old, *place), self._cipher.seal(one.new, *place)
            self._connection.execute(
                "INSERT INTO approval_changes (tenant, approval_id, version, field, old, new)"
                " VALUES (?,?,?,?,?,?)",
                (self._tenant, after.id, after.version, one.field, old, new),
            )

    def _set_timers(self, before: Approval | None, after: Approval) -> None:
        """Only what is open can expire or be late."""
        if after.status == "open":
            self._timers.set("deadline", after.id, after.deadline)
            if after.remind is not None and (before is None or before.status == "requested"):
                self._timers.set("reminder", after.id, after.late_at)
        elif before is not None and before.status == "open":
            self._timers.drop("deadline", after.id)
        if after.remind is not None and after.status not in PENDING:
            self._timers.drop("reminder", after.id)
        if after.status == "held" and after.effective_at is not None:
            self._timers.set("hold", after.id, after.effective_at)
        elif before is not None and before.status == "held":
            self._timers.drop("hold", after.id)

    def close(self, approval_id: str, status: ApprovalStatus, by: str, **more: Any) -> Approval:
        """Give an approval its final status; `by` is the person or cause."""
        more |= {"status": status, "closed_by": by, "closed_at": self._now, "claim": None}
        return self.update(approval_id, **more)

    def record(self, decision: Decision) -> None:
        """Store one person's answer; raises sqlite3.IntegrityError on a second one."""
        self._connection.execute(
            "INSERT INTO decisions (approval_id, tenant, operator, body, at) VALUES (?,?,?,?,?)",
            (decision.approval_id, self._tenant, decision.operator)
            + (self._sealed(decision), to_text(decision.at)),
        )

    def get(self, approval_id: str) -> Approval:
        """The approval with its decisions; raises NotFound, also for another tenant's."""
        row = self._connection.execute(
            f"{_SELECT} WHERE tenant = ? AND id = ?",
            (self._tenant, approval_id),
        ).fetchone()
        if row is None:
            remedy = "List them with: agent-runtime approvals list"
            raise NotFound("approval", approval_id, remedy=remedy)
        return self._loaded(row)

    def latest(self, run_id: str, step: str, visit: int) -> Approval | None:
        """The newest question of one visit of a step, whatever its status."""
        row = self._connection.execute(
            f"{_SELECT} WHERE tenant = ? AND run_id = ? AND step = ?"
            " AND visit = ? ORDER BY rowid DESC LIMIT 1",
            (self._tenant, run_id, step, visit),
        ).fetchone()
        return None if row is None else self._loaded(row)

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
            f"{_SELECT} WHERE tenant = ?{where} ORDER BY rowid LIMIT ?",
            (self._tenant, *statuses, *([run_id] if run_id is not None else []), limit),
        )
        return [self._loaded(row) for row in rows.fetchall()]

    def due(self) -> list[Approval]:
        """Open approvals whose deadline has passed."""
        return [self.get(approval_id) for approval_id in self._timers.due("deadline")]

    def held(self) -> list[Approval]:
        """Answers whose time to be undone is over."""
        return [self.get(approval_id) for approval_id in self._timers.due("hold")]

    def read(self, ids: Sequence[str]) -> list[Approval]:
        """The approvals of these ids, in their order; those that are not there are left out."""
        rows = self._connection.execute(
            f"{_SELECT} WHERE tenant = ? AND id IN (SELECT value FROM json_each(?))",  # noqa: S608 — constants
            (self._tenant, json.dumps(list(ids))),
        )
        found = {row[0]: row for row in rows.fetchall()}
        return [self._loaded(found[name]) for name in ids if name in found]

    def asked_otherwise(self, versions: Iterable[str]) -> list[Approval]:
        """Open questions that were asked under none of these policy versions, found by an index:
        the others, however many, are not read."""
        rows = self._connection.execute(
            f"{_SELECT} INDEXED BY approvals_by_policy WHERE tenant = ?"  # noqa: S608 — constants
            " AND status = 'open' AND policy_version NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY rowid",
            (self._tenant, json.dumps(list(versions))),
        )
        return [self._loaded(row) for row in rows.fetchall()]

    def was_rejected(self, run_id: str, action_digest: str) -> bool:
        """Whether a person has said no to this very action in this run."""
        row = self._connection.execute(
            "SELECT 1 FROM approvals WHERE tenant = ? AND run_id = ? AND action_digest = ?"
            " AND status = 'rejected' LIMIT 1",
            (self._tenant, run_id, action_digest),
        ).fetchone()
        return row is not None

    def _loaded(self, stored: Stored) -> Approval:
        name, body, answers = stored
        text = self._cipher.open(body, self._tenant, "approvals", name)
        approval = Approval.model_validate_json(text)
        if answers == _NONE:
            return approval
        decisions = []
        for _, operator, sealed in sorted(json.loads(answers)):
            given = self._cipher.open(sealed, self._tenant, "decisions", name, operator)
            decisions.append(Decision.model_validate_json(given))
        return approval.model_copy(update={"decisions": tuple(decisions)})

    def _sealed(self, decision: Decision) -> str:
        place = (self._tenant, "decisions", decision.approval_id, decision.operator)
        return self._cipher.seal(decision.model_dump_json(), *place)

    def _columns(self, approval: Approval) -> dict[str, Any]:
        body = approval.model_dump_json(exclude={"decisions"})
        sealed = self._cipher.seal(body, self._tenant, "approvals", approval.id)
        return {"body": sealed, **_columns(approval)}


def _columns(approval: Approval) -> dict[str, Any]:
    """What of a question may change, as its row holds it."""
    claim, people = approval.claim, {one.to for one in approval.delegations}
    missing = sorted(set(missing_slots(approval.slots, approval.yes())))
    asks = [*(f"role:{role}" for role in missing), *(f"person:{name}" for name in sorted(people))]
    spent = {one.operator for one in approval.decisions} | {approval.started_by}
    return {
        "status": approval.status,
        "policy_version": approval.policy_version,
        "deadline": to_text(approval.deadline),
        "rules": member_set(approval.rules),
        "risk": approval.risk,
        "asks": member_set(asks),
        "spent": member_set(sorted(spent | {one.by for one in approval.delegations})),
        "claimed_by": None if claim is None else claim.by,
        "claimed_until": None if claim is None else to_text(claim.until),
        "late_at": to_text(approval.late_at),
        "effective_at": None if approval.effective_at is None else to_text(approval.effective_at),
    }

"""The journal: authorizations, consumed once, and the ledger of side effects they allowed."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import Action
from agent_runtime.clock import to_text
from agent_runtime.errors import NotFound, Ungated
from agent_runtime.grant import Grant
from agent_runtime.signal import Signals
from agent_runtime.store.connection import cipher_of
from agent_runtime.verdict import Verdict

EntryState = Literal["intended", "executed", "failed"]
"""intended: the call may or may not have happened; failed: it is proven that it did not."""


class Authorization(BaseModel):
    """The right to execute one exact action once, in one visit of one step.

    `approval_id` is set where people gave it, else policy did. `facts` (plain JSON), `signals`
    and `verdict` are what it rests on; the action node holds them against the present.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: str
    run_id: str
    step: str
    visit: int
    approval_id: str | None
    action: Action
    action_digest: str
    facts: dict[str, Any]
    signals: Signals
    verdict: Verdict

    def require_same(self, stored: Authorization) -> None:
        """Raise Ungated when this visit holds a right for another action already."""
        if stored.action_digest != self.action_digest:
            raise Ungated("This visit of the step has authorized another action already.")


class JournalEntry(BaseModel):
    """One side effect. `result` is JSON, once settled.

    `tries` counts calls under its key; `may_retry`: a person allowed one more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    run_id: str
    authorization_id: str
    tool: str
    action_digest: str
    state: EntryState
    tries: int
    may_retry: bool = False
    result: Any = None
    intended_at: datetime
    settled_at: datetime | None = None


class Journal:
    """One tenant's journal, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)

    def authorize(self, authorization: Authorization) -> Authorization:
        """Store the right; the same visit authorized again after a crash gives the first one.

        Raises Ungated when that visit holds a right for another action.
        """
        stored = self.right(authorization.run_id, authorization.step, authorization.visit)
        if stored is not None:
            authorization.require_same(stored)
            return stored
        self._connection.execute(
            "INSERT INTO authorizations (id, tenant, run_id, step, visit, approval_id,"
            " action_digest, body, state) VALUES (?,?,?,?,?,?,?,?,'granted')",
            (authorization.id, self._tenant, authorization.run_id, authorization.step)
            + (authorization.visit, authorization.approval_id, authorization.action_digest)
            + (self._cipher.seal(authorization.model_dump_json(), *self._place(authorization)),),
        )
        return authorization

    def right(self, run_id: str, step: str, visit: int) -> Authorization | None:
        """What one visit of a step was ever allowed to do, whatever became of it."""
        row = self._connection.execute(
            "SELECT body FROM authorizations"
            " WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ?",
            (self._tenant, run_id, step, visit),
        ).fetchone()
        return None if row is None else Authorization.model_validate_json(row[0])

    def authorization(self, run_id: str, step: str, visit: int) -> Authorization:
        """The right held by one visit of a step; raises Ungated when there is none."""
        row = self._connection.execute(
            "SELECT body FROM authorizations"
            " WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ? AND state != 'voided'",
            (self._tenant, run_id, step, visit),
        ).fetchone()
        if row is None:
            raise Ungated(f"Run {run_id}, step {step}: no authorization for this action.")
        return self._right(row[0], run_id, step, visit)

    def void(self, authorization_id: str) -> None:
        """Take an unused right away; raises Ungated when it was consumed already."""
        done = self._connection.execute(
            "UPDATE authorizations SET state = 'voided'"
            " WHERE tenant = ? AND id = ? AND state = 'granted'",
            (self._tenant, authorization_id),
        )
        if done.rowcount != 1:
            raise Ungated(f"Authorization {authorization_id} is no longer unused.")

    def was_voided(self, run_id: str, step: str, visit: int) -> bool:
        """Whether the right of one visit of a step has been taken away."""
        row = self._connection.execute(
            "SELECT 1 FROM authorizations"
            " WHERE tenant = ? AND run_id = ? AND step = ? AND visit = ? AND state = 'voided'",
            (self._tenant, run_id, step, visit),
        ).fetchone()
        return row is not None

    def has_acted(self, run_id: str, action_digest: str) -> bool:
        """Whether the run has made this very call, or may have."""
        row = self._connection.execute(
            "SELECT 1 FROM journal WHERE tenant = ? AND run_id = ? AND action_digest = ?"
            " AND state <> 'failed' LIMIT 1",
            (self._tenant, run_id, action_digest),
        ).fetchone()
        return row is not None

    def intend(self, authorization: Authorization, key: str, action_digest: str) -> Grant:
        """Consume the right and write the intent: the only place that makes a first Grant.

        Raises Ungated when the right is used up, voided, is for another action, or rests on an
        approval that may still be undone.
        """
        done = self._connection.execute(
            "UPDATE authorizations SET state = 'consumed' WHERE tenant = ? AND id = ?"
            " AND state = 'granted' AND action_digest = ? AND NOT EXISTS (SELECT 1"
            " FROM approvals AS a WHERE a.tenant = authorizations.tenant"
            " AND a.id = authorizations.approval_id"
            " AND (a.status <> 'approved' OR a.effective_at > ?))",
            (self._tenant, authorization.id, action_digest, to_text(self._now)),
        )
        if done.rowcount != 1:
            raise Ungated(f"No unused authorization for exactly this call of {key}.")
        self._connection.execute(
            "INSERT INTO journal (key, tenant, run_id, authorization_id, tool, action_digest,"
            " state, intended_at) VALUES (?,?,?,?,?,?,'intended',?)",
            (key, self._tenant, authorization.run_id, authorization.id)
            + (authorization.action.tool, action_digest, to_text(self._now)),
        )
        return Grant._issue(action_digest, key)

    def again(self, key: str) -> Grant:
        """A further Grant for an intended call whose tool may repeat it under the same key."""
        done = self._connection.execute(
            "UPDATE journal SET tries = tries + 1, may_retry = 0 WHERE tenant = ? AND key = ?"
            " AND state = 'intended' RETURNING action_digest",
            (self._tenant, key),
        ).fetchone()
        if done is None:
            raise Ungated(f"The journal has no open intent {key}.")
        return Grant._issue(done[0], key)

    def allow_retry(self, key: str) -> None:
        """Let an intended call be made once more, on a person's word."""
        self._connection.execute(
            "UPDATE journal SET may_retry = 1 WHERE tenant = ? AND key = ? AND state = 'intended'",
            (self._tenant, key),
        )

    def settle(self, key: str, state: Literal["executed", "failed"], result: Any) -> JournalEntry:
        """Write the outcome of an intended call; one that is settled already stays as it is."""
        self._connection.execute(
            "UPDATE journal SET state = ?, result = ?, settled_at = ?"
            " WHERE tenant = ? AND key = ? AND state = 'intended'",
            (state, self._cipher.seal(json.dumps(result), *self._result(key)))
            + (to_text(self._now), self._tenant, key),
        )
        return self._one("key = ?", key)

    def entry(self, authorization_id: str) -> JournalEntry | None:
        """The side effect that this right was used for, if it was."""
        try:
            return self._one("authorization_id = ?", authorization_id)
        except NotFound:
            return None

    def by_key(self, key: str) -> JournalEntry:
        """The side effect under that key; raises NotFound."""
        return self._one("key = ?", key)

    def find(self, run_id: str | None = None) -> list[JournalEntry]:
        """Side effects in the order they were intended, of one run or of all."""
        where = "tenant = ?" + (" AND run_id = ?" if run_id else "")
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM journal WHERE {where} ORDER BY intended_at, key",  # noqa: S608 — constants
            (self._tenant, run_id) if run_id else (self._tenant,),
        )
        return [self._entry(row) for row in rows.fetchall()]

    def _one(self, where: str, value: str) -> JournalEntry:
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM journal WHERE tenant = ? AND {where}",  # noqa: S608 — constants
            (self._tenant, value),
        ).fetchone()
        if row is None:
            raise NotFound("journal entry", value)
        return self._entry(row)

    def _right(self, body: str, *visit: object) -> Authorization:
        where = (self._tenant, "authorizations", *visit)
        return Authorization.model_validate_json(self._cipher.open(body, *where))

    def _place(self, right: Authorization) -> tuple[object, ...]:
        return (self._tenant, "authorizations", right.run_id, right.step, right.visit)

    def _result(self, key: str) -> tuple[object, ...]:
        return (self._tenant, "journal", key)

    def _entry(self, row: tuple[Any, ...]) -> JournalEntry:
        values = dict(zip(_COLUMNS.split(", "), row, strict=True))
        result = values["result"]
        if result is not None:
            result = json.loads(self._cipher.open(result, *self._result(values["key"])))
        return JournalEntry.model_validate({**values, "result": result})


_COLUMNS = (
    "key, run_id, authorization_id, tool, action_digest, state, tries, may_retry, result,"
    " intended_at, settled_at"
)

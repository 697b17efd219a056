"""Model calls in the store: every attempt, what budgets have left, and answers kept for reuse."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.budget import Budget, Scope, Spent, Tier
from agent_runtime.clock import to_text
from agent_runtime.errors import BudgetExceeded
from agent_runtime.failure import FailureKind
from agent_runtime.store.batches import Batches
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.transaction import Transaction

CallOutcome = Literal["answered", "cached"] | FailureKind
"""answered: with something the step could use, or a wish for a tool; cached: nobody was asked."""

AFTERWARDS = 0
"""The visit of what was asked about a run when it had ended: steps count theirs from 1."""

_INSERT = (
    "INSERT INTO model_calls (tenant, run_id, step, visit, attempt, model, tier, request, outcome,"
    " millis, tokens_in, tokens_out, tokens_cached, estimated, cost, at, batched, epoch) VALUES"
)


class ModelCall(BaseModel):
    """One attempt. `request` is the hash of the whole request, the same as its recording's.

    `attempt` counts within a visit, from 1; `estimated`: the provider said nothing of usage;
    `cost` in billionths of the price table's currency, None where no price is known; `batched`: it
    went by the provider's batch endpoint, which is what `millis` were spent on; `epoch`: the claim
    that it was made under, None of a call that is older than this is kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    step: str
    visit: int
    attempt: int
    model: str
    tier: Tier
    request: str
    outcome: CallOutcome
    millis: int
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    estimated: bool = False
    cost: int | None = None
    at: datetime
    batched: bool = False
    epoch: int | None = None


@dataclass
class Tallied:
    """Attempts of one kind, added up."""

    n: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: int = 0


@dataclass
class Tally:
    """All attempts so far by model, outcome and whether it was another try: kept from one look to
    the next, so that each is read once."""

    found: dict[tuple[str, str, bool], Tallied] = field(default_factory=dict)
    seq: int = 0

    def follow(self, calls: Calls) -> None:
        """Add what has come since the last look."""
        self.seq = calls.add_to(self.found, self.seq)


class Calls:
    """One tenant's model calls, on one connection."""

    def __init__(
        self, connection: sqlite3.Connection, tenant: str, now: datetime, transaction: Transaction
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._transaction = transaction

    @cached_property
    def batches(self) -> Batches:
        """What goes by providers' batch endpoints."""
        return Batches(self._connection, self._tenant, self._now)

    def add(self, call: ModelCall) -> None:
        """Record one attempt."""
        row = call.model_dump(mode="json") | {"at": to_text(call.at)}
        self._transaction.add(_INSERT, (self._tenant, *row.values()))

    def find(self, run_id: str) -> list[ModelCall]:
        """The attempts of one run, in order."""
        self._transaction.write()
        names = tuple(ModelCall.model_fields)
        rows = self._connection.execute(
            f"SELECT {', '.join(names)} FROM model_calls"  # noqa: S608 — the model's own fields
            " WHERE tenant = ? AND run_id = ? ORDER BY seq",
            (self._tenant, run_id),
        )
        return [ModelCall.model_validate(dict(zip(names, row, strict=True))) for row in rows]

    def add_to(self, found: dict[tuple[str, str, bool], Tallied], after: int) -> int:
        """Add the attempts that came after a row; returns the row to go on from."""
        (newest,) = self._connection.execute("SELECT max(seq) FROM model_calls").fetchone()
        rows = self._connection.execute(
            "SELECT model, outcome, attempt > 1, count(*), sum(tokens_in), sum(tokens_out),"
            " total(cost) FROM model_calls WHERE tenant = ? AND seq > ? AND seq <= ?"
            " GROUP BY 1, 2, 3",
            (self._tenant, after, newest or 0),
        )
        for model, outcome, again, n, tokens_in, tokens_out, cost in rows:
            one = found.setdefault((model, outcome, bool(again)), Tallied())
            one.n += n
            one.tokens_in += tokens_in
            one.tokens_out += tokens_out
            one.cost += int(cost)
        return newest or 0

    def reserve(
        self,
        scopes: Mapping[Scope, tuple[str, Budget, int]],
        estimate: Spent,
    ) -> None:
        """Draw an estimate on every scope at once; raises BudgetExceeded, with nothing drawn.

        `scopes`: the name that a scope counts under, its budget, and how often it was granted.
        """
        for scope, (name, budget, granted) in scopes.items():
            so_far = self.spent(scope, name)
            after = _sum(so_far, estimate)
            problem = after.over(budget, granted)
            if problem is not None:
                raise BudgetExceeded(scope, problem, fails=budget.exceeded == "fail")
        self.settle({scope: name for scope, (name, _, _) in scopes.items()}, Spent(), estimate)

    def settle(self, scopes: Mapping[Scope, str], estimate: Spent, actual: Spent) -> None:
        """Replace what was drawn as an estimate by what it really took."""
        for scope, name in scopes.items():
            self._connection.execute(
                "INSERT INTO spendings (tenant, scope, name, tokens, money, calls, millis)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, scope, name) DO UPDATE SET"
                " tokens = tokens + excluded.tokens, money = money + excluded.money,"
                " calls = calls + excluded.calls, millis = millis + excluded.millis",
                (
                    self._tenant,
                    scope,
                    name,
                    actual.tokens - estimate.tokens,
                    actual.money - estimate.money,
                    actual.calls - estimate.calls,
                    actual.millis - estimate.millis,
                ),
            )

    def spent(self, scope: Scope, name: str) -> Spent:
        """What was drawn on a scope so far, calls in flight with their estimate."""
        row = self._connection.execute(
            "SELECT tokens, money, calls, millis FROM spendings"
            " WHERE tenant = ? AND scope = ? AND name = ?",
            (self._tenant, scope, name),
        ).fetchone()
        tokens, money, calls, millis = row or (0, 0, 0, 0)
        return Spent(tokens=tokens, money=money, calls=calls, millis=millis)

    def kept(self, request: str) -> dict[str, Any] | None:
        """The answer that was kept for exactly this request, unless it has expired."""
        row = self._connection.execute(
            "SELECT body FROM model_answers WHERE tenant = ? AND request = ? AND expires_at > ?",
            (self._tenant, request, to_text(self._now)),
        ).fetchone()
        if row is None:
            return None
        opened = cipher_of(self._connection).open(row[0], self._tenant, "model_answers", request)
        found: dict[str, Any] = json.loads(opened)
        return found

    def keep(self, request: str, answer: Mapping[str, Any], lasts: timedelta) -> None:
        """Keep an answer for that long; what has expired goes."""
        self._connection.execute(
            "DELETE FROM model_answers WHERE tenant = ? AND expires_at <= ?",
            (self._tenant, to_text(self._now)),
        )
        text = json.dumps(answer, ensure_ascii=False)
        sealed = cipher_of(self._connection).seal(text, self._tenant, "model_answers", request)
        self._connection.execute(
            "INSERT OR REPLACE INTO model_answers (tenant, request, body, expires_at)"
            " VALUES (?, ?, ?, ?)",
            (self._tenant, request, sealed, to_text(self._now + lasts)),
        )


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(
        tokens=one.tokens + other.tokens,
        money=one.money + other.money,
        calls=one.calls + other.calls,
        millis=one.millis + other.millis,
    )

"""The inbox in the store: pages and counts out of one index, without reading a question's row."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.clock import to_text
from agent_runtime.errors import InvalidInput
from agent_runtime.inbox import Counts, Filter, Key, Order, Sort, finds, may_find
from agent_runtime.store.connection import cipher_of
from agent_runtime.verdict import Operator

UNIT = 10_000
"""Amounts are stored in whole ten-thousandths, as exact as policy sees them."""
_LOWEST = -(2**63)

SEARCHED = 1_000
"""Questions that a search reads at a time; each time takes some 10 ms."""

_KEYS: dict[Sort, str] = {
    "age": "id",
    "deadline": "deadline",
    "amount": f"coalesce(amount, {_LOWEST})",
}

_CLAIMED = {
    None: "",
    "by_me": " AND claimed_until > :now AND claimed_by = :me",
    "by_others": " AND claimed_until > :now AND claimed_by <> :me",
    "by_nobody": " AND (claimed_until IS NULL OR claimed_until <= :now)",
}


def in_units(amount: Decimal) -> int:
    """An amount in ten-thousandths; raises InvalidInput beyond what policy can see."""
    units = amount * UNIT if amount.is_finite() else Decimal("NaN")
    if not units.is_finite() or units != int(units) or not _LOWEST < units < -_LOWEST:
        raise InvalidInput("amount", str(amount), "has more than four places, or is out of range")
    return int(units)


def member_set(names: Iterable[str]) -> str:
    """Names as a text in which `member` finds each of them and nothing else."""
    return "," + "".join(f"{json.dumps(name)}," for name in names)


def member(name: str) -> str:
    """What stands in the text of a set that holds this name. A quotation mark within a name is
    escaped, so that no name can pretend to be two."""
    return f",{json.dumps(name)},"


class Inbox:
    """One tenant's questions as somebody looks for them, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now

    def page(self, wanted: Filter, order: Order, who: Operator | None = None) -> list[Key]:
        """The keys of one page, and of one question more where there is one."""
        keys, values = self._keys(wanted, order, who)
        rows = self._connection.execute(keys, {**values, "limit": order.limit + 1})
        return [Key(value=key, id=approval_id) for key, approval_id in rows.fetchall()]

    def search(
        self, text: str, wanted: Filter, order: Order, who: Operator | None = None
    ) -> tuple[list[Key], Key | None]:
        """Those of the next SEARCHED questions that the text finds, and where to read on; None:
        all are read. The order's limit is not looked at.

        Content may be sealed, and is erased with its row: so it is read, and no index repeats it.
        """
        keys, values = self._keys(wanted, order, who)
        rows = self._connection.execute(
            f"SELECT key, id, body FROM ({keys}) JOIN approvals USING (id)"  # noqa: S608 — constants
            f" WHERE tenant = :tenant {_in_order(order)}",
            {**values, "limit": SEARCHED},
        )
        cipher, found = cipher_of(self._connection), []
        read = rows.fetchall()
        for value, approval_id, sealed in read:
            body = cipher.open(sealed, self._tenant, "approvals", approval_id)
            if may_find(text, body) and finds(text, Approval.model_validate_json(body)):
                found.append(Key(value=value, id=approval_id))
        is_end = len(read) < SEARCHED
        return found, None if is_end else Key(value=read[-1][0], id=read[-1][1])

    def _keys(
        self, wanted: Filter, order: Order, who: Operator | None
    ) -> tuple[str, dict[str, Any]]:
        """A query for the first `:limit` keys, and its other values."""
        where, values = self._where(wanted, who)
        key = _KEYS[order.sort]
        if order.after is not None:
            where += f" AND ({key}, id) {'<' if order.descending else '>'} (:after, :after_id)"
            values |= {"after": order.after.value, "after_id": order.after.id}
        # Status by status, each in the order of the index: the newest of a hundred thousand
        # finished ones are found without looking at the others. SQLite, left to choose, walks the
        # primary key instead, and reads every row to see its status.
        index = "approvals_inbox" if wanted.run_id is None else "approvals_by_visit"
        parts = [
            f"SELECT * FROM (SELECT {key} AS key, id FROM approvals INDEXED BY {index}"  # noqa: S608 — constants
            " WHERE tenant = :tenant"
            f" AND status = :status{number}{where} {_in_order(order)} LIMIT :limit)"
            for number in range(len(wanted.statuses))
        ]
        return f"{' UNION ALL '.join(parts)} {_in_order(order)} LIMIT :limit", values

    def key(self, approval_id: str, sort: Sort) -> Key | None:
        """Where a question stands in an order, whatever has become of it; None: there is none."""
        row = self._connection.execute(
            f"SELECT {_KEYS[sort]} FROM approvals WHERE tenant = ? AND id = ?",  # noqa: S608 — constant
            (self._tenant, approval_id),
        ).fetchone()
        return None if row is None else Key(value=row[0], id=approval_id)

    def counts(self, wanted: Filter, who: Operator | None = None) -> Counts:
        """How many the filter finds, and of which kinds."""
        where, values = self._where(wanted, who)
        marks = ", ".join(f":status{number}" for number in range(len(wanted.statuses)))
        mine = self._mine(who, values)
        kinds = "status, workflow, tool, rules, risk"
        found = self._connection.execute(
            f"SELECT {kinds}, count(*), total(late_at <= :now), total(claimed_until > :now),"  # noqa: S608 — constants
            f" total({mine}) FROM approvals INDEXED BY approvals_inbox"
            f" WHERE tenant = :tenant AND status IN ({marks}){where} GROUP BY {kinds}",
            values,
        ).fetchall()
        total, late, claimed, of_mine = (sum(int(row[n]) for row in found) for n in range(5, 9))
        return Counts(
            total=total,
            mine=of_mine,
            late=late,
            claimed=claimed,
            statuses=_tally((row[0], row[5]) for row in found),
            workflows=_tally((row[1], row[5]) for row in found),
            tools=_tally((row[2], row[5]) for row in found),
            rules=_tally((rule, row[5]) for row in found for rule in _names(row[3])),
            risks=_tally((row[4], row[5]) for row in found),
        )

    def _where(self, wanted: Filter, who: Operator | None) -> tuple[str, dict[str, Any]]:
        """Conditions beside tenant and status, with the values of both."""
        values: dict[str, Any] = {"tenant": self._tenant, "now": to_text(self._now)}
        values |= {f"status{number}": name for number, name in enumerate(wanted.statuses)}
        values["me"] = None if who is None else who.name
        exact = {"workflow": "workflow =", "tool": "tool =", "risk": "risk =", "run_id": "run_id ="}
        bounds = {"asked_before": "created_at <", "asked_after": "created_at >="}
        bounds |= {"amount_from": "amount >=", "amount_to": "amount <="}
        where = ""
        for name, test in {**exact, **bounds}.items():
            value = getattr(wanted, name)
            if value is not None:
                where += f" AND {test} :{name}"
                values[name] = _plain(value)
        if wanted.rule is not None:
            where += " AND instr(rules, :rule) > 0"
            values["rule"] = member(wanted.rule)
        if wanted.late:
            where += " AND late_at <= :now"
        where += _CLAIMED[wanted.claimed]
        if wanted.mine:
            where += f" AND {self._mine(who, values)}"
        return where, values

    def _mine(self, who: Operator | None, values: dict[str, Any]) -> str:
        """Whether this person's answer is missing, or they have claimed it."""
        if who is None:
            return "0"
        asked = [f"role:{role}" for role in who.roles] + [f"person:{who.name}"]
        values |= {f"asked{number}": member(name) for number, name in enumerate(asked)}
        values["spent"] = member(who.name)
        any_of = " OR ".join(f"instr(asks, :asked{number})" for number in range(len(asked)))
        return (
            f"((instr(spent, :spent) = 0 AND ({any_of}))"
            " OR (claimed_by = :me AND claimed_until > :now))"
        )


def _in_order(order: Order) -> str:
    direction = "DESC" if order.descending else "ASC"
    return f"ORDER BY key {direction}, id {direction}"


def _plain(value: object) -> object:
    match value:
        case datetime():
            return to_text(value)
        case Decimal():
            return in_units(value)
        case _:
            return value


def _tally(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    tally: Counter[str] = Counter()
    for name, number in pairs:
        tally[name] += number
    return dict(sorted(tally.items()))


def _names(text: str) -> list[str]:
    names: list[str] = json.loads(f"[{text.strip(',')}]")
    return names

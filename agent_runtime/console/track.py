"""Track record: what a confidence has meant so far, counted from what people decided."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal

from agent_runtime.approval import Approval
from agent_runtime.decision import Desk
from agent_runtime.inbox import MAX_PAGE, Filter, Order

ENOUGH = 30
"""Cases below which a share says nothing."""

LOOKED_AT = 600
"""Decided questions that are counted, the newest."""

KEPT = 60.0
"""Seconds that a count is kept: history doesn't change much in a minute."""

MOST = 200
"""Counts that are kept."""


@dataclass(frozen=True)
class Meaning:
    """Of `cases` with such a confidence `right` were approved as proposed."""

    low: Decimal
    high: Decimal
    cases: int
    right: int

    @property
    def is_enough(self) -> bool:
        """Whether that says anything."""
        return self.cases >= ENOUGH

    @property
    def of_hundred(self) -> int:
        """How many of a hundred such cases were right."""
        return round(100 * self.right / self.cases) if self.cases else 0


class Track:
    """Counts by tool and tenth of confidence."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[float, dict[int, list[int]]]] = (
            OrderedDict()
        )

    def meaning(self, desk: Desk, asked: Approval) -> Meaning:
        """What this question's confidence has meant for its tool so far."""
        tenth = _tenth(asked.signals.confidence)
        right, cases = self._counts(desk, asked).get(tenth, [0, 0])
        return Meaning(Decimal(tenth) / 10, Decimal(tenth + 1) / 10, cases, right)

    def _counts(self, desk: Desk, asked: Approval) -> dict[int, list[int]]:
        key = (asked.tenant, asked.action.tool)
        known = self._known.get(key)
        if known is not None and time.monotonic() - known[0] < KEPT:
            return known[1]
        counted = _count(desk, asked)
        self._known[key] = (time.monotonic(), counted)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return counted


def _count(desk: Desk, asked: Approval) -> dict[int, list[int]]:
    """By tenth: approved as proposed, all."""
    wanted = Filter(statuses=("approved", "rejected", "edited"), tool=asked.action.tool)
    order = Order(sort="age", descending=True, limit=MAX_PAGE)
    counted: dict[int, list[int]] = {}
    for _ in range(LOOKED_AT // MAX_PAGE):
        page = desk.inbox(wanted, order, tenant=asked.tenant)
        for one in page.items:
            if one.edited_by is not None:
                continue  # counted as the question that was edited
            pair = counted.setdefault(_tenth(one.signals.confidence), [0, 0])
            pair[0] += one.status == "approved"
            pair[1] += 1
        if page.after is None:
            break
        order = order.model_copy(update={"after": page.after})
    return counted


def _tenth(confidence: Decimal) -> int:
    return min(9, int(confidence * 10))

"""Alarms: declared thresholds on shares, told when they are passed and when that is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from agent_runtime.evaluation.calibration import NOT_ENOUGH
from agent_runtime.evaluation.figures import Figures, by_workflow
from agent_runtime.evaluation.window import Window
from agent_runtime.event import EventType
from agent_runtime.quality import Alert, Watched
from agent_runtime.store import Session, Store
from agent_runtime.telemetry import log
from agent_runtime.workflow import Workflow


@dataclass(frozen=True)
class Reading:
    """What an alert watches, as it is now: over `n` cases, in all."""

    value: float
    n: int


class Alarms:
    """Holds the shares of all workflows against their alerts."""

    def __init__(self, store: Store, workflows: Mapping[str, Workflow]) -> None:
        self._store = store
        self._workflows = workflows

    async def review(self, tenant: str) -> None:
        """Raise what is passed, end what is not any more. Below `least` cases nothing changes."""
        for workflow in self._workflows.values():
            for alert in workflow.quality.alerts:
                session = self._store.read(tenant)
                reading = read(session, workflow.name, alert)
                stands = session.alerts.since(workflow.name, alert.name) is not None
                if reading is None or reading.n < alert.least:
                    continue
                if (reading.value > alert.above) != stands:
                    await self._turn(tenant, workflow.name, alert, reading)

    async def _turn(self, tenant: str, workflow: str, alert: Alert, reading: Reading) -> None:
        above = reading.value > alert.above

        def turn(session: Session) -> None:
            if not session.alerts.turn(workflow, alert.name, raised=above):
                return  # another process was faster
            body = {"alert": alert.name, "workflow": workflow, "watches": alert.watches}
            figures = {"value": round(reading.value, 6), "above": alert.above, "n": reading.n}
            kind: EventType = "alert.raised" if above else "alert.ended"
            session.events.append(kind, None, **body, **figures, days=alert.days)

        await self._store.write(tenant, turn)
        log("alert", tenant=tenant, workflow=workflow, alert=alert.name, raised=int(above))


def read(session: Session, workflow: str, alert: Alert) -> Reading | None:
    """The share that an alert watches; None where there is none."""
    today = session.now.date()
    days = Window(today - timedelta(days=alert.days - 1), today)
    found = by_workflow(session.measures.find(days.spans, workflow)).get(workflow)
    if found is None:
        return None
    base = by_workflow(session.measures.find(days.baseline.spans, workflow, "drift"))
    return _share(Figures(found), Figures(base.get(workflow, {})), alert.watches)


def _share(figures: Figures, base: Figures, watched: Watched) -> Reading | None:
    match watched:
        case "reject" | "edit" | "respond":
            for everybody in figures.answers(""):
                share = getattr(everybody, watched)
                return Reading(share.count / share.of, share.of)
            return None
        case "failed":
            failed = figures.failed()
            return Reading(failed.count / failed.of, failed.of) if failed.of else None
        case "stamped":
            stamped = [one.stamped for one in figures.deciding() if one.group == "all"]
            return next((Reading(one.count / one.of, one.of) for one in stamped if one.of), None)
        case "drift":
            known = [one for one in figures.drift(base) if one.verdict != NOT_ENOUGH]
            return next((Reading(one.index or 0.0, one.n) for one in known), None)
        case "bad_outcome":
            goods = [one.good for one in figures.outcomes()]
            n = sum(good.of for good in goods)
            bad = sum(good.of - good.count for good in goods)
            return Reading(bad / n, n) if n else None

"""Outcomes: what came of a run, told later on by people and other systems."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent_runtime.app import App
from agent_runtime.clock import from_text, to_text
from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.store import Session, Store
from agent_runtime.store.outcomes import Outcome
from agent_runtime.verdict import Operator

LEEWAY = timedelta(minutes=5)
"""How far another system's clock may be ahead of ours."""


class Recorder:
    """Records what workflows declare that may come of their runs."""

    def __init__(self, store: Store, app: App) -> None:
        self._store = store
        self._app = app

    async def record(
        self,
        operator: Operator,
        run_id: str,
        name: str,
        value: object,
        observed_at: datetime | None = None,
    ) -> Outcome:
        """Record an outcome of a run. Told again, it stays as it is; told otherwise, the later
        observation counts, and both are in the history.

        Raises NotFound, InvalidInput for what is not declared, out of range or in the future, and
        Conflict for an observation that is older than the one that is known.
        """
        run = self._store.read(operator.tenant).runs.get(run_id)
        declared = self._app.workflow(run.workflow).quality.outcome(name)
        stored = declared.read(value)
        good = declared.is_good(stored)

        def record(session: Session) -> Outcome:
            at = _checked(observed_at, session.now)
            known = session.outcomes.get(run_id, name)
            if known is not None and known.value == stored:
                return known
            if known is not None and known.observed_at > at:
                raise Conflict(
                    f"Outcome {name} of run {run_id} was observed later, at"
                    f" {known.observed_at.isoformat()}.",
                    remedy="Leave it, or say when the new value was observed.",
                )
            body = {"outcome": name, "value": stored, "good": good, "by": operator.name}
            before = (
                {} if known is None else {"was": _was(known, good=declared.is_good(known.value))}
            )
            at_text = to_text(at)
            session.events.append("outcome.recorded", run_id, **body, observed_at=at_text, **before)
            return session.outcomes.put(run_id, name, stored, at, operator.name)

        return await self._store.write(operator.tenant, record)


def _was(known: Outcome, *, good: bool) -> dict[str, object]:
    """What was known before, so that it can be counted back."""
    return {"value": known.value, "good": good, "recorded_at": to_text(known.recorded_at)}


def _checked(observed_at: datetime | None, now: datetime) -> datetime:
    if observed_at is None:
        return now
    at = from_text(to_text(observed_at))
    if at > now + LEEWAY:
        raise InvalidInput("observed_at", at.isoformat(), "lies in the future")
    return at

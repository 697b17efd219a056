"""Parking: a run waits for a batch without a worker, and goes on with what came back."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent_runtime.models.inquiry import Inquiry
from agent_runtime.models.letter import Letter
from agent_runtime.models.model import Model
from agent_runtime.run import Run
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.store.batches import Line

PATIENCE = timedelta(hours=25)
"""How long a run waits for its line: providers promise a day. Then it is asked by itself."""

WAITS = "It waits for a batch of the model's provider."


class Parked(Exception):
    """No failure: the run is let go, and goes on when its line is back."""

    def __init__(self, line: Line) -> None:
        super().__init__(WAITS)
        self.line = line


def may_park(step: Step, inquiry: Inquiry, model: Model, grace: int) -> bool:
    """Whether a request may go by batch: the first one of a visit of a step that declares it.
    What follows it, such as look-ups and hints, is asked at once; so is a run that a person has
    resumed, and waits for."""
    declared = step.reasoning.batch and model.batching is not None
    return declared and inquiry.attempts == 1 and grace == 0


def brought(line: Line, request: str, now: datetime) -> Letter | None:
    """What came back for exactly this request; None where it is asked by itself after all. Raises
    Parked while it is on its way."""
    if line.request != request:
        return None
    if line.state == "answered":
        return Letter(status=line.status or 0, answer=line.body)
    if line.state != "lost" and now < line.until:
        raise Parked(line)
    return None


def park(session: Session, run: Run, line: Line) -> Run:
    """Let a run go until its line is back, which it may be by now."""
    found = session.calls.batches.line(line.run_id, line.step, line.visit)
    waits = found is not None and found.state in ("waiting", "sent")
    if not waits:
        return session.runs.postpone(run.id, session.now, "")
    return session.runs.postpone(run.id, line.until, WAITS)

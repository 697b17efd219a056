"""What must have survived a power failure: opened as the product does, and driven to the end."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

from agent_runtime.anchor import AnchorFile, audit
from agent_runtime.clock import ManualClock
from agent_runtime.errors import NotFound
from agent_runtime.run import Run
from agent_runtime.runtime import DATABASE
from agent_runtime.store import Session, Store, upkeep
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import NOON, Office, opened
from tests.powerloss.failure import Failure, Told

LATER = NOON + timedelta(seconds=5)
RUN_STATES = {
    "started": {"queued", "running", "paused", "completed"},
    "paused": {"paused", "queued", "running", "completed"},
    "decided": {"queued", "running", "completed"},
    "ended": {"completed"},
}
"""Where a run may be once its caller has been told so much."""


def lost(failure: Failure, data: Path) -> list[str]:
    """What a caller was told and isn't there; and whatever is wrong with the file. Empty: all
    is well. Raises StoreError when the file cannot even be opened."""
    store = Store(data / DATABASE, ManualClock(LATER))
    try:
        session = store.read("default")
        found = [problem for told in failure.told for problem in _missing(session, told)]
        with upkeep.reading(data / DATABASE) as connection:
            found += upkeep.check(connection)
        chain = audit(session.events, "default", AnchorFile(data / "anchors.jsonl"), LATER)
        return [*found, *([chain.problem] if chain.problem else [])]
    finally:
        store.close()


def _missing(session: Session, told: Told) -> list[str]:
    """What is not there of what one caller was told; begins with what that was."""
    try:
        run = session.runs.get(told.run)
        asked = session.approvals.find(run_id=run.id)
    except NotFound as error:
        return [f"{told.what}: {error.message}"]
    if run.state not in RUN_STATES[told.what]:
        return [f"{told.what}: {run.id} is {run.state}"]
    if told.what != "started" and not asked:
        return [f"{told.what}: {run.id} has lost its question"]
    answered = [d.operator for approval in asked for d in approval.decisions]
    if told.what in ("decided", "ended") and answered != ["lena"]:
        return [f"{told.what}: {run.id} has lost its decision"]
    return []


async def go_on(failure: Failure, data: Path) -> list[str]:
    """Drive every run to its end, answering what is still asked; what is wrong then."""
    decided = {told.run for told in failure.told if told.what == "decided"}
    app = make_app(pay_workflow(make_pay()))
    async with opened(app, data, clock=ManualClock(LATER)) as office:
        session = office.runtime.store.read("default")
        await office.runtime.drive_ready()
        problems = []
        for run in session.runs.find(["paused"]):
            if run.id in decided:
                problems.append(f"{run.id} is asked again")
            await office.answer(run, "lena")
        await office.runtime.drive_ready()
        return [*problems, *_undone(office, session.runs.find())]


def _undone(office: Office, runs: list[Run]) -> list[str]:
    found = [f"{run.id} is {run.state}: {run.reason}" for run in runs if run.state != "completed"]
    keys = [entry.key for entry in office.runtime.store.read("default").journal.find()]
    paid = Counter(key for key, _ in office.bank.payouts)
    if paid != Counter(keys) or len(keys) != len(runs):
        found.append(f"{len(runs)} runs, {len(keys)} intents, payouts {paid}")
    problem = office.runtime.audit().problem
    return [*found, *([problem] if problem else [])]

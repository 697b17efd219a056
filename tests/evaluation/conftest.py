"""Fixtures: an office that asks, with its sums counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pytest

from agent_runtime.evaluation.report import WorkflowReport
from agent_runtime.evaluation.window import window
from agent_runtime.store import Session
from tests.office import Office

Told = Callable[[], Awaitable[WorkflowReport]]


async def answered(office: Office, answers: Mapping[str, str], took: float | None = None) -> None:
    """Put into the history that runs of these ids were answered so, in so many seconds, and count
    it: as a hundred real runs would, in no time."""

    def tell(session: Session) -> None:
        for run_id, kind in answers.items():
            body = {"workflow": "ledger", "version": "1", "input": {}}
            session.events.append("run.queued", run_id, **body)
            given = {"approval": f"apr-{run_id}", "operator": "lena", "roles": ["lead"]}
            session.events.append("approval.decided", run_id, **given, kind=kind, took=took)

    await office.runtime.store.write("default", tell)
    await office.runtime.keeper.keep_up("default")


@pytest.fixture
async def told(asking: Office) -> Told:
    """The report of today on the office's one workflow."""

    async def report() -> WorkflowReport:
        days = window(None, None, asking.clock.now().date())
        (one,) = (await asking.runtime.evaluation.report("default", days)).workflows
        return one

    return report

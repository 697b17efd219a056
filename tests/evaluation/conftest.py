"""Fixtures: an office that asks, with its sums counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pytest

from agent_runtime.activation import Activation
from agent_runtime.evaluation.report import WorkflowReport
from agent_runtime.evaluation.window import window
from agent_runtime.rollout import Rollout, Trial
from agent_runtime.run import Run
from agent_runtime.store import Session
from tests.ledger import POLICY
from tests.office import Office

Told = Callable[[], Awaitable[WorkflowReport]]


async def answered(office: Office, answers: Mapping[str, str], took: float | None = None) -> None:
    """Put into its tenant's history that runs of these ids were answered so, in so many seconds,
    and count it: as a hundred real runs would, in no time."""

    def tell(session: Session) -> None:
        for run_id, kind in answers.items():
            body = {"workflow": "ledger", "version": "1", "input": {}}
            session.events.append("run.queued", run_id, **body)
            given = {"approval": f"apr-{run_id}", "operator": "lena", "roles": ["lead"]}
            session.events.append("approval.decided", run_id, **given, kind=kind, took=took)

    await office.runtime.store.write(office.tenant, tell)
    await office.runtime.keeper.keep_up(office.tenant)


@pytest.fixture
async def told(asking: Office) -> Told:
    """The report of today on the office's one workflow."""

    async def report() -> WorkflowReport:
        days = window(None, None, asking.clock.now().date())
        (one,) = (await asking.runtime.evaluation.report("default", days)).workflows
        return one

    return report


WIDER = POLICY.replace('decimal("100.00")', 'decimal("600.00")')
FEWER = POLICY.replace('decimal("1000.00")', 'decimal("9000.00")')

Begin = Callable[..., Awaitable[Rollout]]


@pytest.fixture
def begin(asking: Office) -> Begin:
    """Propose a policy as petra, and as lena give half of the new runs to it."""

    async def started(text: str = WIDER) -> Rollout:
        activation = Activation(asking.runtime)
        change = await activation.propose("ledger", "petra", "Less to do.", text)
        trial = Trial(workflow="ledger", policy="ledger", candidate=change.id, share=0.5)
        return await asking.runtime.trials.start(asking.person("lena"), trial, change.report)

    return started


async def drawn(office: Office, rollout: Rollout, arm: str) -> Run:
    """A new run that has drawn this arm."""
    while True:
        run = await office.start()
        if rollout.arm(run.id) == arm:
            return run

"""A run played on under a change: people's answers count where they were given, and only there."""

from __future__ import annotations

import asyncio

from agent_runtime.replay.change import with_policies
from agent_runtime.replay.stage import staged
from agent_runtime.replay.tape import load_tape
from agent_runtime.run import Run
from agent_runtime.settings import ModelSettings
from tests.ledger import POLICY
from tests.office import Office
from tests.patience import PATIENCE


async def played_on(office: Office, run: Run, policy: str = POLICY) -> Run:
    app = with_policies(office.runtime.app, {"ledger": policy})
    tape = load_tape(office.runtime.store.read(office.tenant), run.id)
    async with staged(app, ModelSettings()) as stage, asyncio.timeout(PATIENCE):
        return (await stage.try_on(tape))[0]


async def test_an_answer_counts_where_the_same_people_are_asked_the_same(asking: Office) -> None:
    run = (await asking.flow("lena approve")).run
    assert (await played_on(asking, run)).state == "completed"


async def test_other_people_have_not_answered_yet(asking: Office) -> None:
    """What the lead said is no yes of finance."""
    run = (await asking.flow("lena approve")).run
    other = POLICY.replace('@approvers("lead:1")', '@approvers("finance:1")')
    assert (await played_on(asking, run, other)).state == "paused"


async def test_what_nobody_has_answered_stays_open(asking: Office) -> None:
    run = (await asking.flow()).run
    assert (await played_on(asking, run)).state == "paused"

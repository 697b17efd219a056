"""A policy on trial is tried in every tenant, and each tenant's part is its own people's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from agent_runtime.activation import Activation
from agent_runtime.errors import AgentRuntimeError, NotFound
from agent_runtime.evaluation.trial import right_to_stop
from agent_runtime.rollout import WATCHES, Plan, Rollout, Trial
from tests.evaluation.conftest import FEWER, Begin, answered, drawn
from tests.office import Office


@pytest.fixture
async def tenants(asking: Office) -> Office:
    """acme and other have done something before, and so are tenants."""
    for name in ("other", "acme"):
        asking.tenant = name
        await asking.flow("lena approve")
    asking.tenant = "default"
    return asking


def found(office: Office, tenant: str) -> Sequence[Rollout]:
    return office.runtime.store.read(tenant).rollouts.find()


async def part(office: Office, tenant: str) -> Rollout:
    """That tenant's part, which the office works on from now on."""
    office.tenant = tenant
    (one,) = found(office, tenant)
    return one


async def test_runs_of_every_tenant_draw_the_candidate(tenants: Office, begin: Begin) -> None:
    """A tenant's own part decides about them, and its history names it."""
    whole = await begin()
    mine = await part(tenants, "acme")
    assert (mine.part_of, mine.started_by, mine.share) == (whole.id, "the installation", 0.5)
    runs = [await drawn(tenants, mine, arm) for arm in ("candidate", "baseline")]
    assert [(await tenants.drive(run)).state for run in runs] == ["completed", "paused"]
    assert tenants.record(runs[0]).bodies("gate.judged")[0]["drawn"] == [mine.id]


async def test_a_tenant_rolls_its_part_back_by_what_its_own_people_answer(
    tenants: Office, begin: Begin
) -> None:
    """The others go on, and are told nothing of it; it is not tried there again."""
    await begin()
    mine, store = await part(tenants, "acme"), tenants.runtime.store
    small = mine.model_copy(update={"plan": dict.fromkeys(WATCHES, Plan(base=None, cases=30))})
    await store.write("acme", lambda session: session.rollouts.put(small))
    kinds = {"candidate": "reject", "baseline": "approve", None: ""}
    await answered(tenants, {f"run-{n}": kinds[mine.arm(f"run-{n}")] for n in range(90)})
    others = [await tenants.runtime.trials.review(name) for name in ("default", "other")]
    (back,) = await tenants.runtime.trials.review("acme")
    await tenants.runtime.trials.review("acme")
    assert (back.id, back.state, others) == (mine.id, "rolled_back", [[], []])
    assert [one.state for one in found(tenants, "acme")] == ["rolled_back"]
    assert [found(tenants, name)[0].state for name in ("default", "other")] == ["running"] * 2


async def test_when_the_installation_ends_it_it_ends_everywhere(
    tenants: Office, begin: Begin
) -> None:
    """What it asked is asked by what is in force; why it ended stays with who ended it."""
    tenants.bank.put("a1", amount="5000.00")
    whole = await begin(FEWER)
    mine, lena = await part(tenants, "acme"), tenants.person("lena")
    run = await tenants.drive(await drawn(tenants, mine, "candidate"))
    assert tenants.question(run).rules == ("ask-lead",)
    home = lena.model_copy(update={"tenant": "default"})
    await tenants.runtime.trials.stop(home, whole.id, "12 of 30 rejected")
    assert {slot.role: slot.count for slot in tenants.question(run).slots}["finance"] == 2
    ended = [found(tenants, name)[0] for name in ("acme", "other")]
    assert {(one.state, one.ended_by, one.why) for one in ended} == {
        ("stopped", "the installation", "the installation tries it no more")
    }


async def test_putting_it_in_force_ends_every_part(tenants: Office, begin: Begin) -> None:
    whole = await begin()
    change = tenants.runtime.store.read("default").policies.get(whole.candidate)
    await Activation(tenants.runtime).activate(change.id, "paul", change.report)
    assert [found(tenants, name)[0].state for name in ("default", "acme")] == ["stopped"] * 2


async def test_a_tenants_own_people_end_their_part_only(tenants: Office, begin: Begin) -> None:
    whole = await begin()
    mine = await part(tenants, "acme")
    assert right_to_stop(mine)[1].tenant == "acme"
    tenants.clock.move(timedelta(seconds=1))
    await tenants.runtime.trials.stop(tenants.person("lena"), mine.id, "Not with us.")
    await tenants.runtime.trials.review("acme")
    states = [found(tenants, name)[0].state for name in ("acme", "other", "default")]
    assert states == ["stopped", "running", "running"]
    for other in (whole.id, found(tenants, "other")[0].id):
        with pytest.raises(NotFound):
            await tenants.runtime.trials.stop(tenants.person("lena"), other)


async def test_another_tenants_people_start_no_trial_of_a_policy(
    tenants: Office, begin: Begin
) -> None:
    """Policies are the installation's: a change that is proposed there is not even found."""
    whole = await begin()
    await tenants.runtime.trials.stop(tenants.person("lena"), whole.id)
    tenants.tenant = "acme"
    trial = Trial(workflow="ledger", policy="ledger", candidate=whole.candidate)
    with pytest.raises(AgentRuntimeError, match="There is no policy change"):
        await tenants.runtime.trials.start(tenants.person("lena"), trial)
    assert all(one.state == "stopped" for one in found(tenants, "acme"))


async def test_a_tenant_that_comes_later_joins_in(tenants: Office, begin: Begin) -> None:
    """With its first look; runs of before are not part of it."""
    await begin()
    tenants.tenant = "new"
    await tenants.flow("lena approve")
    both = [tenants.runtime.trials.review("new") for _ in range(2)]
    await asyncio.gather(*both)  # as two processes might
    (mine,) = found(tenants, "new")
    assert tenants.runtime.store.read("new").rollouts.get(mine.id).state == "running"

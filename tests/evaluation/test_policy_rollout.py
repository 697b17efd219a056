"""A policy on trial decides about the runs that drew it, and about nothing once that has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent_runtime.activation import Activation
from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.replay.change import Change
from agent_runtime.replay.rehearse import Stretch, rehearse
from agent_runtime.replay.replay import replay
from agent_runtime.rollout import WATCHES, Plan, Trial
from agent_runtime.settings import ModelSettings
from tests.evaluation.conftest import FEWER, WIDER, Begin, answered, drawn
from tests.office import Office


async def test_only_runs_that_drew_the_candidate_are_judged_by_it(
    asking: Office, begin: Begin
) -> None:
    """Runs of before are not; the history tells which policy it was, and of which rollout."""
    older = await asking.start()
    asking.clock.move(timedelta(seconds=1))
    tried = await begin()
    mine, others = [await drawn(asking, tried, arm) for arm in ("candidate", "baseline")]
    states = [(await asking.drive(run)).state for run in (older, mine, others)]
    assert states == ["paused", "completed", "paused"]
    (judged,), (plain,) = (asking.record(run).bodies("gate.judged") for run in (mine, others))
    assert judged["drawn"] == [tried.id]
    assert judged["policy"] != plain["policy"] == asking.runtime.app.policies["ledger"].digest
    assert "drawn" not in plain


async def test_rejects_roll_a_policy_back_by_themselves(asking: Office, begin: Begin) -> None:
    """From then on whoever drew it is judged by what is in force."""
    tried, trials, store = await begin(), asking.runtime.trials, asking.runtime.store
    small = tried.model_copy(update={"plan": dict.fromkeys(WATCHES, Plan(base=None, cases=30))})
    await store.write("default", lambda session: session.rollouts.put(small))
    late = await drawn(asking, tried, "candidate")
    runs = [f"run-{number}" for number in range(90)]
    kinds = {"candidate": "reject", "baseline": "approve", None: ""}
    await answered(asking, {name: kinds[tried.arm(name)] for name in runs})
    (back,) = await trials.review("default")
    assert (back.state, back.ended_by) == ("rolled_back", "the runtime")
    assert (await asking.drive(late)).state == "paused"


async def test_what_the_candidate_asked_is_asked_as_is_in_force_once_it_ends(
    asking: Office, begin: Begin
) -> None:
    """Of one lead; for that much, two of finance have to say yes."""
    asking.bank.put("a1", amount="5000.00")
    tried = await begin(FEWER)
    run = await asking.drive(await drawn(asking, tried, "candidate"))
    assert asking.question(run).rules == ("ask-lead",)
    assert await asking.runtime.pending.review("default") == []
    await asking.runtime.trials.stop(asking.person("lena"), tried.id, "seen enough")
    again = asking.question(run)
    assert {slot.role: slot.count for slot in again.slots}["finance"] == 2


async def test_whose_yes_counts_is_asked_of_the_policy_that_the_run_has_drawn(
    asking: Office, begin: Begin
) -> None:
    """In force, no lead's yes counts for that much."""
    asking.bank.put("a1", amount="5000.00")
    run = await asking.drive(await drawn(asking, await begin(FEWER), "candidate"))
    await asking.answer(run, "lena")
    assert (await asking.drive(run)).state == "completed"


async def test_a_leave_of_the_candidate_ends_with_it_even_in_the_middle_of_a_segment(
    asking: Office, begin: Begin
) -> None:
    """The node that acts asks the same mapping again."""
    tried = await begin()
    policies = asking.runtime._in.segment(await drawn(asking, tried, "candidate")).policies
    in_force = asking.runtime.app.policies["ledger"]
    assert policies["ledger"].digest != in_force.digest
    asking.clock.move(timedelta(seconds=1))
    await asking.runtime.trials.stop(asking.person("lena"), tried.id)
    assert policies["ledger"] is in_force


async def test_what_came_of_a_candidate_is_replayed_and_rehearsed_as_it_was(
    asking: Office, begin: Begin
) -> None:
    """Also when it has long ended: the policy of then is kept with the rollout."""
    tried = await begin()
    run = await asking.drive(await drawn(asking, tried, "candidate"))
    asking.clock.move(timedelta(seconds=1))
    await asking.runtime.trials.stop(asking.person("lena"), tried.id)
    session, app = asking.runtime.store.read("default"), asking.runtime.app
    (same,) = [one async for one in replay(session, app, ModelSettings(), [run.id])]
    assert (same.result, same.divergence) == ("identical", None)
    found = await rehearse(session, app, Change("same", app), Stretch(), ModelSettings())
    assert (found.decisions, found.unknown) == (1, ())


async def test_what_could_not_be_put_in_force_cannot_be_tried(asking: Office, begin: Begin) -> None:
    """A rehearsal that nobody has seen, another policy's change, one that is withdrawn."""
    await asking.flow("lena approve")
    activation, trials = Activation(asking.runtime), asking.runtime.trials
    change = await activation.propose("ledger", "petra", "Less to do.", WIDER)
    assert change.rehearsal is not None
    lena, trial = (
        asking.person("lena"),
        Trial(workflow="ledger", policy="ledger", candidate=change.id),
    )
    with pytest.raises(Conflict, match="names no such rehearsal"):
        await trials.start(lena, trial)
    with pytest.raises(InvalidInput, match="is a change of ledger"):
        await trials.start(lena, trial.model_copy(update={"policy": "other"}))
    other = await activation.propose("ledger", "petra", "Fewer.", FEWER)
    assert other.rehearsal is not None
    await activation.activate(other.id, "paul", other.rehearsal.digest)
    with pytest.raises(Conflict, match="withdrawn already"):
        await trials.start(lena, trial, change.rehearsal.digest)


async def test_putting_a_policy_in_force_ends_what_was_tried_in_its_place(
    asking: Office, begin: Begin
) -> None:
    tried = await begin()
    change = await Activation(asking.runtime).propose("ledger", "petra", "Fewer.", FEWER)
    await Activation(asking.runtime).activate(change.id, "paul", change.report)
    ended = asking.runtime.store.read("default").rollouts.get(tried.id)
    assert (ended.state, ended.why) == ("stopped", f"{change.id} was put in force")


async def test_a_policy_that_this_code_cannot_use_decides_nothing(
    asking: Office, begin: Begin
) -> None:
    """Deployed since, with other tools: what is in force decides."""
    tried = await begin()
    broken = tried.model_copy(update={"text": tried.text.replace("facts.amount", "facts.sum")})
    await asking.runtime.store.write("default", lambda session: session.rollouts.put(broken))
    run = await asking.drive(await drawn(asking, tried, "candidate"))
    assert run.state == "paused"

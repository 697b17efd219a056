"""A rollout that makes things worse goes back by itself; one that doesn't, stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.evaluation.plan import POWER, Counts, level_of
from agent_runtime.evaluation.spread import _is_whole
from agent_runtime.evaluation.statistics import cases_needed
from agent_runtime.evaluation.trial import looks
from agent_runtime.rollout import WATCHES, Arm, Look, Plan, Rollout, Trial, Watch
from tests.conftest import OpenOffice
from tests.evaluation.conftest import answered
from tests.office import Office

ARMS: tuple[Arm, ...] = ("candidate", "baseline")
TRIAL = Trial(workflow="ledger", prompt="pay", candidate="pay.v2", share=0.5)
BASE: Mapping[Watch, float] = {"reject": 0.10, "edit": 0.05, "failed": 0.02}


def rollout(cases: Mapping[Watch, int]) -> Rollout:
    return Rollout(
        **TRIAL.model_dump(),
        id="rol-1",
        tenant="default",
        state="running",
        plan={watch: Plan(base=BASE[watch], cases=n) for watch, n in cases.items()},
        started_by="petra",
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def ends_in_rollback(rng: np.random.Generator, worse_by: float, doublings: int) -> bool:
    """One simulated rollout whose rejects are that much more; its looks are as planned."""
    planned = {
        watch: cases_needed(BASE[watch], TRIAL.effect, level_of(TRIAL.alpha, 0), POWER)
        for watch in WATCHES
    }
    running, most = rollout(planned), max(planned.values()) * 2**doublings
    rates = {"candidate": {**BASE, "reject": BASE["reject"] + worse_by}, "baseline": BASE}
    drawn = {
        (arm, watch): rng.random(most).cumsum() * 0 + (rng.random(most) < rate).cumsum()
        for arm, by in rates.items()
        for watch, rate in by.items()
    }
    for n in sorted({planned[w] * 2**k for w in WATCHES for k in range(doublings + 1)}):
        if n > most:
            break
        found: Counts = {key: (int(counted[n - 1]), n) for key, counted in drawn.items()}  # type: ignore[misc]  # keys are arm and watch
        seen = looks(running, found)
        if any(look.fires for look in seen):
            return True
        running = running.model_copy(update={"looks": (*running.looks, *seen)})
    return False


def test_what_gets_worse_by_the_declared_effect_is_rolled_back_at_the_first_look() -> None:
    """With a power of 95 % or more, at the number of cases that the plan states."""
    rng = np.random.default_rng(11)
    fired = sum(ends_in_rollback(rng, TRIAL.effect, 0) for _ in range(1_000))
    assert fired >= 950


def test_what_is_as_good_is_rolled_back_in_five_of_a_hundred_cases_at_most() -> None:
    """All looks at all three shares together, over sixteen times the planned cases."""
    rng = np.random.default_rng(12)
    fired = sum(ends_in_rollback(rng, 0.0, 4) for _ in range(1_000))
    assert fired <= 50


def test_the_levels_of_all_looks_stay_below_alpha() -> None:
    spent = sum(level_of(0.05, number) for number in range(40)) * len(WATCHES)
    assert spent == pytest.approx(0.05)


def test_each_look_waits_for_twice_as_many_cases_and_has_half_the_level() -> None:
    """In both arms: looking whenever somebody asks would find a difference in the end."""

    def seen(running: Rollout, n: int) -> list[Look]:
        return looks(running, {(arm, w): (n // 10, n) for arm in ARMS for w in WATCHES})

    running = rollout(dict.fromkeys(WATCHES, 100))
    first = seen(running, 100)
    assert {look.watch for look in first} == set(WATCHES)
    after = running.model_copy(update={"looks": tuple(first)})
    assert seen(after, 199) == []
    second = seen(after, 200)
    assert [look.number for look in second] == [1, 1, 1]
    assert [look.level for look in second] == [one.level / 2 for one in first]


@pytest.mark.parametrize("short", ["candidate", "baseline"])
def test_nothing_is_tested_before_both_arms_have_their_cases(short: str) -> None:
    """However clear it looks: one arm alone, or few cases, is chance."""
    found = {
        (arm, watch): (29, 29) if arm == short else (0, 5_000)
        for arm in ("candidate", "baseline")
        for watch in WATCHES
    }
    assert looks(rollout(dict.fromkeys(WATCHES, 30)), found) == []  # type: ignore[arg-type]  # keys are arm and watch


def test_only_a_policy_that_is_tried_now_is_tried_in_every_tenant() -> None:
    """A prompt is tried where it was asked for."""
    prompt = rollout(dict.fromkeys(WATCHES, 30))
    policy = prompt.model_copy(update={"prompt": None, "policy": "ledger"})
    over = policy.model_copy(update={"state": "stopped"})
    assert [_is_whole(one) for one in (prompt, policy, over)] == [False, True, False]


def test_a_run_keeps_what_it_drew_and_the_share_is_kept() -> None:
    running = rollout(dict.fromkeys(WATCHES, 30)).model_copy(update={"share": 0.2})
    drawn = [running.arm(f"run-{number}") for number in range(5_000)]
    assert drawn == [running.arm(f"run-{number}") for number in range(5_000)]
    assert drawn.count("candidate") / len(drawn) == pytest.approx(0.2, abs=0.02)


@pytest.fixture
async def trying(open_office: OpenOffice) -> Office:
    office = await open_office()
    office.bank.put("a1", amount="500.00")
    office.runtime.app.prompts["ledger"]["pay.v2"] = "Be generous."  # type: ignore[index]  # a dict
    return office


async def test_a_share_of_new_runs_gets_the_candidate_and_older_runs_do_not(
    trying: Office,
) -> None:
    older = await trying.start()
    trying.clock.move(timedelta(seconds=1))
    made = await trying.runtime.trials.start(trying.person("lena"), TRIAL)
    for run in [older, *[await trying.start() for _ in range(12)]]:
        text = trying.runtime._in.segment(run).prompts["pay"]
        generous = run is not older and made.arm(run.id) == "candidate"
        assert text == ("Be generous." if generous else "Decide on the payout.")


async def test_a_candidate_whose_proposals_are_rejected_is_rolled_back_and_told(
    trying: Office,
) -> None:
    """The history says on what figures; nobody gets the candidate from then on."""
    trials = trying.runtime.trials
    made = await trials.start(trying.person("lena"), TRIAL)
    store = trying.runtime.store
    small = made.model_copy(update={"plan": dict.fromkeys(WATCHES, Plan(base=None, cases=30))})
    await store.write("default", lambda session: session.rollouts.put(small))
    runs = [f"run-{number}" for number in range(90)]
    bad = {name for name in runs if made.arm(name) == "candidate"}
    await answered(trying, {name: "reject" if name in bad else "approve" for name in runs})
    (back,) = await trials.review("default")
    assert (back.state, back.looks[0].watch) == ("rolled_back", "reject")
    last = store.read("default").events.find()[-1]
    assert (last.type, (last.body or {})["look"]["worse_base"]) == ("rollout.ended", 0)
    later = await trying.start()
    assert trying.runtime._in.segment(later).prompts["pay"] == "Decide on the payout."
    assert await trials.review("default") == []


async def test_two_rollouts_of_one_workflow_are_one_too_many(trying: Office) -> None:
    trials, lena = trying.runtime.trials, trying.person("lena")
    first = await trials.start(lena, TRIAL)
    with pytest.raises(Conflict, match=first.id):
        await trials.start(lena, TRIAL)
    stopped = await trials.stop(lena, first.id, "enough seen")
    assert stopped.state == "stopped"
    with pytest.raises(Conflict, match="stopped already"):
        await trials.stop(lena, first.id)


async def test_a_prompt_that_there_is_not_cannot_be_tried(trying: Office) -> None:
    with pytest.raises(InvalidInput, match=r"pay, pay\.v2"):
        await trying.runtime.trials.start(
            trying.person("lena"), TRIAL.model_copy(update={"candidate": "pay.v3"})
        )

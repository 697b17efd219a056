"""Variants with a share in their own files are watched like any other rollout."""

from __future__ import annotations

import pytest

from agent_runtime.errors import InvalidInput
from agent_runtime.evaluation.watching import watching
from agent_runtime.rollout import WATCHES, Plan, Rollout, Trial
from agent_runtime.store import Session
from tests.conftest import OpenOffice
from tests.evaluation.conftest import answered
from tests.office import Office

SHORT = "---\nid: pay.short\nshare: 40\n---\nPay, in short."


@pytest.fixture
async def varied(open_office: OpenOffice) -> Office:
    office = await open_office()
    office.bank.put("a1", amount="500.00")
    office.runtime.app.prompts["ledger"]["pay.short"] = SHORT  # type: ignore[index]  # a dict
    await office.runtime.trials.review("default")
    return office


def watched(office: Office) -> list[Rollout]:
    return office.runtime.store.read("default").rollouts.find()


def text_of(office: Office, run_id: str) -> str:
    run = office.read(run_id)
    return office.runtime._in.segment(run).prompts["pay"]


async def test_a_declared_share_is_watched_by_who_really_drew_it(varied: Office) -> None:
    (one,) = watched(varied)
    assert (one.candidate, one.share, one.started_by) == ("pay.short", 0.4, "deployment")
    for run in [await varied.start() for _ in range(20)]:
        assert (text_of(varied, run.id) == SHORT) == (one.arm(run.id) == "candidate")
    await varied.runtime.trials.review("default")
    assert len(watched(varied)) == 1


async def test_a_variant_that_is_worse_goes_back_for_good_and_comes_again_when_it_is_other(
    varied: Office,
) -> None:
    """Corrected, it is another one, and watched anew."""
    (one,) = watched(varied)
    small = one.model_copy(update={"plan": dict.fromkeys(WATCHES, Plan(base=None, cases=30))})
    await varied.runtime.store.write("default", lambda session: session.rollouts.put(small))
    runs = [f"run-{number}" for number in range(120)]
    bad = {name for name in runs if one.arm(name) == "candidate"}
    await answered(varied, {name: "reject" if name in bad else "approve" for name in runs})
    (back,) = await varied.runtime.trials.review("default")
    assert (back.id, back.looks[0].worse_base) == (one.id, 0)
    fresh = [await varied.start() for _ in range(10)]
    assert {text_of(varied, run.id) for run in fresh} == {"Decide on the payout."}
    assert await varied.runtime.trials.review("default") == []
    varied.runtime.app.prompts["ledger"]["pay.short"] = SHORT + " Politely."  # type: ignore[index]  # a dict
    await varied.runtime.trials.review("default")
    assert [known.state for known in watched(varied)] == ["rolled_back", "running"]
    assert len({text_of(varied, run.id) for run in fresh}) == 2


async def test_what_is_no_longer_declared_is_no_longer_watched(varied: Office) -> None:
    del varied.runtime.app.prompts["ledger"]["pay.short"]  # type: ignore[attr-defined]  # a dict
    await varied.runtime.trials.review("default")
    (one,) = watched(varied)
    assert (one.state, one.ended_by) == ("stopped", "deployment")


async def test_another_variant_of_the_prompt_is_in_neither_arm(varied: Office) -> None:
    """It would spoil what both are held against."""
    other = SHORT.replace("short", "long").replace("40", "30")
    varied.runtime.app.prompts["ledger"]["pay.long"] = other  # type: ignore[index]  # a dict
    await varied.runtime.trials.review("default")
    long, short = (
        next(one for one in watched(varied) if one.candidate == name and one.state == "running")
        for name in ("pay.long", "pay.short")
    )
    arms = [(long.arm(f"run-{n}"), short.arm(f"run-{n}")) for n in range(2_000)]
    assert set(arms) == {("candidate", None), (None, "candidate"), ("baseline", "baseline")}
    assert sum(one[0] == "candidate" for one in arms) == pytest.approx(600, abs=80)


async def test_runs_of_several_rollouts_count_in_each(varied: Office) -> None:
    (one,) = watched(varied)
    twin = one.model_copy(update={"id": "rol-twin", "candidate": "pay.twin"})

    def beside(session: Session) -> None:
        session.rollouts.put(twin)

    await varied.runtime.store.write("default", beside)
    await answered(varied, {f"run-{n}": "approve" for n in range(40)})
    session = varied.runtime.store.read("default")
    for known in (one, twin):
        rejected = watching(session, known).watched[0]
        assert rejected.candidate.of + rejected.baseline.of == 40
        assert rejected.finding == "not enough cases"


async def test_a_prompt_with_declared_shares_is_not_tried_by_command_too(varied: Office) -> None:
    varied.runtime.app.prompts["ledger"]["pay2"] = "Another."  # type: ignore[index]  # a dict
    trial = Trial(workflow="ledger", prompt="pay", candidate="pay2")
    with pytest.raises(InvalidInput, match="shares of their own"):
        await varied.runtime.trials.start(varied.person("lena"), trial)

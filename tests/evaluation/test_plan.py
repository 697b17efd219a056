"""How many cases a rollout is looked at with, and what both of its arms have come to."""

from __future__ import annotations

import pytest

from agent_runtime.evaluation.plan import WORST, counts, planned
from agent_runtime.measure import Key, Measure, Sum
from agent_runtime.rollout import WATCHES, Plan, Rollout, Trial
from agent_runtime.store import Session
from tests.office import NOON, Office

TRIAL = Trial(workflow="w", prompt="p", candidate="p.v2", share=0.5)


def kinds(measure: Measure, value: str, **told: int) -> dict[Key, Sum]:
    """Sums of today, of one place and by kind."""
    by, day = "arm" if value else "", NOON.date().isoformat()
    return {Key(day, "w", measure, by, f"{value}\n{kind}"): Sum(n) for kind, n in told.items()}


async def known(office: Office, sums: dict[Key, Sum]) -> Session:
    """The store, with these sums in it."""

    def keep(session: Session) -> None:
        measures = session.measures
        assert measures.keep(measures.cursor(), measures.cursor(), sums, {})

    await office.runtime.store.write("default", keep)
    return office.runtime.store.read("default")


@pytest.mark.parametrize(("n", "base"), [(29, None), (30, 0.1)])
async def test_a_share_is_known_from_thirty_cases_on(
    office: Office, n: int, base: float | None
) -> None:
    """Of fewer the worst is assumed, which needs the most cases."""
    session = await known(office, kinds("answered", "", reject=3, approve=n - 3))
    plan = planned(session, TRIAL)
    assert plan["reject"].base == base
    assert (plan["failed"].base, plan["edit"].base) == (None, None if base is None else 0)
    assert (plan["reject"].cases < plan["failed"].cases) == (base is not None)
    assert WORST == 0.5


async def test_each_arm_is_counted_by_its_own_rejects_edits_and_failures(office: Office) -> None:
    """And no other rollout's."""
    tried = Rollout(
        **TRIAL.model_dump(),
        id="rol-1",
        tenant="default",
        state="running",
        plan={watch: Plan(base=None, cases=30) for watch in WATCHES},
        started_by="petra",
        started_at=NOON,
    )
    sums = kinds("answered", "rol-1 candidate", reject=3, edit=2, approve=5)
    sums |= kinds("ended", "rol-1 candidate", failed=4, completed=7)
    sums |= kinds("answered", "rol-1 baseline", reject=1, approve=8)
    sums |= kinds("answered", "rol-2 candidate", reject=99) | kinds("answered", "", reject=99)
    assert counts(await known(office, sums), tried) == {
        ("candidate", "reject"): (3, 10),
        ("candidate", "edit"): (2, 10),
        ("candidate", "failed"): (4, 11),
        ("baseline", "reject"): (1, 9),
        ("baseline", "edit"): (0, 9),
        ("baseline", "failed"): (0, 0),
    }

"""Below thirty cases there is no mean and no spread: the figures say so, and how many there are."""

from __future__ import annotations

import pytest

from agent_runtime.evaluation.calibration import NOT_ENOUGH
from agent_runtime.evaluation.figures import Figures, Place
from agent_runtime.evaluation.statistics import ENOUGH
from agent_runtime.measure import Sum


def figures(n: int) -> Figures:
    """A workflow with as many cases of everything, two of each."""
    cases = Sum(n=n, total=2.0 * n)
    return Figures(
        {
            "worked": {Place("", "", 3): cases},
            "grade": {Place("", "fair", 1): cases},
            "cost": {Place("", "", 0): cases},
            "tokens": {Place("", "", 0): cases},
            "outcome": {Place("", "satisfied", 1): cases},
        }
    )


@pytest.mark.parametrize("n", [1, ENOUGH - 1])
def test_a_few_cases_make_no_figure(n: int) -> None:
    few = figures(n)
    times, (grade,), (cost,), (outcome,) = (
        few.times("worked"),
        few.grades(),
        few.costs(""),
        few.outcomes(),
    )
    assert (times.n, times.mean, times.median, times.p95, times.note) == (
        n,
        None,
        None,
        None,
        NOT_ENOUGH,
    )
    assert (grade.n, grade.mean, grade.note) == (n, None, NOT_ENOUGH)
    assert (cost.n, cost.mean, cost.tokens, cost.note) == (n, None, None, NOT_ENOUGH)
    assert (outcome.good.of, outcome.good.share, outcome.mean) == (n, None, None)


def test_thirty_cases_make_one() -> None:
    enough = figures(ENOUGH)
    times, (grade,), (cost,), (outcome,) = (
        enough.times("worked"),
        enough.grades(),
        enough.costs(""),
        enough.outcomes(),
    )
    assert (times.mean, grade.mean, cost.mean, cost.tokens, outcome.mean) == (2.0,) * 5
    assert not any((times.note, grade.note, cost.note))

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


def drifting(name: str, now: tuple[int, int]) -> dict[Place, Sum]:
    """An input's two classes."""
    return {Place(name, value, 0): Sum(n=n) for value, n in zip("xy", now, strict=True)}


def test_drift_is_read_in_three_words_the_farthest_first() -> None:
    """Below 0.1, up to 0.25, and above."""
    shares = {"a": (50, 50), "b": (70, 30), "c": (90, 10), "few": (29, 0)}
    now = {place: one for name, n in shares.items() for place, one in drifting(name, n).items()}
    base = {place: one for name in shares for place, one in drifting(name, (50, 50)).items()}
    found = Figures({"drift": now}).drift(Figures({"drift": base}))
    assert [(one.name, one.verdict) for one in found] == [
        ("c", "drifted"),
        ("b", "moving"),
        ("a", "stable"),
        ("few", NOT_ENOUGH),
    ]
    assert [one.index is None for one in found] == [False, False, False, True]


def test_a_histogram_tells_its_middle_and_its_end() -> None:
    """By straight lines within a bucket; of what has no end, its mean."""
    short, long = Sum(n=90, total=90.0), Sum(n=10, total=9e6)
    times = Figures({"worked": {Place("", "", 1): short, Place("", "", 16): long}}).times("worked")
    assert [times.median, times.p95, times.mean] == pytest.approx([1 + 50 / 90, 9e5, 90_000.9])


def test_what_is_edited_most_often_stands_first() -> None:
    edits = {Place("field", name, 0): Sum(n=n, total=n / 2) for name, n in (("a", 1), ("b", 3))}
    found = Figures({"changed": edits}).edits()
    assert [(one.field, one.n, one.distance) for one in found] == [("b", 3, 0.5), ("a", 1, 0.5)]


@pytest.mark.parametrize("n", [ENOUGH - 1, ENOUGH])
def test_confidence_is_calibrated_from_thirty_cases_on(n: int) -> None:
    """All of one confidence of 0.8, all right: Brier 0.04, and 0.2 from what was stated."""
    right = Sum(n=n, total=0.8 * n, squares=0.64 * n)
    (found,) = Figures({"right": {Place("step", "s", 80): right}}).calibration("step", 0.05)
    if n < ENOUGH:
        assert (found.brier, found.error, found.bins, found.note) == (None, None, (), NOT_ENOUGH)
    else:
        assert [found.brier, found.error] == pytest.approx([0.04, 0.2])
        assert found.cutoff is not None
        assert (found.cutoff.confidence, found.cutoff.n, found.cutoff.error) == (0.8, n, 0.0)

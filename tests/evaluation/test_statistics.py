"""Each formula against a second source: scipy, or a published table."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]  # it ships no types
from scipy.special import gammaincc  # type: ignore[import-untyped]  # the same

from agent_runtime.evaluation.calibration import bins
from agent_runtime.evaluation.figures import Figures, Place
from agent_runtime.evaluation.statistics import (
    Bin,
    brier,
    calibration_error,
    cases_needed,
    chi_square,
    interval,
    kappa,
    stability,
    threshold,
    two_proportions,
    upper_gamma,
)
from agent_runtime.evaluation.window import Window
from agent_runtime.measure import Sum, confidence_bucket

seeds = pytest.mark.parametrize("seed", range(5))


def drawn(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 — simulated cases, always the same


def cases(rng: random.Random, n: int = 400) -> list[tuple[float, int]]:
    """Confidences with whether they came true; the model is too sure of itself."""
    stated = [round(rng.random(), 4) for _ in range(n)]
    return [(c, int(rng.random() < 0.8 * c)) for c in stated]


def binned(found: list[tuple[float, int]], count: int = 10) -> list[Bin]:
    """As the report has them: from the sums that are kept up."""
    sums: dict[int, dict[int, Sum]] = {0: {}, 1: {}}
    for confidence, truth in found:
        held, at = sums[truth], confidence_bucket(confidence)
        held[at] = held.get(at, Sum()).plus(Sum(1, confidence, confidence**2))
    return bins(sums[1], sums[0], count)


@seeds
def test_brier_score_is_the_mean_squared_distance(seed: int) -> None:
    found = cases(drawn(seed))
    confidences, truths = np.array(found).T
    assert brier(binned(found)) == pytest.approx(np.mean((confidences - truths) ** 2))


@seeds
def test_calibration_error_is_what_binned_statistic_finds(seed: int) -> None:
    found = cases(drawn(seed))
    confidences, truths = np.array(found).T
    edges = np.linspace(0, 1, 11)
    stated, _, _ = stats.binned_statistic(confidences, confidences, "mean", edges)
    right, _, _ = stats.binned_statistic(confidences, truths, "mean", edges)
    n, _, _ = stats.binned_statistic(confidences, truths, "count", edges)
    expected = np.sum(n / n.sum() * np.abs(stated - right))
    assert calibration_error(binned(found)) == pytest.approx(expected)


@seeds
def test_the_threshold_is_the_lowest_that_keeps_the_error_rate(seed: int) -> None:
    found = cases(drawn(seed), 3_000)
    bins = binned(found, 20)
    above = {one.low: [1 - y for c, y in found if c >= one.low - 1e-9] for one in bins}
    fits = [low for low, wrong in above.items() if len(wrong) >= 30 and np.mean(wrong) <= 0.35]
    best = threshold(bins, 0.35)
    assert best is not None
    assert best.confidence == min(fits)
    assert best.error == pytest.approx(np.mean(above[best.confidence]))


def test_no_threshold_is_named_where_none_keeps_the_rate() -> None:
    assert threshold(binned(cases(drawn(1))), 0.01) is None


def test_a_few_cases_set_no_threshold() -> None:
    """Twenty of twenty right say little about the next ones."""
    few = Bin(low=0.9, high=1.0, n=20, right=20, stated=19.0, brier=0.1)
    wrong = Bin(low=0.8, high=0.9, n=40, right=0, stated=34.0, brier=30.0)
    assert threshold([wrong, few], 0.05) is None
    assert threshold([wrong, replace(few, n=30, right=30)], 0.05) is not None


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        ((50, 50), "stable"),
        ((65, 35), "stable"),
        ((70, 30), "moving"),
        ((90, 10), "drifted"),
        ((20, 5), "not enough history"),
    ],
)
def test_drift_is_told_by_how_far_the_index_goes(now: tuple[int, int], verdict: str) -> None:
    before, after = (
        Figures({"drift": {Place("amount", c, 0): Sum(n=n) for c, n in zip("ab", of, strict=True)}})
        for of in ((50, 50), now)
    )
    (told,) = after.drift(before)
    assert told.verdict == verdict


def test_a_few_cases_calibrate_nothing() -> None:
    few = Figures({"right": {Place("step", "pay_out", 1): Sum(n=20)}})
    (told,) = few.calibration("step", 0.05)
    assert (told.n, told.brier, told.error, told.bins) == (20, None, None, ())
    assert told.note == "not enough history"


def test_the_baseline_is_as_many_days_just_before() -> None:
    days = Window(date(2026, 3, 1), date(2026, 3, 30))
    assert days.baseline == Window(date(2026, 1, 30), date(2026, 2, 28))


@pytest.mark.parametrize(("k", "n"), [(0, 40), (3, 50), (50, 100), (100, 100), (7, 900)])
def test_the_interval_is_wilsons(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert interval(k, n) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("k", "n", "k_base", "n_base"), [(30, 100, 10, 100), (5, 60, 20, 300), (1, 50, 9, 70)]
)
def test_two_proportions_is_the_root_of_the_corrected_chi_square(
    k: int, n: int, k_base: int, n_base: int
) -> None:
    table = [[k, n - k], [k_base, n_base - k_base]]
    chi2, both_sided, _, _ = stats.chi2_contingency(table, correction=True)
    found = two_proportions(k, n, k_base, n_base)
    assert found.statistic**2 == pytest.approx(chi2)
    expected = both_sided / 2 if found.statistic > 0 else 1 - both_sided / 2
    assert found.p == pytest.approx(expected)


def test_two_samples_that_are_all_alike_differ_in_nothing() -> None:
    assert two_proportions(0, 50, 0, 60).p == 1.0
    assert two_proportions(50, 50, 60, 60).p == 1.0


@pytest.mark.parametrize(("base", "effect"), [(0.1, 0.1), (0.05, 0.08), (0.4, 0.1)])
def test_the_cases_needed_give_the_power_they_promise(base: float, effect: float) -> None:
    n = cases_needed(base, effect, 0.01, 0.95)
    rng = np.random.default_rng(7)
    pairs = zip(rng.binomial(n, base + effect, 2_000), rng.binomial(n, base, 2_000), strict=True)
    seen = np.mean([two_proportions(int(k), n, int(b), n).p < 0.01 for k, b in pairs])
    assert seen == pytest.approx(0.95, abs=0.02)


@seeds
def test_stability_is_the_entropy_of_each_relative_to_the_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, now = rng.integers(1, 500, 8), rng.integers(1, 500, 8)
    expected = stats.entropy(base, now) + stats.entropy(now, base)
    names = [str(i) for i in range(8)]
    found = stability(
        dict(zip(names, base.tolist(), strict=True)), dict(zip(names, now.tolist(), strict=True))
    )
    assert found == pytest.approx(expected)


def test_a_class_that_is_new_is_drift_and_no_error() -> None:
    found = stability({"a": 100}, {"a": 50, "b": 50})
    assert found is not None
    assert found > 0.25
    assert stability({}, {"a": 1}) is None


@seeds
def test_chi_square_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, now = rng.integers(0, 60, 6), rng.integers(1, 90, 6)
    expected = stats.chi2_contingency([base, now], correction=False)
    found = chi_square(
        {str(i): int(n) for i, n in enumerate(base)}, {str(i): int(n) for i, n in enumerate(now)}
    )
    assert found is not None
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize("a", [0.5, 1, 2.5, 10, 60])
@pytest.mark.parametrize("x", [0, 0.1, 1, 3, 12, 80])
def test_upper_gamma_is_scipys(a: float, x: float) -> None:
    assert upper_gamma(a, x) == pytest.approx(gammaincc(a, x), rel=1e-9, abs=1e-15)


def test_kappa_is_that_of_the_textbooks_example() -> None:
    # Two readers of 50 proposals: 20 both yes, 15 both no, 5 and 10 apart; kappa is 0.4.
    pairs = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    assert kappa(pairs) == pytest.approx(0.4)


@seeds
def test_kappa_is_what_the_confusion_matrix_gives(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 40, (3, 3))
    n = table.sum()
    chance = table.sum(1) @ table.sum(0) / n**2
    pairs = {(str(i), str(j)): int(table[i, j]) for i in range(3) for j in range(3)}
    assert kappa(pairs) == pytest.approx((np.trace(table) / n - chance) / (1 - chance))


def test_kappa_is_unknown_where_only_one_label_was_ever_given() -> None:
    assert kappa({}) is None
    assert kappa({("yes", "yes"): 9}) is None

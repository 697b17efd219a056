"""Statistics: pure functions over counts. Nothing is estimated from fewer than `ENOUGH` cases.

Own, because a dozen short formulas are no reason to load numpy and scipy in every process; the
tests hold each of them against scipy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

ENOUGH = 30
"""Cases below which a share says nothing: then the answer is "not enough history"."""

NORMAL = NormalDist()
_TINY = 0.5
"""Stands for an empty cell, in cases, where a logarithm would not exist."""


@dataclass(frozen=True)
class Bin:
    """Cases whose stated confidence was from `low` up to `high`. `stated` is the sum of their
    confidences; `brier` the sum of their squared distances from what came true (1 or 0)."""

    low: float
    high: float
    n: int
    right: int
    stated: float
    brier: float

    @property
    def share(self) -> float:
        """How often it was right; n is not 0."""
        return self.right / self.n

    @property
    def confidence(self) -> float:
        """What was stated, on average; n is not 0."""
        return self.stated / self.n


@dataclass(frozen=True)
class Test:
    """A test's statistic and its p-value."""

    __test__ = False  # to pytest it looks like a class of tests

    statistic: float
    p: float


@dataclass(frozen=True)
class Threshold:
    """From `confidence` on, `n` cases were wrong with the share `error`."""

    confidence: float
    n: int
    error: float


def brier(bins: Sequence[Bin]) -> float | None:
    """The mean squared distance of stated confidence from what came true: 0 is perfect, 0.25 is
    what always saying 0.5 gets. None without cases."""
    n = sum(one.n for one in bins)
    return sum(one.brier for one in bins) / n if n else None


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """The expected calibration error: how far a bin's mean confidence is from its share of right
    cases, weighted by its cases. None without cases."""
    n = sum(one.n for one in bins)
    if not n:
        return None
    return sum(abs(one.stated - one.right) for one in bins) / n


def threshold(bins: Sequence[Bin], error: float, least: int = ENOUGH) -> Threshold | None:
    """The lowest confidence from which on all cases together were wrong no more often than `error`;
    None where there is none with `least` cases above it. `bins` are in rising order."""
    n = wrong = 0
    found = None
    for one in reversed(bins):
        n += one.n
        wrong += one.n - one.right
        if n >= least and wrong <= error * n:
            found = Threshold(one.low, n, wrong / n)
    return found


def interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share of k in n; n is not 0."""
    z = NORMAL.inv_cdf((1 + level) / 2)
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def two_proportions(k: int, n: int, k_base: int, n_base: int) -> Test:
    """Whether k of n is more than k_base of n_base: the pooled z-test, one-sided, so that p is
    small where the first share is the higher one, with Yates' correction, without which it finds
    too much among few cases. No difference is seen where all are alike."""
    pooled = (k + k_base) / (n + n_base)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_base))
    if not spread:
        return Test(0.0, 1.0)
    found, step = k / n - k_base / n_base, (1 / n + 1 / n_base) / 2
    z = math.copysign(max(0.0, abs(found) - step), found) / spread
    return Test(z, 0.5 * math.erfc(z / math.sqrt(2)))


def cases_needed(base: float, effect: float, alpha: float, power: float, ratio: float = 1.0) -> int:
    """How many cases that test needs to see a share rise from `base` by `effect` with `power`;
    the base has `ratio` times as many."""
    worse = min(1.0, base + effect)
    pooled = (worse + ratio * base) / (1 + ratio)
    by_chance = NORMAL.inv_cdf(1 - alpha) * math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    by_effect = NORMAL.inv_cdf(power) * math.sqrt(worse * (1 - worse) + base * (1 - base) / ratio)
    plain = ((by_chance + by_effect) / (worse - base)) ** 2
    # What the correction takes away has to be made up for.
    more = math.sqrt(1 + 2 * (1 + ratio) / (ratio * plain * (worse - base)))
    return math.ceil(plain / 4 * (1 + more) ** 2)


def stability(base: Mapping[str, int], now: Mapping[str, int]) -> float | None:
    """The population stability index of two counts over the same classes: below 0.1 they are
    alike, above 0.25 they have drifted apart. None where either is empty."""
    before, after = sum(base.values()), sum(now.values())
    if not before or not after:
        return None
    index = 0.0
    for name in base.keys() | now.keys():
        expected = max(base.get(name, 0), _TINY) / before
        found = max(now.get(name, 0), _TINY) / after
        index += (found - expected) * math.log(found / expected)
    return index


def chi_square(base: Mapping[str, int], now: Mapping[str, int]) -> Test | None:
    """Whether two counts over the same classes may come from one source. None where either is
    empty or there is only one class."""
    names = [name for name in base.keys() | now.keys() if base.get(name, 0) + now.get(name, 0)]
    before, after = sum(base.values()), sum(now.values())
    if not before or not after or len(names) < 2:
        return None
    statistic = 0.0
    for name in names:
        both = base.get(name, 0) + now.get(name, 0)
        for found, total in ((base.get(name, 0), before), (now.get(name, 0), after)):
            expected = both * total / (before + after)
            statistic += (found - expected) ** 2 / expected
    return Test(statistic, upper_gamma((len(names) - 1) / 2, statistic / 2))


def kappa(pairs: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa over how often two people gave which two labels: 1 is full agreement, 0 what
    chance alone brings. None without pairs, or where both only ever gave one and the same."""
    n = sum(pairs.values())
    if not n:
        return None
    first: dict[str, int] = {}
    second: dict[str, int] = {}
    for (one, other), count in pairs.items():
        first[one] = first.get(one, 0) + count
        second[other] = second.get(other, 0) + count
    agreed = sum(count for (one, other), count in pairs.items() if one == other) / n
    chance = sum(count * second.get(name, 0) for name, count in first.items()) / n**2
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x): the p-value of a chi-square.

    By its series near 0, by its continued fraction (Lentz) elsewhere.
    """
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-15:
            n += 1
            term *= x / n
            total += term
        return 1 - front * total
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction, step, i = d, 0.0, 0
    while abs(step - 1) > 1e-15 and i < 10_000:
        i += 1
        part = -i * (i - a)
        b += 2
        d = 1 / (part * d + b)
        c = b + part / c
        step = d * c
        fraction *= step
    return front * fraction

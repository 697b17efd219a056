"""Figures: sums as shares, spreads and tests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from agent_runtime.evaluation.calibration import NOT_ENOUGH, TENTHS, bins
from agent_runtime.evaluation.report import (
    Answers,
    Calibration,
    Costs,
    Cutoff,
    Deciding,
    Drift,
    Edited,
    GradeFigures,
    OutcomeFigures,
    ReliabilityBin,
    Shadowed,
    Share,
    Spread,
    Verdicts,
)
from agent_runtime.evaluation.statistics import (
    ENOUGH,
    brier,
    calibration_error,
    chi_square,
    interval,
    stability,
    threshold,
)
from agent_runtime.measure import Key, Measure, Sum, bounds

STAMPING = 3.0
"""Seconds below which an answer was a stamp, not a look."""
FLAGGED = 0.2
"""The share of stamps from which on a group is flagged."""

STABLE, DRIFTED = 0.1, 0.25
"""Below and above which a stability index is read as no drift, and as drift."""

FINE = 50
"""Bins in which a threshold is looked for."""


class Place(NamedTuple):
    """Where a sum stands within one measure."""

    by: str
    value: str
    bucket: int


Found = dict[Measure, dict[Place, Sum]]
"""One workflow's sums."""


class Figures:
    """One workflow's sums, read as figures."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def started(self) -> int:
        """Runs that were begun."""
        return sum(one.n for one in self._sums("started").values())

    def ended(self) -> dict[str, int]:
        """Runs by the state that they ended in."""
        return dict(self._kinds("ended", "").get("", Counter()))

    def failed(self) -> Share:
        """Runs that failed, of those that ended."""
        ended = self.ended()
        return share(ended.get("failed", 0), sum(ended.values()))

    def answers(self, by: str) -> tuple[Answers, ...]:
        """What people answered, split by rule, prompt, model or group; by nothing: all."""
        return tuple(
            Answers(
                value=value,
                n=sum(kinds.values()),
                approve=share(kinds["approve"], sum(kinds.values())),
                edit=share(kinds["edit"], sum(kinds.values())),
                reject=share(kinds["reject"], sum(kinds.values())),
                respond=share(kinds["respond"], sum(kinds.values())),
            )
            for value, kinds in sorted(self._kinds("answered", by).items())
            if sum(kinds.values())
        )

    def verdicts(self) -> tuple[Verdicts, ...]:
        """What the gate answered, all and by rule."""
        return tuple(
            Verdicts(
                value=value or "all",
                n=sum(kinds.values()),
                allow=share(kinds["allow"], sum(kinds.values())),
                needs_approval=share(kinds["needs_approval"], sum(kinds.values())),
                deny=share(kinds["deny"], sum(kinds.values())),
            )
            for by in ("", "rule")
            for value, kinds in sorted(self._kinds("judged", by).items())
        )

    def deciding(self) -> tuple[Deciding, ...]:
        """How long people took, all and by role."""
        groups = {(place.by, place.value) for place in self._sums("took")}
        return tuple(self._group(by, value) for by, value in sorted(groups))

    def _group(self, by: str, value: str) -> Deciding:
        buckets = self._buckets("took", by, value)
        n = sum(one.n for one in buckets.values())
        quick = sum(one.n for i, one in buckets.items() if bounds(i)[1] <= STAMPING)
        stamped = share(quick, n)
        flagged = stamped.share is not None and stamped.share >= FLAGGED
        name = value or "all"
        return Deciding(group=name, seconds=spread(buckets), stamped=stamped, flagged=flagged)

    def times(self, measure: Measure) -> Spread:
        """A time of runs."""
        return spread(self._buckets(measure, "", ""))

    def edits(self) -> tuple[Edited, ...]:
        """What edits changed, the most often changed first."""
        found = [
            Edited(field=place.value, n=one.n, distance=one.total / one.n)
            for place, one in self._sums("changed").items()
            if one.n > 0
        ]
        return tuple(sorted(found, key=lambda edited: (-edited.n, edited.field)))

    def calibration(self, by: str, error_rate: float) -> tuple[Calibration, ...]:
        """What confidences were worth, split by step, prompt or model."""
        values = {p.value for m in _RIGHT_WRONG for p in self._sums(m) if p.by == by}
        return tuple(self._calibration(by, value, error_rate) for value in sorted(values))

    def _calibration(self, by: str, value: str, error_rate: float) -> Calibration:
        right, wrong = (self._buckets(measure, by, value) for measure in _RIGHT_WRONG)
        coarse, fine = bins(right, wrong, TENTHS), bins(right, wrong, FINE)
        n = sum(one.n for one in coarse)
        if n < ENOUGH:
            return Calibration(value=value, n=n, error_rate=error_rate, note=NOT_ENOUGH)
        best = threshold(fine, error_rate)
        return Calibration(
            value=value,
            n=n,
            brier=brier(coarse),
            error=calibration_error(coarse),
            bins=tuple(
                ReliabilityBin(
                    low=one.low,
                    high=one.high,
                    n=one.n,
                    stated=one.confidence,
                    right=share(one.right, one.n),
                )
                for one in coarse
            ),
            error_rate=error_rate,
            cutoff=None
            if best is None
            else Cutoff(confidence=best.confidence, n=best.n, error=best.error),
        )

    def drift(self, base: Figures) -> tuple[Drift, ...]:
        """Each input and output against its baseline, the farthest away first."""
        now, before = self._classes(), base._classes()
        found = [_drift(name, before[name], now[name]) for name in sorted(now.keys())]
        return tuple(sorted(found, key=lambda drift: -(drift.index or -1)))

    def costs(self, by: str) -> tuple[Costs, ...]:
        """What runs cost, split by prompt or model; by nothing: all."""
        tokens = self._sums("tokens")
        return tuple(
            Costs(
                value=place.value or "all",
                n=one.n,
                total=one.total,
                mean=one.total / one.n if one.n >= ENOUGH else None,
                tokens=tokens[place].total / one.n if one.n >= ENOUGH else None,
                note="" if one.n >= ENOUGH else NOT_ENOUGH,
            )
            for place, one in sorted(self._sums("cost").items())
            if place.by == by and one.n > 0
        )

    def outcomes(self) -> tuple[OutcomeFigures, ...]:
        """What was recorded of runs later on."""
        named: dict[str, dict[int, Sum]] = defaultdict(dict)
        for place, one in self._sums("outcome").items():
            if place.by == "":
                named[place.value][place.bucket] = one
        figures = []
        for name, found in sorted(named.items()):
            n = sum(one.n for one in found.values())
            good = share(found.get(1, Sum()).n, n)
            mean = sum(one.total for one in found.values()) / n if n >= ENOUGH else None
            figures.append(OutcomeFigures(name=name, good=good, mean=mean))
        return tuple(figures)

    def grades(self) -> tuple[GradeFigures, ...]:
        """What graders said."""
        named: dict[str, dict[int, Sum]] = defaultdict(dict)
        for place, one in self._sums("grade").items():
            named[place.value][place.bucket] = one
        figures = []
        for name, found in sorted(named.items()):
            told = found.get(1, Sum())
            known = told.n >= ENOUGH
            figures.append(
                GradeFigures(
                    name=name,
                    n=told.n,
                    mean=told.total / told.n if known else None,
                    errors=found.get(0, Sum()).n,
                    note="" if known else NOT_ENOUGH,
                )
            )
        return tuple(figures)

    def shadow(self) -> tuple[Shadowed, ...]:
        """How often people did what a shadow proposed, all and by rule."""
        counted: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for place, one in self._sums("shadow").items():
            rule, _, verdict = place.value.rpartition("\n")
            counted[rule or "all", verdict][place.bucket] += one.n
        return tuple(
            Shadowed(rule=rule, verdict=verdict, agreed=share(same, same + other))
            for (rule, verdict), (other, same) in sorted(counted.items())
        )

    def _sums(self, measure: Measure) -> dict[Place, Sum]:
        return self._found.get(measure, {})

    def _buckets(self, measure: Measure, by: str, value: str) -> dict[int, Sum]:
        return {
            place.bucket: one
            for place, one in self._sums(measure).items()
            if (place.by, place.value) == (by, value)
        }

    def _kinds(self, measure: Measure, by: str) -> dict[str, Counter[str]]:
        """By value, how many there are of each kind."""
        kinds: dict[str, Counter[str]] = defaultdict(Counter)
        for place, one in self._sums(measure).items():
            if place.by == by:
                value, _, kind = place.value.rpartition("\n")
                kinds[value][kind] += one.n
        return kinds

    def _classes(self) -> defaultdict[str, dict[str, int]]:
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for place, one in self._sums("drift").items():
            found[place.by][place.value] = one.n
        return found


_RIGHT_WRONG: tuple[Measure, Measure] = ("right", "wrong")


def by_workflow(found: Iterable[tuple[Key, Sum]]) -> dict[str, Found]:
    """Sums by workflow and measure."""
    sorted_out: dict[str, Found] = defaultdict(lambda: defaultdict(dict))
    for key, one in found:
        place = Place(key.by, key.value, key.bucket)
        sorted_out[key.workflow][key.measure][place] = one
    return sorted_out


def share(count: int, of: int) -> Share:
    """How many of how many, and where that is known, what share it is."""
    if of < ENOUGH:
        return Share(count=count, of=of, note=NOT_ENOUGH)
    low, high = interval(count, of)
    return Share(count=count, of=of, share=count / of, low=low, high=high)


def spread(buckets: Mapping[int, Sum]) -> Spread:
    """A histogram of times as mean, median and 95th percentile."""
    n = sum(one.n for one in buckets.values())
    if n < ENOUGH:
        return Spread(n=n, note=NOT_ENOUGH)
    mean = sum(one.total for one in buckets.values()) / n
    return Spread(
        n=n, mean=mean, median=_quantile(buckets, n, 0.5), p95=_quantile(buckets, n, 0.95)
    )


def _quantile(buckets: Mapping[int, Sum], n: int, part: float) -> float:
    """By straight lines within a bucket; of the open one, its mean."""
    wanted, before = part * n, 0
    for i in sorted(buckets):
        one = buckets[i]
        if before + one.n >= wanted and one.n > 0:
            low, high = bounds(i)
            if high == float("inf"):
                return one.total / one.n
            return low + (high - low) * (wanted - before) / one.n
        before += one.n
    return 0.0


def _drift(name: str, base: Mapping[str, int], now: Mapping[str, int]) -> Drift:
    n, before = sum(now.values()), sum(base.values())
    index, test = stability(base, now), chi_square(base, now)
    if min(n, before) < ENOUGH or index is None:
        return Drift(name=name, n=n, baseline=before, verdict=NOT_ENOUGH)
    verdict = "stable" if index < STABLE else "moving" if index <= DRIFTED else "drifted"
    p = None if test is None else test.p
    return Drift(name=name, n=n, baseline=before, index=index, p=p, verdict=verdict)

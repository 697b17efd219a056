"""Calibration: what a stated confidence was worth, by what people decided.

A proposal counts as right where people let it pass as it was, as wrong where they edited or
rejected it. Only proposals that people were asked about are known, so that this says nothing about
those that policy lets run unattended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from agent_runtime.approval import Approval
from agent_runtime.evaluation.statistics import ENOUGH, Bin
from agent_runtime.measure import CONFIDENCE, Sum, confidence_bucket
from agent_runtime.store import Session

REACH = timedelta(days=180)
"""How far back cases say something about one of now."""

TENTHS = 10
NOT_ENOUGH = "not enough history"


class Meaning(BaseModel):
    """What a confidence has meant: `right` of `n` such cases, in words as `text`. Where there are
    too few, nothing is said of a share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    n: int
    right: int | None = None
    share: float | None = None


def meaning_of(session: Session, approval: Approval) -> Meaning:
    """What became of the proposals of the same step that were about as sure of themselves."""
    low, high = tenth(confidence_bucket(float(approval.signals.confidence)))
    since = (session.now - REACH).date().isoformat()
    found = session.measures.calibration(approval.workflow, approval.step, since, low, high)
    right, wrong = found.get("right", Sum()).n, found.get("wrong", Sum()).n
    return meaning(right, right + wrong)


def meaning(right: int, n: int) -> Meaning:
    """`right` of `n` in words."""
    if n < ENOUGH:
        return Meaning(text=NOT_ENOUGH, n=n)
    share = right / n
    text = f"of 100 such cases {round(100 * share)} were right, n = {n}"
    return Meaning(text=text, n=n, right=right, share=share)


def tenth(bucket: int) -> tuple[int, int]:
    """From which bucket and up to which one a bucket's tenth reaches."""
    width = CONFIDENCE // TENTHS
    low = bucket // width * width
    return low, low + width


def bins(right: Mapping[int, Sum], wrong: Mapping[int, Sum], count: int) -> list[Bin]:
    """Cases by bucket of confidence, drawn together to `count` bins; those without cases are left
    out."""
    width = CONFIDENCE // count
    found = []
    for i in range(count):
        inside = range(i * width, (i + 1) * width)
        good, bad = _together(right, inside), _together(wrong, inside)
        if good.n + bad.n <= 0:
            continue
        found.append(
            Bin(
                low=i / count,
                high=(i + 1) / count,
                n=good.n + bad.n,
                right=good.n,
                stated=good.total + bad.total,
                # (1 - c)² where it came true, c² where it did not, added up.
                brier=good.n - 2 * good.total + good.squares + bad.squares,
            )
        )
    return found


def _together(found: Mapping[int, Sum], buckets: range) -> Sum:
    whole = Sum()
    for bucket in buckets:
        whole = whole.plus(found.get(bucket, Sum()))
    return whole

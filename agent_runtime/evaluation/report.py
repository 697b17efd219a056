"""The report: what `evaluate` and `/v1/metrics` say. Where there are fewer than 30 cases, a share
is null and its note says "not enough history": never 0 %, never NaN."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Any part of a report."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Share(Part):
    """`count` of `of` cases, with the interval that holds the true share 95 times in 100."""

    count: int
    of: int
    share: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


class Spread(Part):
    """Of some values, the mean, and the median and the 95th percentile as their histogram has
    them."""

    n: int
    mean: float | None = None
    median: float | None = None
    p95: float | None = None
    note: str = ""


class Answers(Part):
    """What people answered, all or of one rule, prompt, model or group."""

    value: str
    n: int
    approve: Share
    edit: Share
    reject: Share
    respond: Share


class Verdicts(Part):
    """What the gate answered, all or by one rule."""

    value: str
    n: int
    allow: Share
    needs_approval: Share
    deny: Share


class Deciding(Part):
    """How long people took, all or of one role. `stamped`: answers within three seconds of the
    first look; `flagged`: a fifth of them or more."""

    group: str
    seconds: Spread
    stamped: Share
    flagged: bool


class Edited(Part):
    """One field that edits changed, and how far on average: 0 to 1."""

    field: str
    n: int
    distance: float


class ReliabilityBin(Part):
    """Proposals whose confidence was from `low` up to `high`: what they stated on average, and how
    many people let pass as they were."""

    low: float
    high: float
    n: int
    stated: float
    right: Share


class Cutoff(Part):
    """Had only proposals from `confidence` on been let pass, `n` would have been, and `error` of
    them wrong."""

    confidence: float
    n: int
    error: float


class Calibration(Part):
    """What confidences were worth, by step, prompt or model. `brier`: 0 is perfect; `error`: the
    expected calibration error. `cutoff`: for the error rate asked for."""

    value: str
    n: int
    brier: float | None = None
    error: float | None = None
    bins: tuple[ReliabilityBin, ...] = ()
    error_rate: float
    cutoff: Cutoff | None = None
    note: str = ""


class Drift(Part):
    """How far an input or an output is from its baseline. `index`: population stability, below
    0.1 stable, above 0.25 drifted; `p` of the chi-square test."""

    name: str
    n: int
    baseline: int
    index: float | None = None
    p: float | None = None
    verdict: str


class OutcomeFigures(Part):
    """A declared outcome: how many of those recorded were good, and the mean value."""

    name: str
    good: Share
    mean: float | None = None


class GradeFigures(Part):
    """What one grader said, and how often it could not tell."""

    name: str
    n: int
    mean: float | None = None
    errors: int = 0
    note: str = ""


class Agreement(Part):
    """How far two answers to the same question agree beyond chance (Cohen's kappa)."""

    name: str
    between: str
    n: int
    kappa: float | None = None
    note: str = ""


class Shadowed(Part):
    """What a shadow proposed under a rule and a verdict, and how often people did just that."""

    rule: str
    verdict: str
    agreed: Share


class Costs(Part):
    """Of runs whose cost was recorded."""

    value: str
    n: int
    total: float
    mean: float | None = None
    tokens: float | None = None
    note: str = ""


class WaitingNow(Part):
    """The age, in seconds, of what waits the longest; null where nothing does."""

    ready_run: float | None = None
    open_question: float | None = None


class WorkflowReport(Part):
    """One workflow in the window."""

    workflow: str
    started: int
    ended: dict[str, int]
    failed: Share
    latency: Spread
    queued: Spread
    worked: Spread
    waited: Spread
    verdicts: tuple[Verdicts, ...]
    answers: dict[str, tuple[Answers, ...]]
    deciding: tuple[Deciding, ...]
    edits: tuple[Edited, ...]
    calibration: dict[str, tuple[Calibration, ...]]
    drift: tuple[Drift, ...]
    cost: dict[str, tuple[Costs, ...]]
    outcomes: tuple[OutcomeFigures, ...]
    grades: tuple[GradeFigures, ...]
    shadow: tuple[Shadowed, ...]
    agreement: tuple[Agreement, ...]


class Report(Part):
    """All of it, by UTC days, both included. `behind`: events that are not counted yet."""

    since: date
    until: date
    baseline_since: date
    behind: int
    waiting: WaitingNow
    workflows: tuple[WorkflowReport, ...]

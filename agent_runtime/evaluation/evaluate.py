"""Evaluating: the sums of a window, put together as a report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from agent_runtime.clock import from_text
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.evaluation.figures import Figures, Found, by_workflow
from agent_runtime.evaluation.keeper import Keeper
from agent_runtime.evaluation.labelling import agreement
from agent_runtime.evaluation.report import Report, WaitingNow, WorkflowReport
from agent_runtime.evaluation.window import Window
from agent_runtime.quality import Quality
from agent_runtime.store import Session, Store
from agent_runtime.store.runs import RunFilter
from agent_runtime.workflow import Workflow

CATCH_UP = 2_000
"""Events that a report counts before it is made: some 50 ms. More than that are left to workers,
and the report says how many there are."""

ERROR_RATE = 0.05
"""What the threshold of confidence is looked for, where nothing else is asked for."""

SPLITS = {"all": "", "rule": "rule", "prompt": "prompt", "model": "model", "group": "group"}


class Evaluation:
    """Reports on what is stored."""

    def __init__(
        self, store: Store, keeper: Keeper, workflows: Mapping[str, Workflow] | None = None
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._workflows = workflows or {}

    async def report(
        self,
        tenant: str,
        window: Window,
        *,
        workflow: str | None = None,
        error_rate: float = ERROR_RATE,
        most: int | None = CATCH_UP,
    ) -> Report:
        """What the window shows. Raises NotFound for a workflow that there neither is nor was, and
        InvalidInput for a rate that is none."""
        if not 0 < error_rate < 1:
            raise InvalidInput("error_rate", error_rate, "is not between 0 and 1")
        behind = await self._keeper.keep_up(tenant, most)
        session = self._store.read(tenant)
        found = by_workflow(session.measures.find(window.spans, workflow))
        base = by_workflow(session.measures.find(window.baseline.spans, workflow, "drift"))
        names = sorted(found)
        if workflow is not None and not names and not self._known(session, workflow):
            known = ", ".join(sorted(self._workflows)) or "none"
            raise NotFound("workflow", workflow, remedy=f"This app has: {known}.")
        return Report(
            since=window.since,
            until=window.until,
            baseline_since=window.baseline.since,
            behind=behind,
            waiting=_waiting(session),
            workflows=tuple(
                _workflow(session, name, (found[name], base.get(name, {})), error_rate, quality)
                for name, quality in ((name, self._quality(name)) for name in names)
            ),
        )

    def _known(self, session: Session, name: str) -> bool:
        """Whether it is declared, or was when runs of it were started."""
        was = RunFilter(workflow=name)
        return name in self._workflows or bool(
            session.runs.page(was, newest_first=True, after=None, limit=1)
        )

    def _quality(self, name: str) -> Quality:
        """What a workflow declares; nothing, where there is none of that name any more."""
        return self._workflows[name].quality if name in self._workflows else Quality()


def _workflow(
    session: Session, name: str, sums: tuple[Found, Found], error_rate: float, quality: Quality
) -> WorkflowReport:
    """`sums`: those of the window, and of its baseline."""
    figures, base = Figures(sums[0]), Figures(sums[1])
    return WorkflowReport(
        workflow=name,
        started=figures.started(),
        ended=figures.ended(),
        failed=figures.failed(),
        latency=figures.times("latency"),
        queued=figures.times("queued"),
        worked=figures.times("worked"),
        waited=figures.times("waited"),
        verdicts=figures.verdicts(),
        answers={split: figures.answers(by) for split, by in SPLITS.items()},
        deciding=figures.deciding(),
        edits=figures.edits(),
        calibration={by: figures.calibration(by, error_rate) for by in ("step", "prompt", "model")},
        drift=figures.drift(base),
        cost={split: figures.costs(by) for split, by in SPLITS.items() if split in _COSTS},
        outcomes=figures.outcomes(),
        grades=figures.grades(),
        shadow=figures.shadow(),
        agreement=agreement(session, name, quality),
    )


_COSTS = frozenset({"all", "prompt", "model"})


def _waiting(session: Session) -> WaitingNow:
    ready, asked = session.measures.oldest()
    return WaitingNow(ready_run=_age(ready, session.now), open_question=_age(asked, session.now))


def _age(since: str | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - from_text(since)).total_seconds())

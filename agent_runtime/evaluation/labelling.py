"""Labelling: people are shown one run at a time, and say what they think of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.app import App
from agent_runtime.errors import Conflict
from agent_runtime.evaluation.calibration import NOT_ENOUGH
from agent_runtime.evaluation.report import Agreement
from agent_runtime.evaluation.seen import see
from agent_runtime.evaluation.statistics import ENOUGH, kappa
from agent_runtime.quality import LabelKind, Quality, Seen
from agent_runtime.run import ENDS
from agent_runtime.store import Session, Store
from agent_runtime.store.labels import Label
from agent_runtime.verdict import Operator


class LabelTask(BaseModel):
    """One run to be labelled, with what there is to judge it by."""

    model_config = ConfigDict(extra="forbid")

    run: str
    label: str
    values: list[str]
    guidelines: str
    seen: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What one person is asked next: about which run, by which guidelines."""

    run_id: str
    kind: LabelKind
    seen: Seen

    @property
    def told(self) -> LabelTask:
        """The same for programs."""
        return LabelTask(
            run=self.run_id,
            label=self.kind.name,
            values=list(self.kind.values),
            guidelines=self.kind.guidelines,
            seen=asdict(self.seen),
        )


class Labeller:
    """Hands out runs to be labelled, and keeps what is said."""

    def __init__(self, store: Store, app: App) -> None:
        self._store = store
        self._app = app

    def next(self, operator: Operator, workflow: str, name: str | None = None) -> Task | None:
        """The run that this person should label next, by that label or the first that is declared;
        None where there is none. Raises NotFound and InvalidInput for what is not declared."""
        quality = self._app.workflow(workflow).quality
        if name is None and not quality.labels:
            return None
        kind = quality.labels[0] if name is None else quality.label(name)
        session = self._store.read(operator.tenant)
        run_id = session.labels.waiting(workflow, kind.name, operator.name)
        return None if run_id is None else Task(run_id, kind, see(session, run_id))

    async def give(self, operator: Operator, run_id: str, name: str, value: str) -> Label:
        """Keep what a person says of a run that has ended; said again, nothing changes, said
        otherwise, the later counts. Raises NotFound, InvalidInput, Conflict."""
        run = self._store.read(operator.tenant).runs.get(run_id)
        kind = self._app.workflow(run.workflow).quality.label(name)
        chosen = kind.read(value)

        def give(session: Session) -> Label:
            if session.runs.get(run_id).state not in ENDS:
                raise Conflict(f"Run {run_id} has not ended.", remedy="Label it when it has.")
            for known in session.labels.find(run_id):
                if (known.name, known.operator, known.value) == (name, operator.name, chosen):
                    return known
            body = {"label": name, "value": chosen, "by": operator.name}
            session.events.append("label.given", run_id, **body)
            return session.labels.put(run_id, name, operator.name, chosen)

        return await self._store.write(operator.tenant, give)


def agreement(session: Session, workflow: str, quality: Quality) -> tuple[Agreement, ...]:
    """How far people agree with each other, and graders with people."""
    found = []
    for kind in quality.labels:
        found.append(_agreement(kind.name, "people", session.labels.pairs(workflow, kind.name)))
        if kind.grader is not None:
            pairs = session.labels.graded(workflow, kind.name, kind.grader, kind.values[0])
            found.append(_agreement(kind.name, kind.grader, pairs))
    return tuple(found)


def _agreement(name: str, between: str, pairs: Mapping[tuple[str, str], int]) -> Agreement:
    n = sum(pairs.values())
    if n < ENOUGH:
        return Agreement(name=name, between=between, n=n, note=NOT_ENOUGH)
    return Agreement(name=name, between=between, n=n, kappa=kappa(pairs))

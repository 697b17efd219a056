"""How well a server's runs do, typed: figures, what is said of runs, and what is tried on them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from agent_runtime.client.answer import as_, items, path_of
from agent_runtime.client.wire import Wire

if TYPE_CHECKING:  # heavy, and needed by few
    from agent_runtime.evaluation.labelling import LabelTask
    from agent_runtime.evaluation.report import Report
    from agent_runtime.evaluation.watching import Watching
    from agent_runtime.rollout import Trial
    from agent_runtime.store.grades import Grade
    from agent_runtime.store.labels import Label
    from agent_runtime.store.outcomes import Outcome


class Evaluation:
    """The tenant's that the token is for."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def report(
        self,
        workflow: str | None = None,
        since: date | None = None,
        until: date | None = None,
        *,
        error_rate: float | None = None,
    ) -> Report:
        """How well runs do, on UTC days; default: the last 30."""
        from agent_runtime.evaluation.report import Report

        asked = {"workflow": workflow, "since": since, "until": until, "error_rate": error_rate}
        return as_(Report, self._wire.get("/v1/metrics", asked))

    def tell_outcome(self, run_id: str, outcome: str, value: float) -> Outcome:
        """Record what came of a run."""
        from agent_runtime.store.outcomes import Outcome

        body = {"run": run_id, "outcome": outcome, "value": value}
        return as_(Outcome, self._wire.post("/v1/outcomes", body))

    def grade(self, run_id: str) -> list[Grade]:
        """Have its workflow's graders judge a run that has ended."""
        from agent_runtime.store.grades import Grade

        return items(Grade, self._wire.post(path_of("runs", run_id, "grades")))

    def next_label(self, workflow: str, label: str | None = None) -> LabelTask | None:
        """The run to label next; None: nothing is left. `label`: default the first declared."""
        from agent_runtime.evaluation.labelling import LabelTask

        found = self._wire.get(path_of("labels", workflow, "next"), {"label": label})["task"]
        return None if found is None else as_(LabelTask, found)

    def give_label(self, run_id: str, label: str, value: str) -> Label:
        """Say what one thinks of a run."""
        from agent_runtime.store.labels import Label

        body = {"run": run_id, "label": label, "value": value}
        return as_(Label, self._wire.post("/v1/labels", body))

    def rollouts(self) -> list[Watching]:
        """What is and was tried, with the figures of both arms."""
        from agent_runtime.evaluation.watching import Watching

        return items(Watching, self._wire.get("/v1/rollouts"))

    def start_rollout(self, trial: Trial, rehearsal: str | None = None) -> Watching:
        """Try something on a share of new runs; a policy's change as having seen its rehearsal,
        by its digest."""
        from agent_runtime.evaluation.watching import Watching

        body = {**trial.model_dump(mode="json"), "rehearsal": rehearsal}
        return as_(Watching, self._wire.post("/v1/rollouts", body))

    def stop_rollout(self, rollout_id: str, reason: str = "") -> Watching:
        """Let nobody get the candidate any more."""
        from agent_runtime.evaluation.watching import Watching

        path = path_of("rollouts", rollout_id, "stop")
        return as_(Watching, self._wire.post(path, {"reason": reason}))

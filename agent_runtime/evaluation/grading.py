"""Grading: declared graders judge runs that have ended. A grader that fails is recorded as such;
nothing else comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent_runtime.clock import to_text
from agent_runtime.errors import Conflict
from agent_runtime.evaluation.judge import Afterwards, Said, judge
from agent_runtime.evaluation.rule import Rules
from agent_runtime.evaluation.seen import see
from agent_runtime.installation import Installation
from agent_runtime.quality import Grader, Seen
from agent_runtime.run import ENDS
from agent_runtime.store import Session
from agent_runtime.store.grades import Grade


class Marker:
    """Has a workflow's graders judge its runs."""

    def __init__(self, installation: Installation) -> None:
        self._in = installation
        self._rules = Rules()

    async def grade(self, tenant: str, run_id: str, by: str) -> list[Grade]:
        """All that the run's workflow declares, each grader for itself; raises NotFound, Conflict
        for a run that has not ended."""
        session = self._in.store.read(tenant)
        run = session.runs.get(run_id)
        if run.state not in ENDS:
            raise Conflict(f"Run {run_id} has not ended.", remedy="Grade it when it has.")
        claim = Afterwards(run, self._in.clock, self._in.telemetry, self._in.store)
        quality, seen = self._in.app.workflow(run.workflow).quality, see(session, run_id)
        said: dict[str, Said] = {}
        for grader in quality.graders:
            if not grader.ensemble:
                said[grader.name] = await self._one(claim, grader, seen)
        for grader in quality.graders:
            if grader.ensemble:
                said[grader.name] = together([said[name] for name in grader.ensemble])

        def keep(session: Session) -> list[Grade]:
            return [_keep(session, run_id, name, one, by) for name, one in said.items()]

        return await claim.write(keep)

    async def _one(self, claim: Afterwards, grader: Grader, seen: Seen) -> Said:
        if grader.rule is not None:
            return await self._rules.ask(grader, seen)
        return await judge(self._in, claim, grader.judge or "", seen)


def together(parts: Sequence[Said]) -> Said:
    """The mean of those that could tell; an error where fewer than half of them could."""
    scores = [part.score for part in parts if part.score is not None]
    if 2 * len(scores) < len(parts) or not scores:
        return Said(None, error=f"{len(parts) - len(scores)} of {len(parts)} could not tell")
    return Said(sum(scores) / len(scores))


def _keep(session: Session, run_id: str, name: str, said: Said, by: str) -> Grade:
    known: Mapping[str, Grade] = {one.grader: one for one in session.grades.find(run_id)}
    before = known.get(name)
    body: dict[str, object] = {"grader": name, "score": said.score, "error": said.error, "by": by}
    if before is not None:
        body["was"] = {"score": before.score, "at": to_text(before.at)}
    session.events.append("run.graded", run_id, **body)
    return session.grades.put(run_id, name, said.score, said.error, said.reason)

"""A segment: the work between two pauses, and all that its nodes may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent_runtime.action import ProposedAction
from agent_runtime.clock import Clock
from agent_runtime.envelope import Envelope, Node, Status
from agent_runtime.evidence import Evidence, Shown
from agent_runtime.models.model import Model
from agent_runtime.policy import PolicySet
from agent_runtime.run import Run
from agent_runtime.step import Step
from agent_runtime.store import Session, Store
from agent_runtime.telemetry import Telemetry
from agent_runtime.tool import Resources, ToolCall
from agent_runtime.verdict import RunFacts
from agent_runtime.workflow import Workflow

T = TypeVar("T")


@dataclass(frozen=True)
class Segment:
    """One claim of one run. Every write checks that the claim still stands (`run.epoch`).

    `grace` counts how often a person resumed the run: each time, bounded repetitions start anew.
    """

    run: Run
    workflow: Workflow
    store: Store
    clock: Clock
    resources: Resources
    policies: Mapping[str, PolicySet]
    prompts: Mapping[str, str]
    model: Callable[[Step], Model]
    telemetry: Telemetry
    grace: int = 0
    _passages: dict[str, Shown] = field(default_factory=dict)

    async def write(self, work: Callable[[Session], T]) -> T:
        """Commit `work` if this segment still owns the run; raises LostOwnership otherwise."""

        def owned(session: Session) -> T:
            session.runs.own(self.run.id, self.run.epoch)
            return work(session)

        return await self.store.write(self.run.tenant, owned)

    def read(self) -> Session:
        """What is committed."""
        return self.store.read(self.run.tenant)

    def call(self, key: str, facts: Mapping[str, Any] | None = None) -> ToolCall:
        """What a tool is told about a call under this key; `facts` are those it was decided on."""
        return ToolCall(
            run_id=self.run.id,
            tenant=self.run.tenant,
            key=key,
            now=self.clock.now(),
            subject=self.subject,
            resources=self.resources,
            facts=facts or {},
        )

    @property
    def subject(self) -> str | None:
        """Who the run is about, from its authenticated input."""
        name = self.workflow.subject
        return None if name is None else str(self.run.input[name])

    def facts(self, step: Step) -> RunFacts:
        """What policy may know about the run."""
        return RunFacts(
            run_id=self.run.id,
            tenant=self.run.tenant,
            workflow=self.run.workflow,
            step=step.name,
            started_by=self.run.trigger.owner,
            subject=self.subject,
        )

    def passages(self, hashes: list[str]) -> list[Shown]:
        """The passages behind the hashes in the graph's state."""
        session = self.read()
        for name in hashes:
            if name not in self._passages:
                stored = session.recordings.content(name)
                self._passages[name] = Shown.model_validate(stored)
        return [self._passages[name] for name in hashes]

    def envelope(
        self,
        step: Step,
        node: Node,
        *,
        visit: int,
        status: Status,
        reason: str,
        confidence: float = 1.0,
        evidence: tuple[Evidence, ...] = (),
        action: ProposedAction | None = None,
    ) -> Envelope:
        """An envelope that the runtime itself emits."""
        return Envelope(
            step=step.name,
            status=status,
            confidence=confidence,
            evidence=evidence,
            proposed_action=action,
            reason=reason[:4_000],
            node=node,
            visit=visit,
            producer="runtime",
        )

    def emit(self, session: Session, envelope: Envelope) -> None:
        """Append an envelope to the run's history."""
        body = envelope.model_dump(mode="json", exclude_none=True)
        session.events.append("envelope.emitted", self.run.id, **body)

    def event_body(self, step: Step, visit: int, **more: Any) -> dict[str, Any]:
        """The fields that every event of a step carries."""
        return {"step": step.name, "visit": visit, **more}

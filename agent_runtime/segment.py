"""A segment: the work between two pauses, and all that its nodes may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent_runtime.action import ProposedAction
from agent_runtime.clock import Clock
from agent_runtime.envelope import Envelope, Node, Status, validate_envelope
from agent_runtime.evidence import Evidence, Shown
from agent_runtime.models.executor import Executor
from agent_runtime.models.lineup import Lineup
from agent_runtime.policy import PolicySet
from agent_runtime.redact import Redactor
from agent_runtime.resource import Resources
from agent_runtime.run import Run, new_id
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.store import Authorization, Content, Lane, Session, Store
from agent_runtime.store.pseudonyms import pseudonym
from agent_runtime.telemetry import Telemetry
from agent_runtime.tool import ToolCall
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
    models: Lineup
    telemetry: Telemetry
    lane: Lane
    grace: int = 0
    drawn: tuple[str, ...] = ()
    """The rollouts whose candidates it has drawn, when it began."""
    new_id: Callable[[str], str] = new_id
    rights: dict[tuple[str, int], Authorization] = field(default_factory=dict)
    """By step and visit: those that this segment has posted, and may not be committed yet."""
    asked: set[str] = field(default_factory=set)
    """The questions that it has posted: nobody can have answered them."""
    _passages: dict[str, Shown] = field(default_factory=dict)
    _proposals: dict[int, tuple[Any, Envelope]] = field(default_factory=dict)

    def post(self, work: Callable[[Session], object]) -> None:
        """Commit `work` before whatever this segment writes later, without waiting for it."""
        self.lane.post(work)

    async def write(self, work: Callable[[Session], T]) -> T:
        """Commit `work` and all that was posted before if this segment still owns the run; raises
        LostOwnership otherwise."""
        return await self.lane.write(work)

    def read(self) -> Session:
        """What is committed: not what was only posted."""
        return self.store.read(self.run.tenant)

    def executor(self, step: Step) -> Executor:
        """Who asks models for a step."""
        return Executor(self.models, self, step)

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

    def redactor(self, step: Step) -> Redactor:
        """What hides from the step all that it may not see; its pseudonyms are posted as they are
        made."""
        declared = step.context.minimise
        key = self.read().pseudonyms.key() if declared.names else None
        if key is None:
            return Redactor(declared)
        tenant_key = key

        def name(kind: str, value: str) -> str:
            made = pseudonym(tenant_key, kind, value)
            self.post(lambda session: session.pseudonyms.add(made, value))
            return made

        return Redactor(declared, name)

    def passages(self, hashes: list[str]) -> list[Shown]:
        """The passages behind the hashes in the graph's state."""
        session = self.read()
        for name in hashes:
            if name not in self._passages:
                stored = session.recordings.content(name)
                self._passages[name] = Shown.model_validate(stored)
        return [self._passages[name] for name in hashes]

    def proposal(self, state: State) -> Envelope:
        """The envelope in the graph's state, validated when it is first seen."""
        document = state["envelope"]
        known = self._proposals.get(id(document))
        if known is None:
            # Held together with the document, so that no other one can get its id.
            known = self._proposals[id(document)] = (document, validate_envelope(document))
        return known[1]

    def keep(self, shown: Sequence[Shown]) -> list[str]:
        """Post passages, each once; returns the hashes of their contents."""
        contents = [Content.of(passage.model_dump(mode="json")) for passage in shown]
        new = {c.hash: c for c in contents if c.hash not in self._passages}
        self._passages.update({c.hash: p for c, p in zip(contents, shown, strict=True)})
        if new:
            self.post(lambda session: [session.recordings.put(c) for c in new.values()])
        return [content.hash for content in contents]

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

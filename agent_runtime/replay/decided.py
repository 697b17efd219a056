"""Decided: what the gate has decided so far, as the questions that policy was asked then."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from agent_runtime.action import Action
from agent_runtime.app import App
from agent_runtime.approval import Approval
from agent_runtime.errors import AgentRuntimeError, PolicyError
from agent_runtime.event import Event
from agent_runtime.policy import PolicySet
from agent_runtime.policy.engine import BASE_FILE, NO_RULE, POLICY_ERROR, UNKNOWN_TOOL
from agent_runtime.replay.policy_then import texts_then
from agent_runtime.run import Run
from agent_runtime.signal import Signals
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.tool import Tool
from agent_runtime.verdict import Question, RunFacts, Verdict

POLICYS_OWN = frozenset({NO_RULE, POLICY_ERROR, UNKNOWN_TOOL})
"""Ids by which a policy set itself says that it has no rule."""


Asked = tuple[str, int, str]
"""A step, the number of its visit, and the digest of the action that it proposed."""


@dataclass(frozen=True)
class Decided:
    """One judgement of the gate: the question, the answer, and what people made of it."""

    number: int
    at: datetime
    run: Run
    step: str
    visit: int
    policy: str
    policy_digest: str
    question: Question
    verdict: Verdict
    action_digest: str
    answered: Approval | None

    @property
    def amount(self) -> Decimal | None:
        """The money that it moves, as far as its facts say."""
        found = getattr(self.question.facts, "amount", None)
        return found if isinstance(found, Decimal) else None

    @property
    def people(self) -> str:
        """What people answered; empty where nobody was asked, or has answered."""
        if self.answered is None:
            return ""
        status = self.answered.status
        return status if status in ("approved", "rejected", "edited", "responded") else ""

    @property
    def by_policy(self) -> bool:
        """Whether a policy set gave the answer, and not the runtime before it was asked."""
        own = [rule for rule in self.verdict.rules if rule.startswith("runtime:")]
        return all(rule in POLICYS_OWN for rule in own)


@dataclass(frozen=True)
class Skipped:
    """A judgement that cannot be put to policy again, and why."""

    number: int
    run: str
    why: str


@dataclass
class Reader:
    """Reads one tenant's judgements as the app's typed questions."""

    session: Session
    app: App
    _runs: dict[str, Run] = field(default_factory=dict)
    _asked: dict[str, dict[Asked, Approval]] = field(default_factory=dict)
    _policies: dict[str, PolicySet | None] = field(default_factory=dict)

    def read(self, events: Sequence[Event]) -> Iterator[Decided | Skipped]:
        """Each judgement, or why it is none that can be used."""
        for event in events:
            yield self._read(event)

    def policy_then(self, decided: Decided) -> PolicySet | None:
        """The policy set that gave the answer; None where its text was never kept."""
        present = self.app.policies.get(decided.policy)
        if present is not None and decided.policy_digest in ("", present.digest):
            return present
        named = decided.policy_digest
        if named not in self._policies:
            self._policies[named] = self._stored(decided)
        return self._policies[named]

    def _stored(self, decided: Decided) -> PolicySet | None:
        named = (decided.policy, decided.policy_digest)
        texts = texts_then(self.session, self.app, decided.run, *named)
        if texts is None:
            return None
        own = {name: text for name, text in texts.items() if name != BASE_FILE}
        with suppress(PolicyError):  # deployed since, with other tools
            return PolicySet.load(decided.policy, own, tools_of(self.app, decided.run.workflow))
        return None

    def _read(self, event: Event) -> Decided | Skipped:
        run_id = event.run_id or ""
        if event.body is None:
            return Skipped(event.number, run_id, "its content was erased")
        if not event.body["facts"]:
            return Skipped(event.number, run_id, "it was denied before its facts were known")
        try:
            return self._decided(event, event.body)
        except (AgentRuntimeError, ValidationError) as error:
            first = str(error).partition("\n")[0]
            return Skipped(event.number, run_id, f"this code cannot ask it any more: {first}")

    def _decided(self, event: Event, body: Mapping[str, Any]) -> Decided:
        run = self._run(event.run_id or "")
        workflow = self.app.workflow(run.workflow)
        step = workflow.step(body["step"])
        tool = step.tool("action", body["action"]["tool"])
        return Decided(
            number=event.number,
            at=event.at,
            run=run,
            step=step.name,
            visit=body["visit"],
            policy=step.policy or "",
            policy_digest=body.get("policy") or "",
            question=_question(body, tool, _facts(run, step, workflow.subject)),
            verdict=Verdict.model_validate(body["verdict"]),
            action_digest=body["action_digest"],
            answered=self._approvals(run.id).get((step.name, body["visit"], body["action_digest"])),
        )

    def _run(self, run_id: str) -> Run:
        if run_id not in self._runs:
            self._runs[run_id] = self.session.runs.get(run_id)
        return self._runs[run_id]

    def _approvals(self, run_id: str) -> dict[Asked, Approval]:
        """The last question about each action: what a person made of it is another one's."""
        if run_id not in self._asked:
            found = self.session.approvals.find(run_id=run_id)
            self._asked[run_id] = {(one.step, one.visit, one.action_digest): one for one in found}
        return self._asked[run_id]


def tools_of(app: App, workflow: str) -> list[Tool]:
    """The write tools that a workflow proposes, once each."""
    steps = app.workflow(workflow).steps
    return list({t.name: t for step in steps for t in step.reasoning.proposes}.values())


def _facts(run: Run, step: Step, subject: str | None) -> RunFacts:
    return RunFacts(
        run_id=run.id,
        tenant=run.tenant,
        workflow=run.workflow,
        step=step.name,
        started_by=run.trigger.owner,
        subject=None if subject is None else str(run.input[subject]),
    )


def _question(body: Mapping[str, Any], tool: Tool, run: RunFacts) -> Question:
    if tool.facts_model is None:
        raise PolicyError(f"{tool.name} has no facts any more.")
    action = Action.model_validate(body["action"])
    return Question(
        action=action,
        arguments=tool.parse(action.arguments),
        facts=tool.facts_model.model_validate_json(json.dumps(body["facts"])),
        signals=Signals.model_validate(body["signals"]),
        run=run,
    )

"""Judging a proposal: what is asked of tools, facts and policy before anyone may act on it.

Deciding returns a value here and stores nothing; the gate and an operator's edit both use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from agent_runtime.action import Action, ProposedAction, action_digest, approval_digest
from agent_runtime.envelope import Envelope
from agent_runtime.errors import OutOfScope, ToolRefused, ToolUnavailable
from agent_runtime.evidence import Shown, Withdrawn
from agent_runtime.guard import Finding, examine
from agent_runtime.provenance import Provenance, trace
from agent_runtime.segment import Segment
from agent_runtime.signal import UNTRACED, Signals, compute_signals
from agent_runtime.step import Step
from agent_runtime.tool import Tool
from agent_runtime.verdict import Question, Verdict, deny


@dataclass(frozen=True)
class Subject:
    """What a proposal came with: its envelope, all that was shown, how often it was retried, and
    what of it its documents no longer stand for."""

    envelope: Envelope
    shown: list[Shown]
    retries: int
    withdrawn: tuple[Withdrawn, ...] = ()


@dataclass(frozen=True)
class Impossible:
    """The proposal cannot be carried out, whoever says yes; nobody is asked about it."""

    tool: str
    problem: str
    out_of_scope: bool = False


@dataclass(frozen=True)
class Judgement:
    """A possible action, what it rests on (`facts` as plain JSON) and the verdict on it.

    `at`: the moment that evidence was held against, as fresh or stale; `withdrawn`: what of it its
    documents did not stand for any more.
    """

    action: Action
    action_digest: str
    facts: dict[str, Any]
    signals: Signals
    verdict: Verdict
    at: datetime | None = None
    withdrawn: tuple[Withdrawn, ...] = ()


async def judge(
    segment: Segment, step: Step, subject: Subject, proposed: ProposedAction
) -> Impossible | Judgement:
    """Simulate the preconditions, then read the facts, then ask policy; any gap denies."""
    call = segment.call(f"{segment.run.id}.{step.name}.{subject.envelope.visit}:judge")
    try:
        tool = step.tool("action", proposed.type)
        action, args = tool.resolve(proposed)
        await tool.simulate(args, call)
    except OutOfScope as error:
        return Impossible(proposed.type, str(error), out_of_scope=True)
    except ToolRefused as error:
        return Impossible(proposed.type, error.message)
    except ToolUnavailable as error:
        return _refused(segment, step, subject, action, "check-unavailable", error.message)
    try:
        facts = await tool.read_facts(args, call)
    except ToolRefused as error:
        return _refused(segment, step, subject, action, "fact-missing", error.message)
    except ToolUnavailable as error:
        return _refused(segment, step, subject, action, "facts-unavailable", error.message)
    now = segment.clock.now()
    origin = trace(proposed, _defaults(tool), segment.run.input, subject.shown)
    found = examine(
        step.reasoning.guards,
        action.arguments,
        segment.run.input,
        subject.envelope.evidence,
        subject.shown,
    )
    named = action_digest(segment.run.tenant, action)
    again = segment.read().journal.has_acted(segment.run.id, named)
    signals = _signals(step, subject, facts, now, origin, found, repeated=again)
    question = Question(action, args, facts, signals, segment.facts(step))
    verdict = ask_policy(segment, step, question, named)
    plain = facts.model_dump(mode="json")
    return Judgement(action, named, plain, signals, verdict, now, subject.withdrawn)


def ask_policy(segment: Segment, step: Step, question: Question, named: str) -> Verdict:
    """The policy set's verdict, unless a person has refused this action digest before."""
    if segment.read().approvals.was_rejected(segment.run.id, named):
        return deny("runtime:rejected-before", "A person rejected this very action in this run.")
    policy = segment.policies.get(step.policy or "")
    if policy is None:
        return deny("runtime:no-policy", f"There is no policy set {step.policy!r}.")
    return policy.judge(question)


def _refused(
    segment: Segment, step: Step, subject: Subject, action: Action, rule: str, reason: str
) -> Judgement:
    now = segment.clock.now()
    signals = _signals(step, subject, None, now)
    named = action_digest(segment.run.tenant, action)
    denied = deny(f"runtime:{rule}", reason)
    return Judgement(action, named, {}, signals, denied, now, subject.withdrawn)


def bind_digest(segment: Segment, step: Step, visit: int, judged: Judgement) -> str:
    """The approval digest of a judged action in one visit of a step."""
    return approval_digest(
        judged.action_digest,
        run_id=segment.run.id,
        step=step.name,
        visit=visit,
        contract=step.contract,
        facts=judged.facts,
    )


def _defaults(tool: Tool) -> dict[str, Any]:
    """The values that a tool's author chose, by argument."""
    fields = tool.arguments.model_fields
    return {name: field.default for name, field in fields.items() if not field.is_required()}


def _signals(
    step: Step,
    subject: Subject,
    facts: BaseModel | None,
    now: datetime,
    origin: Provenance = UNTRACED,
    found: tuple[Finding, ...] = (),
    *,
    repeated: bool = False,
) -> Signals:
    amount = getattr(facts, "amount", None)
    return compute_signals(
        subject.envelope,
        subject.shown,
        amount=amount if isinstance(amount, Decimal) else None,
        retries=subject.retries,
        budget=step.context.token_budget,
        now=now,
        thresholds=step.thresholds,
        provenance=origin,
        findings=found,
        withdrawn=subject.withdrawn,
        repeated=repeated,
    )

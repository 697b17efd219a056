"""Deciding: a person's answer to a question, checked and stored in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from pydantic import ValidationError

from agent_runtime.action import ProposedAction
from agent_runtime.approval import (
    Answer,
    Approval,
    ApprovalStatus,
    Decision,
    check_answer,
    missing_slots,
)
from agent_runtime.envelope import validate_envelope
from agent_runtime.errors import Conflict, InvalidInput, NotPermitted, PolicyError, StaleQuestion
from agent_runtime.nodes.gate import question
from agent_runtime.nodes.judge import Impossible, Judgement, Subject, judge
from agent_runtime.policy import PolicySet
from agent_runtime.run import Run
from agent_runtime.segment import Segment
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.telemetry import log
from agent_runtime.verdict import Operator, Question, Ruling
from agent_runtime.worker import Installation, Worker


@dataclass(frozen=True)
class Edited:
    """An edit that was judged: the new question, and whether the editor's own yes counts."""

    approval: Approval
    ruling: Ruling


class Desk:
    """Where people's answers arrive, from every surface."""

    def __init__(self, installation: Installation, worker: Worker) -> None:
        self._in = installation
        self._worker = worker

    async def decide(self, approval_id: str, operator: Operator, answer: Answer) -> Approval:
        """Record one person's answer; returns the approval as it stands after it.

        Raises AlreadyDecided, StaleQuestion, NotPermitted, InvalidInput or NotFound, with
        nothing stored.
        """
        store, tenant = self._in.store, operator.tenant
        asked = store.read(tenant).approvals.get(approval_id)
        check_answer(asked, answer, operator, self._in.clock.now())
        ruling = self._permit(asked, operator, answer)
        edited = await self._judge_edit(asked, operator, answer) if answer.kind == "edit" else None

        def record(session: Session) -> Approval:
            fresh = session.approvals.get(approval_id)
            check_answer(fresh, answer, operator, session.now)
            session.approvals.record(_decision(fresh, operator, answer, ruling, session.now))
            decided = session.approvals.get(approval_id)
            _announce(session, decided, operator, answer, edited)
            if edited is not None:
                return _replace(session, decided, operator, answer, edited)
            return self._conclude(session, decided, operator, answer)

        after = await store.write(tenant, record)
        run = store.read(tenant).runs.get(after.run_id)
        if after.closed_at is not None:
            self._in.telemetry.waited(
                run, after.id, after.status, asked.created_at, after.closed_at
            )
        log("decision recorded", run, approval=after.id, kind=answer.kind)
        return after

    def _permit(self, asked: Approval, operator: Operator, answer: Answer) -> Ruling:
        """Whether this person may answer; raises NotPermitted with the rules that say no."""
        ruling = self.ruling(asked, operator)
        if answer.kind == "approve":
            if not ruling.counts:
                why = "; ".join([*ruling.rules, *ruling.reasons])
                raise NotPermitted(
                    f"The yes of {operator.name} does not count here ({why}).", rules=ruling.rules
                )
            before = missing_slots(asked.slots, asked.yes())
            mine = _decision(asked, operator, answer, ruling, self._in.clock.now())
            if len(missing_slots(asked.slots, [*asked.yes(), mine])) == len(before):
                raise NotPermitted(
                    f"{operator.name} holds none of the roles still asked: {', '.join(before)}."
                )
        elif not ruling.counts and not _is_candidate(asked, operator):
            raise NotPermitted(f"{operator.name} holds none of the roles that are asked.")
        return ruling

    def ruling(self, asked: Approval, operator: Operator) -> Ruling:
        """What policy says about this person's yes to this question."""
        run = self._in.store.read(asked.tenant).runs.get(asked.run_id)
        policy, put = self.question(asked, run)
        return policy.counts(operator, put, [decision.operator for decision in asked.yes()])

    def question(self, asked: Approval, run: Run) -> tuple[PolicySet, Question]:
        """The stored question as policy is asked it, and the policy set in force.

        Raises StaleQuestion when it was asked under another contract than the present code's.
        """
        step = self._step(asked)
        tool = step.tool("action", asked.action.tool)
        policy = self._in.app.policies.get(asked.policy)
        if policy is None or tool.facts_model is None:
            raise PolicyError(f"There is no policy set {asked.policy!r} any more.")
        put = Question(
            action=asked.action,
            arguments=tool.parse(asked.action.arguments),
            facts=tool.facts_model.model_validate(asked.facts),
            signals=asked.signals,
            run=self._in.segment(run).facts(step),
        )
        return policy, put

    def _step(self, asked: Approval) -> Step:
        workflow = self._in.app.workflows.get(asked.workflow)
        same = [] if workflow is None else [s for s in workflow.steps if s.name == asked.step]
        if not same or same[0].contract != asked.contract:
            raise StaleQuestion(
                f"Approval {asked.id} was asked by another version of step {asked.step!r}.",
                remedy="Deploy the version that asked, or cancel the run and start anew.",
            )
        return same[0]

    async def _judge_edit(self, asked: Approval, operator: Operator, answer: Answer) -> Edited:
        """Put the edited action through the gate's own questions before anyone may approve it."""
        run = self._in.store.read(asked.tenant).runs.get(asked.run_id)
        segment = self._in.segment(run)
        step = segment.workflow.step(asked.step)
        proposed = _edited_action(asked, answer.arguments or {}, step)
        judged = await judge(segment, step, await self._subject(segment, run), proposed)
        if isinstance(judged, Impossible):
            raise InvalidInput("arguments", answer.arguments, judged.problem)
        if judged.verdict.kind == "deny":
            why = "; ".join([*judged.verdict.rules, *judged.verdict.reasons])
            raise NotPermitted(
                f"Policy forbids the edited action: {why}", rules=judged.verdict.rules
            )
        return self._requestion(segment, step, asked, operator, judged)

    def _requestion(
        self, segment: Segment, step: Step, asked: Approval, operator: Operator, judged: Judgement
    ) -> Edited:
        again = question(segment, step, asked.visit, judged).model_copy(
            update={
                "status": "open",
                "interrupt_id": asked.interrupt_id,
                "edited_by": operator.name,
            }
        )
        policy, put = self.question(again, segment.run)
        return Edited(again, policy.counts(operator, put, []))

    async def _subject(self, segment: Segment, run: Run) -> Subject:
        """The proposal's own envelope and evidence; what the model stated about the amount was
        about its own action, not about the edited one."""
        values = (await self._worker.state_of(run)).values
        envelope = validate_envelope(values["envelope"])
        own = envelope.proposed_action
        if own is not None:
            own = own.model_copy(update={"stated_amount": None})
        told = envelope.model_copy(update={"proposed_action": own})
        return Subject(told, segment.passages(values["shown"]), 0)

    def _conclude(
        self, session: Session, decided: Approval, operator: Operator, answer: Answer
    ) -> Approval:
        """What follows from an answer that changes nothing about the action."""
        match answer.kind:
            case "approve":
                if missing_slots(decided.slots, decided.yes()):
                    return decided
                return close_question(session, decided, "approved", operator.name)
            case "reject":
                return close_question(session, decided, "rejected", operator.name)
            case "respond":
                self._bound_rounds(session, decided)
                return close_question(session, decided, "responded", operator.name)
            case "edit":
                raise InvalidInput("kind", answer.kind, "was not judged")
            case _:
                assert_never(answer.kind)

    def _bound_rounds(self, session: Session, decided: Approval) -> None:
        step = self._in.app.workflow(decided.workflow).step(decided.step)
        rounds = session.approvals.find(["responded"], run_id=decided.run_id)
        if len([a for a in rounds if a.step == decided.step]) >= step.max_rounds:
            raise Conflict(
                f"Step {decided.step!r} was answered {step.max_rounds} times, its bound.",
                remedy="Approve, edit or reject.",
            )


def _is_candidate(asked: Approval, operator: Operator) -> bool:
    return any(slot.role in operator.roles for slot in asked.slots)


def _edited_action(asked: Approval, arguments: dict[str, Any], step: Step) -> ProposedAction:
    tool = step.tool("action", asked.action.tool)
    merged = {**asked.action.arguments, **arguments}
    field = tool.target[1] if tool.target else ""
    target = str(merged.get(field, asked.action.target_id))
    try:
        return ProposedAction(type=tool.name, target_id=target, arguments=merged)
    except ValidationError as error:
        raise InvalidInput(field, target, error.errors(include_url=False)[0]["msg"]) from error


def _decision(
    asked: Approval, operator: Operator, answer: Answer, ruling: Ruling, at: datetime
) -> Decision:
    return Decision(
        approval_id=asked.id,
        operator=operator.name,
        roles=operator.roles,
        kind=answer.kind,
        reason=answer.reason,
        arguments=answer.arguments,
        rules=ruling.rules,
        channel=answer.channel,
        at=at,
    )


def close_question(
    session: Session, approval: Approval, status: ApprovalStatus, by: str
) -> Approval:
    """Give the question its final answer and wake the run, in the same commit."""
    closed = session.approvals.close(approval.id, status, by)
    session.runs.move(approval.run_id, "queued")
    body = {"approval": approval.id, "status": status, "by": by}
    session.events.append("approval.closed", approval.run_id, **body)
    return closed


def _replace(
    session: Session, asked: Approval, operator: Operator, answer: Answer, edited: Edited
) -> Approval:
    """Ask about the edited action instead; whatever was collected for the old one is void."""
    again = edited.approval
    session.approvals.close(asked.id, "edited", operator.name, replaced_by=again.id)
    session.approvals.request(again)
    body = {"step": again.step, "visit": again.visit, "approval": again.id}
    session.events.append(
        "approval.requested", again.run_id, **body, digest=again.digest, rules=list(again.rules)
    )
    mine = Answer(kind="approve", digest=again.digest, channel=f"{answer.channel} (edit)")
    if edited.ruling.counts:
        session.approvals.record(_decision(again, operator, mine, edited.ruling, session.now))
    again = session.approvals.get(again.id)
    if missing_slots(again.slots, again.yes()):
        return again
    return close_question(session, again, "approved", operator.name)


def _announce(
    session: Session, asked: Approval, operator: Operator, answer: Answer, edited: Edited | None
) -> None:
    effective = asked.action if edited is None else edited.approval.action
    session.events.append(
        "approval.decided",
        asked.run_id,
        approval=asked.id,
        operator=operator.name,
        kind=answer.kind,
        reason=answer.reason,
        arguments=answer.arguments,
        proposed=asked.action.model_dump(mode="json"),
        effective=effective.model_dump(mode="json"),
        missing=missing_slots(asked.slots, asked.yes()) if answer.kind == "approve" else [],
        channel=answer.channel,
    )


def waiting_roles(approval: Approval) -> Sequence[str]:
    """The roles that still have to say yes."""
    return missing_slots(approval.slots, approval.yes())

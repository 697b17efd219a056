"""The gate node: judges the proposal, and holds the run's only pause.

On resume LangGraph runs this node again from its top, so that nothing before the pause may have
an effect beyond an idempotent upsert; the answer is read from the store, never from the resume
value, which only wakes the node.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent_runtime.approval import Approval, ApprovalStatus, declared_amount
from agent_runtime.clock import to_text
from agent_runtime.envelope import Envelope, Status
from agent_runtime.errors import Conflict, NeedsAttention
from agent_runtime.evidence import Shown, Withdrawn
from agent_runtime.knowledge.standing import Standings
from agent_runtime.nodes.judge import Impossible, Judgement, Subject, bind_digest, judge
from agent_runtime.nodes.leave import count, counted, leave, tell
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.store import Authorization, Session
from agent_runtime.verdict import DEFAULT_DEADLINE, Verdict, VerdictKind

STATUS: dict[VerdictKind, Status] = {
    "allow": "ok",
    "needs_approval": "needs_approval",
    "deny": "denied",
}

ANSWERED: dict[ApprovalStatus, Status] = {
    "approved": "ok",
    "responded": "insufficient",
    "rejected": "denied",
    "expired": "denied",
    "withdrawn": "denied",
}


class GateNode:
    """Holds no tools of its own: preconditions and facts are declared by the proposed tool."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def __call__(self, state: State, runtime: Runtime[Segment]) -> State:
        segment, step = runtime.context, self._step
        visit = state["visits"][step.name]
        pending = segment.read().approvals.latest(segment.run.id, step.name, visit)
        if pending is None:
            with segment.telemetry.span(
                f"{step.name}.gate", {"agent_runtime.node": "gate"}
            ) as span:
                judged = await self._judge(segment, state)
                if isinstance(judged, Impossible):
                    return self._send_back(segment, state, judged)
                span.set_attribute("agent_runtime.verdict", judged.verdict.kind)
                span.set_attribute("agent_runtime.rules", ",".join(judged.verdict.rules))
                if segment.workflow.shadow:
                    return self._watch(segment, state, judged)
                pending = self._record(segment, state, judged)
                if pending is not None:
                    segment.telemetry.asked(segment.run, pending.id, pending.rules)
            if pending is None:
                return self._proceed(segment, state, judged.verdict)
        woken_for = interrupt({"approval": pending.id, "digest": pending.digest})
        return self._answered(segment, state, pending, woken_for)

    async def _judge(self, segment: Segment, state: State) -> Impossible | Judgement:
        envelope = segment.proposal(state)
        proposed = envelope.proposed_action
        if proposed is None:
            return Impossible("", "There is no proposed action.")
        names = (f"{self._step.name}.malformed", f"{self._step.name}.errors")
        retries = sum(counted(segment, state, name) for name in names)
        withdrawn = self._withdrawn(segment, state, envelope.visit or 1)
        subject = Subject(envelope, segment.passages(state["shown"]), retries, withdrawn)
        return await judge(segment, self._step, subject, proposed)

    def _withdrawn(self, segment: Segment, state: State, visit: int) -> tuple[Withdrawn, ...]:
        """What of the evidence that this visit rests on its documents no longer stand for."""
        call = segment.call(f"{segment.run.id}.{self._step.name}.{visit}:standing")
        shown = segment.passages(state["bundle"])
        return segment.resources.get(Standings).withdrawn(shown, call)

    def _send_back(self, segment: Segment, state: State, found: Impossible) -> State:
        """An impossible proposal goes back to reasoning, a bounded number of times."""
        step, visit = self._step, state["visits"][self._step.name]
        envelope = segment.envelope(
            step,
            "gate",
            visit=visit,
            status="failed",
            reason=f"tool_error: {found.problem}",
            confidence=state["envelope"]["confidence"],
        )

        def record(session: Session) -> None:
            body = segment.event_body(step, visit, tool=found.tool[:100])
            why = "out of scope" if found.out_of_scope else "impossible"
            session.events.append("tool.refused", segment.run.id, **body, why=why)
            segment.emit(session, envelope)

        segment.post(record)
        limit = step.reasoning.max_tool_errors
        why = f"Step {step.name}: more than {limit} impossible proposals in a row; {found.problem}"
        counts = count(segment, state, f"{step.name}.errors", limit, why)
        return {**counts, **tell(state, "tool_error", found.problem), "route": "reasoning"}

    def _record(self, segment: Segment, state: State, judged: Judgement) -> Approval | None:
        """Post the verdict with what follows from it: a right to act, or a question."""
        step, visit = self._step, state["visits"][self._step.name]
        envelope = segment.proposal(state)
        segment.post(lambda session: self._announce(session, segment, envelope, judged, visit))
        match judged.verdict.kind:
            case "allow":
                self._grant(segment, authorization(segment, step, visit, judged, None), "policy")
                return None
            case "needs_approval":
                asked = question(segment, step, visit, judged)
                segment.asked.add(asked.id)
                segment.post(lambda session: request(session, segment, step, asked))
                return asked
            case "deny":
                return None
            case _:
                assert_never(judged.verdict.kind)

    def _watch(self, segment: Segment, state: State, judged: Judgement) -> State:
        """A shadow's proposal is judged and kept: nobody is asked, and nothing is granted."""
        step, visit, verdict = self._step, state["visits"][self._step.name], judged.verdict
        envelope = segment.proposal(state)

        def record(session: Session) -> None:
            self._announce(session, segment, envelope, judged, visit)
            body = {"action": judged.action.model_dump(mode="json"), "verdict": verdict.kind}
            told = segment.event_body(step, visit, **body, rules=list(verdict.rules))
            session.events.append("shadow.watched", segment.run.id, **told)

        segment.post(record)
        return leave(segment, step, state, "finished")

    def _grant(self, segment: Segment, right: Authorization, by: str) -> None:
        """Post a right to act, once for each visit: after a crash the first one stands."""
        stored = segment.read().journal.right(right.run_id, right.step, right.visit)
        if stored is not None:
            right.require_same(stored)
            return

        def authorize(session: Session) -> None:
            session.journal.authorize(right)
            body = segment.event_body(self._step, right.visit, by=by)
            session.events.append("action.authorized", segment.run.id, **body)

        segment.rights[right.step, right.visit] = right
        segment.post(authorize)

    def _announce(
        self,
        session: Session,
        segment: Segment,
        envelope: Envelope,
        judged: Judgement,
        visit: int,
    ) -> None:
        verdict, policy = judged.verdict, segment.policies.get(self._step.policy or "")
        withdrawn = [one.model_dump() for one in judged.withdrawn]
        session.events.append(
            "gate.judged",
            segment.run.id,
            **segment.event_body(self._step, visit),
            at=None if judged.at is None else to_text(judged.at),
            policy=None if policy is None else policy.digest,
            **({"drawn": list(segment.drawn)} if segment.drawn else {}),
            action=judged.action.model_dump(mode="json"),
            action_digest=judged.action_digest,
            facts=judged.facts,
            signals=judged.signals.model_dump(mode="json"),
            verdict=verdict.model_dump(mode="json"),
            **({"withdrawn": withdrawn} if withdrawn else {}),
        )
        reason = "; ".join([*verdict.rules, *verdict.reasons]) or verdict.kind
        gate_envelope = segment.envelope(
            self._step,
            "gate",
            visit=visit,
            status=STATUS[verdict.kind],
            reason=reason,
            confidence=envelope.confidence,
            evidence=envelope.evidence,
            action=envelope.proposed_action,
        )
        segment.emit(session, gate_envelope)

    def _proceed(self, segment: Segment, state: State, verdict: Verdict) -> State:
        """Go on where nobody has to be asked."""
        if verdict.kind == "allow":
            return {"route": "action"}
        told = tell(state, "denied", "; ".join([*verdict.rules, *verdict.reasons]))
        return {**told, **leave(segment, self._step, state, "denied")}

    def _answered(
        self, segment: Segment, state: State, approval: Approval, woken_for: object
    ) -> State:
        """Go on with the stored answer to the question of this very visit."""
        step = self._step
        if woken_for != {"approval": approval.id, "status": approval.status}:
            raise NeedsAttention("The run was woken for another question than the one it asked.")
        envelope = self._answer(segment, state, approval)
        segment.post(lambda session: segment.emit(session, envelope))
        match approval.status:
            case "approved":
                return self._authorize(segment, approval)
            case "rejected":
                told = tell(state, "rejected", _reason(approval, "reject"))
                return {**told, **leave(segment, step, state, "rejected")}
            case "responded":
                return self._respond(segment, state, approval)
            case "expired":
                told = tell(state, "expired", "Nobody answered before the deadline.")
                return {**told, **leave(segment, step, state, "expired")}
            case "withdrawn":
                told = tell(state, "denied", "Policy forbids it by now.")
                return {**told, **leave(segment, step, state, "denied")}
            case "stale":
                limit, why = step.max_rechecks, f"fact changed while {approval.id} was asked"
                return {
                    **count(segment, state, f"{step.name}.rechecks", limit, why),
                    **tell(state, "changed", approval.closed_by or why),
                    "route": "context",
                }
            case "requested" | "open" | "held" | "edited" | "escalated" | "voided":
                raise NeedsAttention(f"Approval {approval.id} is {approval.status}, not answered.")
            case _:
                assert_never(approval.status)

    def _answer(self, segment: Segment, state: State, approval: Approval) -> Envelope:
        """The gate's second envelope: what people, the deadline or policy made of the question."""
        asked = segment.proposal(state)
        return segment.envelope(
            self._step,
            "gate",
            visit=approval.visit,
            status=ANSWERED.get(approval.status, "failed"),
            reason=f"{approval.status} by {approval.closed_by}",
            confidence=asked.confidence,
            evidence=asked.evidence,
            action=asked.proposed_action,
        )

    def _authorize(self, segment: Segment, approval: Approval) -> State:
        """Turn a complete approval into the right to act: the stored bytes, nothing fresher."""
        judged = Judgement(
            approval.action,
            approval.action_digest,
            approval.facts,
            approval.signals,
            approval.verdict,
        )
        right = authorization(segment, self._step, approval.visit, judged, approval.id)
        self._grant(segment, right, approval.id)
        return {"route": "action"}

    def _respond(self, segment: Segment, state: State, approval: Approval) -> State:
        """A person's answer or question becomes evidence and goes back to reasoning."""
        text = segment.redactor(self._step).text(_reason(approval, "respond"))
        source = f"operator:{approval.id}"
        said_at = approval.closed_at or segment.clock.now()
        passage = Shown(source=source, text=text, origin="operator", retrieved_at=said_at)
        hashes = segment.keep([passage])
        told = tell(state, "operator", text, source)
        shown, bundle = [*state["shown"], *hashes], [*state["bundle"], *hashes]
        return {**told, "shown": shown, "bundle": bundle, "route": "reasoning"}


def authorization(
    segment: Segment, step: Step, visit: int, judged: Judgement, approval_id: str | None
) -> Authorization:
    """The right to execute a judged action once."""
    return Authorization(
        id=segment.new_id("auth"),
        tenant=segment.run.tenant,
        run_id=segment.run.id,
        step=step.name,
        visit=visit,
        approval_id=approval_id,
        action=judged.action,
        action_digest=judged.action_digest,
        facts=judged.facts,
        signals=judged.signals,
        verdict=judged.verdict,
    )


def question(segment: Segment, step: Step, visit: int, judged: Judgement) -> Approval:
    """The question to people about a judged action."""
    now, verdict = segment.clock.now(), judged.verdict
    lasts = DEFAULT_DEADLINE if verdict.deadline is None else timedelta(seconds=verdict.deadline)
    return Approval(
        id=segment.new_id("apr"),
        tenant=segment.run.tenant,
        run_id=segment.run.id,
        workflow=segment.run.workflow,
        step=step.name,
        visit=visit,
        status="requested",
        digest=bind_digest(segment, step, visit, judged),
        action_digest=judged.action_digest,
        contract=step.contract,
        policy=step.policy or "",
        policy_version=segment.policies[step.policy or ""].digest,
        action=judged.action,
        started_by=segment.run.trigger.owner,
        facts=judged.facts,
        facts_read_at=now,
        amount=declared_amount(step.tool("action", judged.action.tool).facts_model, judged.facts),
        signals=judged.signals,
        rules=verdict.rules,
        reasons=verdict.reasons,
        risk=verdict.risk,
        slots=verdict.slots,
        escalate=verdict.escalate,
        later=verdict.later,
        deadline=now + lasts,
        remind=verdict.remind,
        created_at=now,
    )


def request(session: Session, segment: Segment, step: Step, asked: Approval) -> None:
    """Store the question; raises Conflict when this visit asks exactly the same already."""
    if session.approvals.request(asked).id != asked.id:
        raise Conflict(f"Step {step.name} asks the same question twice in one visit.")
    session.events.append(
        "approval.requested",
        segment.run.id,
        **segment.event_body(step, asked.visit),
        approval=asked.id,
        digest=asked.digest,
        rules=list(asked.rules),
        slots=[slot.model_dump() for slot in asked.slots],
    )


def _reason(approval: Approval, kind: str) -> str:
    words = [decision.reason for decision in approval.decisions if decision.kind == kind]
    return words[-1] if words else "No reason was recorded."

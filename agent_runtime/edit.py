"""Editing: another action in place of the proposed one, put through the gate's own questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agent_runtime.action import ProposedAction
from agent_runtime.approval import Answer, Approval
from agent_runtime.asking import put_question
from agent_runtime.envelope import validate_envelope
from agent_runtime.errors import InvalidInput, NotPermitted
from agent_runtime.installation import Installation
from agent_runtime.knowledge.standing import Standings
from agent_runtime.nodes.gate import question
from agent_runtime.nodes.judge import Impossible, Judgement, Subject, judge
from agent_runtime.reentry import as_starter
from agent_runtime.run import Run
from agent_runtime.segment import Segment
from agent_runtime.step import Step
from agent_runtime.verdict import Operator, Ruling
from agent_runtime.worker import Worker


@dataclass(frozen=True)
class Edited:
    """An edit that was judged: the new question, and whether the editor's own yes counts."""

    approval: Approval
    ruling: Ruling


async def judge_edit(
    installation: Installation, worker: Worker, asked: Approval, operator: Operator, answer: Answer
) -> Edited:
    """Judge the edited action before anyone may approve it.

    Raises InvalidInput when it is impossible, NotPermitted when policy forbids it.
    """
    run = installation.store.read(asked.tenant).runs.get(asked.run_id)
    segment = installation.segment(run)
    step = segment.workflow.step(asked.step)
    proposed = _edited_action(asked, answer.arguments or {}, step)
    judged = await judge(segment, step, await _subject(segment, worker, run), proposed)
    if isinstance(judged, Impossible):
        raise InvalidInput("arguments", answer.arguments, judged.problem)
    if judged.verdict.kind == "deny":
        why = "; ".join([*judged.verdict.rules, *judged.verdict.reasons])
        raise NotPermitted(f"Policy forbids the edited action: {why}", rules=judged.verdict.rules)
    again = _requestion(segment, step, asked, operator, judged)
    policy, put = put_question(installation, again, run)
    put = as_starter(installation.store.read(run.tenant), run.id, put, operator)
    return Edited(again, policy.counts(operator, put, []))


def _requestion(
    segment: Segment, step: Step, asked: Approval, operator: Operator, judged: Judgement
) -> Approval:
    followed = {"interrupt_id": asked.interrupt_id, "replaces": asked.id}
    return question(segment, step, asked.visit, judged).model_copy(
        update={"status": "open", "edited_by": operator.name, **followed}
    )


async def _subject(segment: Segment, worker: Worker, run: Run) -> Subject:
    """The proposal's own envelope and evidence; what the model stated about the amount was about
    its own action, not about the edited one."""
    values = (await worker.state_of(run)).values
    envelope = validate_envelope(values["envelope"])
    own = envelope.proposed_action
    if own is not None:
        own = own.model_copy(update={"stated_amount": None})
    told = envelope.model_copy(update={"proposed_action": own})
    call = segment.call(f"{run.id}:standing")
    withdrawn = segment.resources.get(Standings).withdrawn(segment.passages(values["bundle"]), call)
    return Subject(told, segment.passages(values["shown"]), 0, withdrawn)


def _edited_action(asked: Approval, arguments: dict[str, Any], step: Step) -> ProposedAction:
    tool = step.tool("action", asked.action.tool)
    merged = {**asked.action.arguments, **arguments}
    field = tool.target[1] if tool.target else ""
    target = str(merged.get(field, asked.action.target_id))
    try:
        return ProposedAction(type=tool.name, target_id=target, arguments=merged)
    except ValidationError as error:
        raise InvalidInput(field, target, error.errors(include_url=False)[0]["msg"]) from error

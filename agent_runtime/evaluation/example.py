"""Examples: one decided proposal, as something that a model can learn from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent_runtime.approval import Approval
from agent_runtime.run import Run
from agent_runtime.store import Session

Json = dict[str, Any]
Redact = Callable[[str], str]

Verdict = Literal["approved", "edited", "rejected"]

SAID = ("step", "status", "confidence", "evidence", "proposed_action", "reason")
"""The fields of an envelope that a proposer writes."""

SYSTEM = "You prepare back-office work: answer with one decision envelope, as JSON."
"""Stands for the prompt where a rule proposed and no model was asked."""

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


@dataclass(frozen=True)
class Example:
    """What was asked, what was proposed, and what people made of it. `decided` is the envelope
    that they let pass; of a rejected one, an envelope that proposes nothing, with their reason."""

    run_id: str
    workflow: str
    step: str
    visit: int
    subject: str
    verdict: Verdict
    messages: Sequence[Json]
    proposed: Json
    decided: Json
    reason: str
    consent: str


def examples(session: Session, run: Run, subject: str, consent: str) -> Iterator[Example]:
    """The decided proposals of one run whose content is still there, in order."""
    said: dict[tuple[str, int], Json] = {}
    for event in session.events.find(run.id):
        body = event.body or {}
        if event.type == "envelope.emitted" and body.get("node") == "reasoning":
            said[body["step"], body["visit"]] = body
    exchanges = [one for one in session.recordings.find(run.id) if one.kind == "model"]
    asked: dict[tuple[str, int], list[Approval]] = {}
    for approval in session.approvals.find(run_id=run.id):
        asked.setdefault((approval.step, approval.visit), []).append(approval)
    for visit, chain in asked.items():
        envelope, verdict = said.get(visit), _verdict(chain)
        if envelope is None or verdict is None:
            continue
        proposed = {name: envelope[name] for name in SAID if name in envelope}
        reason = _reason(chain)
        yield Example(
            run_id=run.id,
            workflow=run.workflow,
            step=visit[0],
            visit=visit[1],
            subject=subject,
            verdict=verdict,
            messages=_messages(run, proposed, [(one.request, one.response) for one in exchanges]),
            proposed=proposed,
            decided=_decided(proposed, verdict, chain[-1], reason),
            reason=reason,
            consent=consent,
        )


def redacted(value: Any, redact: Redact) -> Any:
    """The same JSON with every text in it redacted, names of fields and JSON that is a text too."""
    match value:
        case str():
            return _redacted_text(value, redact)
        case Mapping():
            return {redact(str(name)): redacted(part, redact) for name, part in value.items()}
        case list() | tuple():
            return [redacted(part, redact) for part in value]
        case _:
            return value


def _redacted_text(text: str, redact: Redact) -> str:
    try:
        inner = json.loads(text) if text[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        inner = None
    if inner is None:
        return redact(text)
    return json.dumps(redacted(inner, redact), ensure_ascii=False)


def _verdict(chain: Sequence[Approval]) -> Verdict | None:
    """What people made of a proposal; None where nobody has said yes or no."""
    last = chain[-1]
    if last.status == "rejected":
        return "rejected"
    if last.status != "approved":
        return None
    return "approved" if last.action_digest == chain[0].action_digest else "edited"


def _reason(chain: Sequence[Approval]) -> str:
    words = [one.reason for asked in chain for one in asked.decisions if one.reason.strip()]
    return words[-1] if words else ""


def _decided(proposed: Json, verdict: Verdict, last: Approval, reason: str) -> Json:
    match verdict:
        case "approved":
            return proposed
        case "edited":
            action = {**proposed["proposed_action"], "arguments": last.action.arguments}
            action["target_id"] = last.action.target_id
            action.pop("stated_amount", None)  # it was of the action that was edited
            return {**proposed, "proposed_action": action}
        case "rejected":
            kept = {name: part for name, part in proposed.items() if name != "proposed_action"}
            return {**kept, "status": "insufficient", "reason": reason}


def _messages(run: Run, proposed: Json, exchanges: Sequence[tuple[Any, Any]]) -> list[Json]:
    """What the model was asked when it proposed this; of a rule, the input and what it quotes."""
    for request, response in reversed(exchanges):
        if _said(response) == (proposed["step"], proposed.get("proposed_action")):
            messages = request["messages"] if isinstance(request, dict) else request
            return [_message(message) for message in messages]
    shown = {"step": proposed["step"], "input": run.input, "evidence": proposed.get("evidence", [])}
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": json.dumps(shown, ensure_ascii=False)},
    ]


def _said(response: Any) -> tuple[Any, Any] | None:
    content = response.get("content") if isinstance(response, dict) else None
    try:
        found = json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        return None
    return (found.get("step"), found.get("proposed_action")) if isinstance(found, dict) else None


def _message(message: Json) -> Json:
    """A recorded message in the form that chat models are tuned with."""
    told: Json = {"role": _ROLES.get(message["role"], message["role"])}
    told["content"] = message["content"]
    calls = message.get("tool_calls")
    if calls:
        told["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["args"])},
            }
            for call in calls
        ]
    if "tool_call_id" in message:
        told["tool_call_id"] = message["tool_call_id"]
    return told

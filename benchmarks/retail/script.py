"""The scripted model: says what a task records, and listens to what became of it.

Look-ups are said as tool calls, everything else as a decision envelope. A name that the workflow
doesn't know is proposed too, because that is what a model that invents a tool would do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_runtime.brief import Brief, Feedback
from agent_runtime.envelope import validate_envelope
from agent_runtime.errors import InvalidInput
from agent_runtime.step import Step
from agent_runtime.testing import ChatReply, ChatRequest, ToolRequest
from benchmarks.retail.dataset import POLICY, REASON, Call, Dataset, Json, Proposal

CONFIDENCE = 0.95
UNSAFE = re.compile(r"[^A-Za-z0-9_.\-]")
"""What an envelope's call id may not contain."""
MAX_QUOTE = 4_000
"""Characters that an envelope takes as one quote."""


def envelope_of(
    step: Step, name: str, arguments: Json, evidence: Sequence[Json], **action: Any
) -> Json:
    """A proposal as the model writes it; `action` holds `stated_amount` and `call_id`."""
    proposed = {"type": name, "target_id": target_of(step, name, arguments), "arguments": arguments}
    return {
        "step": step.name,
        "status": "proposed",
        "confidence": CONFIDENCE,
        "evidence": list(evidence),
        "proposed_action": {**proposed, **action},
        "reason": f"The script proposes {name}."[:MAX_QUOTE],
    }


def target_of(step: Step, name: str, arguments: Json) -> str:
    """What the call is about: its tool's target argument, "-" where that is missing."""
    tool = step.scopes["action"].get(name)
    field_name = tool.target[1] if tool is not None and tool.target is not None else ""
    return str(arguments.get(field_name) or "-")[:200]


def done(step: Step) -> ChatReply:
    """What the model says when nothing is left."""
    said = {"step": step.name, "status": "done", "confidence": CONFIDENCE}
    return ChatReply(json.dumps({**said, "reason": "The script is over."}))


def citations(dataset: Dataset, reason: str) -> list[Json]:
    """The evidence for a recorded write: the customer's words, else the policy as a whole."""
    if reason:
        return [{"source": REASON, "quote": reason[:MAX_QUOTE]}]
    return [{"source": POLICY, "quote": ""}] if dataset.policy else []


@dataclass
class Conversation:
    """Plays one task's actions in order. `seen` holds the text that each one came back with,
    None for a write that was not executed and is no error (somebody or something said no).
    """

    step: Step
    actions: Sequence[Call]
    evidence: Sequence[Json]
    seen: list[str | None] = field(default_factory=list)
    _said: ChatReply | None = None
    _repeated: bool = False

    def __call__(self, request: ChatRequest) -> ChatReply:
        if self._said is not None:
            answers = _answers(self._said, request)
            # A run that a person resumed starts its visit anew: the call was not made.
            if not answers and not self._repeated:
                self._repeated = True
                return self._said
            self.seen.append(answers[-1] if answers else None)
        self._repeated, self._said = False, None
        if len(self.seen) == len(self.actions):
            return done(self.step)
        self._said = self._say(self.actions[len(self.seen)])
        return self._said

    def _say(self, action: Call) -> ChatReply:
        if action.name not in self.step.scopes["reasoning"]:
            written = envelope_of(
                self.step,
                action.name,
                action.arguments,
                self.evidence,
                stated_amount=None,
                call_id=UNSAFE.sub("_", action.action_id)[:80],
            )
            if is_envelope(written):
                return ChatReply(json.dumps(written))
        return ChatReply(tool_calls=(ToolRequest(action.action_id, action.name, action.arguments),))


@dataclass
class OneProposal:
    """Makes one proposal, exactly as given, and has nothing more to say."""

    step: Step
    proposal: Proposal
    _made: bool = False

    def __call__(self, request: ChatRequest) -> ChatReply:  # noqa: ARG002 — it doesn't listen
        if self._made:
            return done(self.step)
        self._made = True
        asked = self.proposal
        written = envelope_of(
            self.step,
            asked.name,
            asked.arguments,
            asked.evidence,
            stated_amount=asked.stated_amount,
            call_id="proposal",
        )
        return ChatReply(json.dumps(written))


def is_envelope(document: Json) -> bool:
    """Whether the runtime would read this as an envelope."""
    try:
        validate_envelope(document)
    except InvalidInput:
        return False
    return True


def _answers(said: ChatReply, request: ChatRequest) -> list[str | None]:
    """What came back for what was said last; empty when nothing did."""
    if said.tool_calls:
        wanted = said.tool_calls[0].id
        found = [m for m in request.messages if m.get("tool_call_id") == wanted]
        return [_tool_text(json.loads(message["content"])) for message in found]
    brief = Brief.model_validate_json(_last_user_text(request))
    return [_outcome(brief, brief.feedback[-1])] if brief.feedback else []


def _tool_text(content: Json) -> str | None:
    if "error" in content:
        return f"Error: {content['error']}"
    first = content["results"][0]
    # Where the budget left a result out, the model was not shown it.
    return str(first["text"]) if "text" in first else None


def _outcome(brief: Brief, told: Feedback) -> str | None:
    """The result of a proposal: what its evidence says, or why the tool would refuse it."""
    if told.kind == "tool_error":
        return f"Error: {told.text}"
    if told.kind not in ("acted", "failed"):
        return None
    texts = [passage.text for passage in brief.evidence if passage.source == told.source]
    return texts[-1] if texts else None


def _last_user_text(request: ChatRequest) -> str:
    texts = [m["content"] for m in request.messages if m["role"] == "user"]
    return str(texts[-1])

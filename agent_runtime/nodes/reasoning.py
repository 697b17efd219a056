"""The reasoning node: a model or a rule turns the brief into a validated envelope."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.runtime import Runtime

from agent_runtime.attachment import Attachment
from agent_runtime.brief import Brief, BriefPassage, Feedback
from agent_runtime.envelope import Envelope, parse_envelope
from agent_runtime.errors import (
    BudgetExceeded,
    InvalidInput,
    ModelUnavailable,
    NeedsAttention,
    OutOfScope,
)
from agent_runtime.evidence import Bundle, LeftOut, Shown, contradictions
from agent_runtime.knowledge.bundle import add
from agent_runtime.language import detect
from agent_runtime.models.prompt import answer_schema, render
from agent_runtime.models.template import PERSONA, Prompt, read_prompt
from agent_runtime.nodes.check import cross_check
from agent_runtime.nodes.context import extend, recording
from agent_runtime.nodes.leave import leave, tell
from agent_runtime.nodes.lookup import look_up, name_source
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.store import Session

BLANK: dict[str, Any] = dict.fromkeys(("route", "language", "prompt"))
"""What the runtime says of an envelope: whatever stands there already is nobody's word."""

WHY = {
    "over budget": "over the step's token budget",
    "duplicate": "a source that was shown says the same",
}
"""Why a model is not shown what it looked up, as it is told."""


@dataclass
class Thought:
    """What one reasoning phase has gathered: what it sees, tries and calls used."""

    shown: list[Shown]
    tries: int = 0
    calls: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    def bundle(self, budget: int) -> Bundle:
        """All of it, as it is kept."""
        return Bundle(
            shown=tuple(self.shown),
            left_out=tuple(self.left_out),
            warnings=tuple(dict.fromkeys(self.warnings)),
            tokens=sum(passage.tokens for passage in self.shown),
            budget=budget,
        )


class ReasoningNode:
    """Asks the model; holds the step's read tools and nothing that could act."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def __call__(self, state: State, runtime: Runtime[Segment]) -> State:
        segment, step = runtime.context, self._step
        visit = state.get("visits", {}).get(step.name, 0) + 1
        if skip := state.get("skip"):
            return self._skip(segment, state, visit, skip)
        thought = Thought(segment.passages(state["bundle"]))
        brief = self._brief(segment, state, thought, visit)
        with segment.telemetry.span(f"{step.name}.reasoning", {"agent_runtime.node": "reasoning"}):
            if step.reasoning.rule is not None:
                name = getattr(step.reasoning.rule, "__name__", "rule")
                envelope = self._admit(step.reasoning.rule(brief), visit, f"rule:{name}")
            else:
                try:
                    envelope = await self._tried(segment, brief, thought, visit)
                except BudgetExceeded as error:
                    return self._end(segment, state, visit, error)
            if len(thought.shown) > len(state["bundle"]):
                await self._check(segment, thought, visit)
            hashes = segment.keep(thought.shown)
            if thought.calls:
                bundle = thought.bundle(step.context.token_budget)
                segment.post(recording(segment, step, visit, bundle, hashes))
            segment.post(lambda session: segment.emit(session, envelope))
        update = self._route(segment, state, envelope, visit, thought.tries)
        # What was found in them makes others of the passages that were seen before.
        earlier = [name for name in state["shown"] if name not in state["bundle"]]
        return {**update, "shown": extend(earlier, hashes), "bundle": hashes}

    async def _check(self, segment: Segment, thought: Thought, visit: int) -> None:
        """What was looked up may contradict what was there."""
        checked = await cross_check(segment, self._step, visit, thought.shown)
        thought.shown = checked.shown
        thought.warnings += checked.warnings

    def _brief(self, segment: Segment, state: State, thought: Thought, visit: int) -> Brief:
        redactor = segment.redactor(self._step)
        return Brief(
            step=self._step.name,
            visit=visit,
            input=redactor.input(segment.run.input),
            evidence=tuple(BriefPassage(source=p.source, text=p.text) for p in thought.shown),
            earlier=tuple(
                Envelope.model_validate_json(json.dumps(state["envelopes"][name]))
                for name in self._step.context.sees
                if name in state.get("envelopes", {})
            ),
            feedback=tuple(
                Feedback.model_validate({**told, "text": redactor.text(told["text"])})
                for told in state.get("feedback", [])
            ),
        )

    def _end(self, segment: Segment, state: State, visit: int, error: BudgetExceeded) -> State:
        """The budget is gone, and it was declared that the run ends then."""
        if not error.fails:
            raise error
        reason = error.message
        envelope = segment.envelope(
            self._step, "reasoning", visit=visit, status="failed", reason=reason, confidence=0
        )
        segment.post(lambda session: segment.emit(session, envelope))
        visits = {**state.get("visits", {}), self._step.name: visit}
        told = tell({**state, "visits": visits}, "failed", reason)
        return {**told, "visits": visits, **leave(segment, self._step, state, "failed")}

    async def _tried(
        self, segment: Segment, brief: Brief, thought: Thought, visit: int
    ) -> Envelope:
        """Ask; a step that may be left out is, and says so, where no model can be had."""
        try:
            return await self._ask(segment, brief, thought, visit)
        except ModelUnavailable as error:
            if not self._step.reasoning.optional:
                raise
            reason = f"skipped: {error}"
        body = segment.event_body(self._step, visit, reason=reason)
        segment.post(lambda session: session.events.append("step.skipped", segment.run.id, **body))
        return segment.envelope(
            self._step, "reasoning", visit=visit, status="insufficient", reason=reason, confidence=0
        )

    def _skip(self, segment: Segment, state: State, visit: int, skip: dict[str, str]) -> State:
        """A person leaves the step out, which is declared optional: nothing is asked or shown."""
        reason = f"skipped by {skip['by']}: {skip['reason']}"[:4_000]
        envelope = segment.envelope(
            self._step, "reasoning", visit=visit, status="insufficient", reason=reason, confidence=0
        )
        body = segment.event_body(self._step, visit, reason=reason, by=skip["by"])

        def record(session: Session) -> None:
            session.events.append("step.skipped", segment.run.id, **body)
            segment.emit(session, envelope)

        segment.post(record)
        return {**self._route(segment, state, envelope, visit, 0), "skip": None}

    async def _ask(self, segment: Segment, brief: Brief, thought: Thought, visit: int) -> Envelope:
        """Converse until there is a valid envelope; look-ups and attempts are bounded."""
        reasoning, executor = self._step.reasoning, segment.executor(self._step)
        prompt = read_prompt(reasoning.prompt, segment.prompts.get(reasoning.prompt, ""))
        messages = self._messages(segment, prompt, brief)
        inquiry = executor.inquire(visit, messages, answer_schema(), prompt.matter.tier)
        while True:
            reply = await executor.ask(inquiry, lambda text: self._read(text, visit))
            thought.tries = inquiry.malformed
            inquiry.messages.append(reply.message)
            doubt = None if reply.value is None else self._doubt(reply.value, thought)
            if doubt is not None and inquiry.doubts == 0 and executor.escalate(inquiry, doubt):
                inquiry.doubts += 1
                inquiry.messages.pop()
                continue
            if reply.value is not None:
                told = {
                    "producer": reply.model.producer,
                    "route": inquiry.route,
                    "prompt": prompt.label,
                    "language": detect(str(segment.run.input.get("message", ""))),
                }
                return reply.value.model_copy(update=told)
            inquiry.messages += await self._call_tools(segment, reply.message, thought)

    def _doubt(self, envelope: Envelope, thought: Thought) -> str | None:
        """Why a dearer model should be asked the same, where there is one."""
        if envelope.confidence < self._step.thresholds.confidence:
            return f"low confidence ({envelope.confidence:.2f})"
        fields = contradictions(thought.shown)
        return f"sources contradict each other ({fields[0]})" if fields else None

    def _messages(self, segment: Segment, prompt: Prompt, brief: Brief) -> list[BaseMessage]:
        persona = segment.prompts.get(PERSONA)
        told = "" if persona is None else read_prompt(PERSONA, persona).render(segment.run.input)
        task = prompt.render(segment.run.input)
        return render(task, brief, self._step.reasoning.proposes, told, self._attachments(segment))

    def _attachments(self, segment: Segment) -> list[Attachment]:
        if not self._step.reasoning.attachments:
            return []
        documents = segment.read().runs.documents(segment.run.id)
        return [d.attachment for d in documents if d.attachment is not None]

    def _read(self, text: str, visit: int) -> Envelope:
        """An answer as an envelope of this step; raises InvalidInput that says what is wrong."""
        return self._admit(parse_envelope(text), visit, "")

    async def _call_tools(
        self, segment: Segment, answer: AIMessage, thought: Thought
    ) -> list[BaseMessage]:
        replies: list[BaseMessage] = []
        for call in answer.tool_calls:
            thought.calls += 1
            if thought.calls > self._step.reasoning.max_calls:
                raise NeedsAttention(
                    f"Step {self._step.name}: more than {self._step.reasoning.max_calls}"
                    " tool calls in one visit, its bound."
                )
            content = await self._call_tool(
                segment, call["name"], call["args"], call["id"], thought
            )
            replies.append(
                ToolMessage(json.dumps(content, ensure_ascii=False), tool_call_id=call["id"])
            )
        return replies

    async def _call_tool(
        self,
        segment: Segment,
        name: str,
        arguments: dict[str, Any],
        call_id: str | None,
        thought: Thought,
    ) -> dict[str, Any]:
        """One call as the model asked for it; out of scope is refused and recorded."""
        try:
            tool = self._step.tool("reasoning", name)
        except OutOfScope as error:
            self._refuse(segment, name)
            return {"error": str(error)}
        name = name_source(call_id or str(thought.calls), thought.shown)
        looked = await look_up(segment, self._step, tool, arguments, name)
        segment.post(looked.record)
        bundle = add(thought.shown, looked.shown, self._step.context.token_budget)
        thought.shown = list(bundle.shown)
        thought.left_out += (*bundle.left_out, *looked.left_out)
        thought.warnings += looked.warnings
        left_out = {left.source: WHY[left.why] for left in bundle.left_out}
        results = [
            {"source": p.source, "left_out": left_out[p.source]}
            if p.source in left_out
            else {"source": p.source, "text": p.text}
            for p in looked.shown
        ]
        return {"results": results}

    def _admit(self, envelope: Envelope, visit: int, producer: str) -> Envelope:
        """Hold an envelope against the step; raises InvalidInput when it contradicts itself."""
        if not isinstance(envelope, Envelope):  # an author's rule may return anything
            remedy = "Return an Envelope; what is to be looked up stands in context tools."
            kind = type(envelope).__name__
            raise InvalidInput("reasoning", kind, f"of {producer} is no Envelope", remedy=remedy)
        if envelope.step != self._step.name:
            raise InvalidInput("step", envelope.step, f"is not {self._step.name!r}")
        proposing = envelope.status in ("proposed", "needs_approval")
        if proposing != (envelope.proposed_action is not None):
            raise InvalidInput("status", envelope.status, "does not go with its proposed_action")
        ours = {**BLANK, "node": "reasoning", "visit": visit, "producer": producer}
        return envelope.model_copy(update=ours)

    def _refuse(self, segment: Segment, tool: str) -> None:
        node = f"{self._step.name}.reasoning"
        segment.post(
            lambda session: session.events.append(
                "tool.refused", segment.run.id, node=node, tool=tool[:200], why="out of scope"
            )
        )

    def _route(
        self, segment: Segment, state: State, envelope: Envelope, visit: int, tries: int
    ) -> State:
        retried = f"{self._step.name}.malformed#{segment.grace}"
        counts = dict(state.get("counts", {}))
        counts[retried] = counts.get(retried, 0) + tries
        update: State = {
            "envelope": envelope.model_dump(mode="json", exclude_none=True),
            "visits": {**state.get("visits", {}), self._step.name: visit},
            "counts": counts,
        }
        if any(self._step.name in other.context.sees for other in segment.workflow.steps):
            told = {self._step.name: update["envelope"]}
            update["envelopes"] = {**state.get("envelopes", {}), **told}
        if envelope.proposed_action is not None:
            return {**update, "route": "gate"}
        return {**update, **leave(segment, self._step, {**state, **update}, "finished")}

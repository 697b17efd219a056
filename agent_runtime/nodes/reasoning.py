"""The reasoning node: a model or a rule turns the brief into a validated envelope."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.runtime import Runtime

from agent_runtime.brief import Brief, BriefPassage, Feedback
from agent_runtime.envelope import Envelope, parse_envelope
from agent_runtime.errors import InvalidInput, NeedsAttention, OutOfScope
from agent_runtime.evidence import LeftOut, Shown
from agent_runtime.knowledge.bundle import add
from agent_runtime.models.model import Model
from agent_runtime.models.prompt import hint, render
from agent_runtime.nodes.context import extend
from agent_runtime.nodes.leave import leave
from agent_runtime.nodes.lookup import look_up, name_source
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.store import Session


@dataclass
class Thought:
    """What one reasoning phase has gathered: what it sees, tries and calls used."""

    shown: list[Shown]
    tries: int = 0
    calls: int = 0
    left_out: list[LeftOut] = field(default_factory=list)


class ReasoningNode:
    """Asks the model; holds the step's read tools and nothing that could act."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def __call__(self, state: State, runtime: Runtime[Segment]) -> State:
        segment, step = runtime.context, self._step
        visit = state.get("visits", {}).get(step.name, 0) + 1
        thought = Thought(segment.passages(state["bundle"]))
        brief = self._brief(segment, state, thought, visit)
        with segment.telemetry.span(f"{step.name}.reasoning", {"agent_runtime.node": "reasoning"}):
            if step.reasoning.rule is not None:
                name = getattr(step.reasoning.rule, "__name__", "rule")
                envelope = self._admit(step.reasoning.rule(brief), visit, f"rule:{name}")
            else:
                envelope = await self._ask(segment, brief, thought, visit)
            hashes = segment.keep(thought.shown)
            segment.post(lambda session: self._record(session, segment, envelope, thought, hashes))
        update = self._route(segment, state, envelope, visit, thought.tries)
        return {**update, "shown": extend(state["shown"], hashes), "bundle": hashes}

    def _brief(self, segment: Segment, state: State, thought: Thought, visit: int) -> Brief:
        return Brief(
            step=self._step.name,
            visit=visit,
            input=segment.run.input,
            evidence=tuple(BriefPassage(source=p.source, text=p.text) for p in thought.shown),
            feedback=tuple(Feedback.model_validate(f) for f in state.get("feedback", [])),
        )

    async def _ask(self, segment: Segment, brief: Brief, thought: Thought, visit: int) -> Envelope:
        """Converse until there is a valid envelope; look-ups and attempts are bounded."""
        reasoning, model = self._step.reasoning, segment.model(self._step)
        task = segment.prompts.get(reasoning.prompt, "")
        messages = render(task, brief, reasoning.proposes)
        problem = ""
        while thought.tries < reasoning.attempts:
            answer = await self._exchange(segment, model, messages)
            messages.append(answer)
            if answer.tool_calls:
                messages += await self._call_tools(segment, answer, thought)
                continue
            try:
                return self._admit(parse_envelope(str(answer.text)), visit, model.producer)
            except InvalidInput as error:
                thought.tries += 1
                problem = error.message
                messages.append(hint(problem))
                self._malformed(segment, visit, error)
        raise NeedsAttention(
            f"Step {self._step.name}: no valid envelope in {reasoning.attempts} attempts; {problem}"
        )

    async def _exchange(
        self, segment: Segment, model: Model, messages: list[BaseMessage]
    ) -> AIMessage:
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model.producer}
        with segment.telemetry.span(f"chat {model.producer}", attributes, client=True) as span:
            answer = await model.ask(messages, self._step.reasoning.tools)
            usage = answer.usage_metadata
            if usage:
                span.set_attribute("gen_ai.usage.input_tokens", usage["input_tokens"])
                span.set_attribute("gen_ai.usage.output_tokens", usage["output_tokens"])
        request = [{"role": m.type, "content": m.content} for m in messages]
        response = {"content": answer.content, "tool_calls": answer.tool_calls}
        run = segment.run
        segment.post(
            lambda session: session.recordings.add(
                run.id, run.epoch, "model", model.producer, request, response
            )
        )
        return answer

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
        found = looked.shown
        bundle = add(thought.shown, found, self._step.context.token_budget)
        thought.shown, left_out = list(bundle.shown), {p.source for p in bundle.left_out}
        thought.left_out += bundle.left_out
        results = [
            {"source": p.source, "text": p.text}
            if p.source not in left_out
            else {"source": p.source, "left_out": "over the step's token budget"}
            for p in found
        ]
        return {"results": results}

    def _admit(self, envelope: Envelope, visit: int, producer: str) -> Envelope:
        """Hold an envelope against the step; raises InvalidInput when it contradicts itself."""
        if envelope.step != self._step.name:
            raise InvalidInput("step", envelope.step, f"is not {self._step.name!r}")
        proposing = envelope.status in ("proposed", "needs_approval")
        if proposing != (envelope.proposed_action is not None):
            raise InvalidInput("status", envelope.status, "does not go with its proposed_action")
        ours = {"node": "reasoning", "visit": visit, "producer": producer}
        return envelope.model_copy(update=ours)

    def _refuse(self, segment: Segment, tool: str) -> None:
        node = f"{self._step.name}.reasoning"
        segment.post(
            lambda session: session.events.append(
                "tool.refused", segment.run.id, node=node, tool=tool[:200], why="out of scope"
            )
        )

    def _malformed(self, segment: Segment, visit: int, error: InvalidInput) -> None:
        body = segment.event_body(self._step, visit, field=error.field[:200])
        segment.post(lambda session: session.events.append("model.failed", segment.run.id, **body))

    def _record(
        self,
        session: Session,
        segment: Segment,
        envelope: Envelope,
        thought: Thought,
        hashes: list[str],
    ) -> None:
        if thought.calls:
            session.events.append(
                "bundle.assembled",
                segment.run.id,
                **segment.event_body(self._step, envelope.visit or 1),
                shown=hashes,
                left_out=[passage.model_dump() for passage in thought.left_out],
                tokens=sum(passage.tokens for passage in thought.shown),
                budget=self._step.context.token_budget,
            )
        segment.emit(session, envelope)

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
        if envelope.proposed_action is not None:
            return {**update, "route": "gate"}
        return {**update, **leave(segment, self._step, {**state, **update}, "finished")}

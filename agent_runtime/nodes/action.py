"""The action node: the one authorized write, with the journal before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, assert_never

from langgraph.runtime import Runtime
from pydantic import BaseModel

from agent_runtime.action import action_digest
from agent_runtime.clock import to_text
from agent_runtime.envelope import Status
from agent_runtime.errors import OutcomeUnknown, ToolRefused, ToolUnavailable
from agent_runtime.evidence import Shown
from agent_runtime.grant import Grant
from agent_runtime.nodes.leave import count, leave, tell
from agent_runtime.nodes.lookup import as_text, name_source
from agent_runtime.policy import tightened
from agent_runtime.redact import reveal
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.store import Authorization, JournalEntry, Session
from agent_runtime.tool import Tool, ToolCall, to_json
from agent_runtime.verdict import Question

MAX_TRIES = 5
"""Calls under one key at most, where the tool's recovery allows repeating."""


@dataclass(frozen=True)
class Refusal:
    """Why an authorized action is not executed now: a fact it rests on, or policy as it is now."""

    kind: Literal["changed", "missing", "unavailable", "tightened", "forbidden"]
    text: str
    fields: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of the call: `result` is plain JSON, the reason where it did not work."""

    tool: str
    worked: bool
    result: Any
    at: datetime


class ActionNode:
    """Reaches write tools; what it may call is decided by the stored authorization alone."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def __call__(self, state: State, runtime: Runtime[Segment]) -> State:
        segment, step = runtime.context, self._step
        visit = state.get("visits", {}).get(step.name, 0)
        fresh = segment.rights.get((step.name, visit))
        journal = segment.read().journal
        if fresh is None and journal.was_voided(segment.run.id, step.name, visit):
            return self._send_back(segment, state, "it was taken back before execution")
        right = fresh or journal.authorization(segment.run.id, step.name, visit)
        tool = step.tool("action", right.action.tool)
        args = tool.parse(right.action.arguments)
        with segment.telemetry.span(f"{step.name}.action", {"agent_runtime.node": "action"}):
            entry = None if fresh is not None else journal.entry(right.id)
            if entry is None:
                refusal = await self._recheck(segment, right, tool, args)
                if refusal is not None:
                    return await self._void(segment, state, right, refusal)
            outcome = await self._execute(segment, right, tool, args, entry)
        return self._done(segment, state, right, outcome)

    async def _recheck(
        self, segment: Segment, right: Authorization, tool: Tool, args: BaseModel
    ) -> Refusal | None:
        """Hold the facts and the policy of the decision against the present."""
        call = segment.call(f"{segment.run.id}.{self._step.name}.{right.visit}:recheck")
        try:
            now = await tool.read_facts(args, call)
        except ToolRefused as error:
            return Refusal("missing", f"fact missing: {error.message}")
        except ToolUnavailable as error:
            return Refusal("unavailable", f"fact unavailable: {error.message}")
        changed = differences(right.facts, now.model_dump(mode="json"))
        if changed:
            words = "; ".join(f"{name} was {old}, is {new}" for name, old, new in changed)
            return Refusal("changed", f"fact changed: {words}", changed)
        question = Question(right.action, args, now, right.signals, segment.facts(self._step))
        return self._hold_policy(segment, right, question)

    def _hold_policy(
        self, segment: Segment, right: Authorization, question: Question
    ) -> Refusal | None:
        policy = segment.policies.get(self._step.policy or "")
        if policy is None:
            return Refusal("forbidden", f"There is no policy set {self._step.policy!r}.")
        verdict = policy.judge(question)
        if verdict.kind == "deny":
            return Refusal("forbidden", "; ".join([*verdict.rules, *verdict.reasons]))
        if tightened(right.verdict, verdict) != right.verdict:
            return Refusal("tightened", f"policy now asks more: {', '.join(verdict.rules)}")
        return None

    async def _void(
        self, segment: Segment, state: State, right: Authorization, refusal: Refusal
    ) -> State:
        """Take the unused right back; facts and stricter rules send the run back to context."""
        step, visit = self._step, right.visit
        status: Status = "denied" if refusal.kind == "forbidden" else "failed"
        envelope = segment.envelope(step, "action", visit=visit, status=status, reason=refusal.text)

        def record(session: Session) -> None:
            session.journal.void(right.id)
            if right.approval_id is not None:
                session.approvals.close(right.approval_id, "voided", f"runtime: {refusal.text}")
            body = segment.event_body(step, visit, kind=refusal.kind, text=refusal.text)
            fields = [list(field) for field in refusal.fields]
            session.events.append("action.voided", segment.run.id, **body, fields=fields)
            segment.emit(session, envelope)

        await segment.write(record)
        if refusal.kind == "forbidden":
            return {**tell(state, "denied", refusal.text), **leave(segment, step, state, "denied")}
        return self._send_back(segment, state, refusal.text)

    def _send_back(self, segment: Segment, state: State, why: str) -> State:
        """Back to context, a bounded number of times. Also where this node runs again after a
        crash or a person's resume: a right once taken back stays taken back."""
        step, limit = self._step, self._step.max_rechecks
        end = f"Step {step.name}: sent back more than {limit} times before execution; {why}"
        counts = count(segment, state, f"{step.name}.rechecks", limit, end)
        return {**counts, **tell(state, "changed", why), "route": "context"}

    async def _execute(
        self,
        segment: Segment,
        right: Authorization,
        tool: Tool,
        args: BaseModel,
        entry: JournalEntry | None,
    ) -> Outcome:
        """Call the tool under the journal, or find out what became of an earlier call."""
        if entry is not None and entry.state != "intended":
            at = entry.settled_at or segment.clock.now()
            return Outcome(entry.tool, entry.state == "executed", entry.result, at)
        key = f"{right.run_id}.{right.step}.{right.visit}.{right.action_digest[7:23]}"
        call = segment.call(key, right.facts)
        if entry is None:
            grant = await segment.write(lambda session: self._intend(session, segment, right, key))
        else:
            probed = await self._recover(segment, tool, args, call, entry)
            if probed is not None:
                return probed
            grant = await segment.write(lambda session: session.journal.again(key))
        return await self._call(segment, tool, args, call, grant)

    def _intend(self, session: Session, segment: Segment, right: Authorization, key: str) -> Grant:
        """The barrier before the effect: right consumed, intent and event, in one commit."""
        named = action_digest(segment.run.tenant, right.action)
        grant = session.journal.intend(right, key, named)
        body = segment.event_body(self._step, right.visit, key=key, tool=right.action.tool)
        session.events.append("action.intended", segment.run.id, **body)
        return grant

    async def _recover(
        self, segment: Segment, tool: Tool, args: BaseModel, call: ToolCall, entry: JournalEntry
    ) -> Outcome | None:
        """What to do about an intent without an outcome; None: the call may be repeated."""
        if entry.may_retry:
            return None
        match tool.recovery:
            case "safe_retry" | "idempotency_key":
                if entry.tries >= MAX_TRIES:
                    raise OutcomeUnknown(tool.name, f"{entry.tries} calls had no outcome")
                return None
            case "probe":
                return await self._probe(segment, tool, args, call, entry)
            case "manual" | None:
                raise OutcomeUnknown(tool.name, "a call was lost and may not be repeated")
            case _:
                assert_never(tool.recovery)

    async def _probe(
        self, segment: Segment, tool: Tool, args: BaseModel, call: ToolCall, entry: JournalEntry
    ) -> Outcome | None:
        answer = await tool.ask_probe(self._revealed(segment, tool, args), call)
        if answer.happened == "unknown":
            raise OutcomeUnknown(tool.name, "the outside system could not tell")
        if answer.happened == "no":
            if entry.tries < MAX_TRIES:
                return None
            why = f"{tool.name} gave no answer in {entry.tries} calls, and none was executed."
            return self._settle(segment, tool, call.key, "failed", why)
        return self._settle(segment, tool, call.key, "executed", as_json(answer.result))

    async def _call(
        self, segment: Segment, tool: Tool, args: BaseModel, call: ToolCall, grant: Grant
    ) -> Outcome:
        """The effect. Only a refusal proves that nothing happened."""
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool.name}
        with segment.telemetry.span(f"execute_tool {tool.name}", attributes) as span:
            segment.telemetry.show(span, arguments=lambda: args.model_dump(mode="json"))
            while True:
                try:
                    revealed = self._revealed(segment, tool, args)
                    result = await tool(args, call, grant=grant, revealed=revealed)
                except ToolRefused as error:
                    return self._settle(segment, tool, call.key, "failed", error.message)
                except ToolUnavailable:
                    entry = segment.read().journal.by_key(call.key)
                    probed = await self._recover(segment, tool, args, call, entry)
                    if probed is not None:
                        return probed
                    grant = await segment.write(lambda session: session.journal.again(call.key))
                else:
                    return self._settle(segment, tool, call.key, "executed", as_json(result))

    def _revealed(self, segment: Segment, tool: Tool, args: BaseModel) -> BaseModel:
        """The arguments with the values that their pseudonyms stand for: here, and nowhere else.
        Raises ToolRefused for one that nobody gave."""
        if not self._step.context.minimise.names:
            return args
        plain = args.model_dump(mode="json")
        try:
            whole = reveal(plain, segment.read().pseudonyms.value)
        except LookupError as error:
            raise ToolRefused(f"{error.args[0]} stands for nothing that is known here.") from error
        return args if whole == plain else tool.parse(whole)

    def _settle(
        self,
        segment: Segment,
        tool: Tool,
        key: str,
        state: Literal["executed", "failed"],
        result: Any,
    ) -> Outcome:
        """Write the outcome before anything else. Where a lost call may be found out or repeated
        it goes with the next write; where it may not, at once. Of the result is kept what the
        step may see."""
        now = segment.clock.now()
        redactor = segment.redactor(self._step)
        seen = redactor.result(tool.name, result) if state == "executed" else redactor.value(result)

        def record(session: Session) -> None:
            session.journal.settle(key, state, seen)
            session.events.append(
                "action.executed", segment.run.id, key=key, tool=tool.name, outcome=state
            )
            run = segment.run
            exchange = {"outcome": state, "result": seen, "at": to_text(now)}
            session.recordings.add(run.id, run.epoch, "tool", tool.name, {"key": key}, exchange)

        segment.post(record)
        if tool.recovery == "manual":
            segment.lane.send()
        return Outcome(tool.name, state == "executed", seen, now)

    def _done(
        self, segment: Segment, state: State, right: Authorization, outcome: Outcome
    ) -> State:
        """Show the result to the steps and visits that follow, and leave the step."""
        step, visit, worked = self._step, right.visit, outcome.worked
        proposed = segment.proposal(state).proposed_action
        name = proposed.call_id if proposed is not None and proposed.call_id else f"{visit}"
        source = name_source(name, segment.passages(state["shown"]))
        text = as_text(outcome.result) if worked else f"Error: {outcome.result}"
        passage = Shown(
            source=source,
            text=text,
            origin="tool" if worked else "failure",
            tool=outcome.tool,
            retrieved_at=outcome.at,
        )
        envelope = segment.envelope(
            step,
            "action",
            visit=visit,
            status="done" if worked else "failed",
            reason=f"{outcome.tool} on {right.action.target_id}:"
            f" {'executed' if worked else 'failed'}.",
            confidence=state["envelope"]["confidence"],
            action=proposed,
        )

        kind: Literal["acted", "failed"] = "acted" if worked else "failed"
        left = leave(segment, step, state, kind)
        segment.post(lambda session: segment.emit(session, envelope))
        hashes = segment.keep([passage])
        told = tell(state, kind, text[:500], source)
        shown, bundle = [*state["shown"], *hashes], [*state["bundle"], *hashes]
        return {**told, **left, "shown": shown, "bundle": bundle, "counts": {}}


def differences(before: dict[str, Any], now: dict[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    """The facts that are not what they were: name, old and new value (None: absent)."""
    names = sorted(before.keys() | now.keys())
    return tuple(
        (name, before.get(name), now.get(name))
        for name in names
        if before.get(name) != now.get(name)
    )


def as_json(result: Any) -> Any:
    """A tool's result as plain JSON, models included."""
    return to_json(result.model_dump(mode="json") if isinstance(result, BaseModel) else result)

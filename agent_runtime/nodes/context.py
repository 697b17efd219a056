"""The context node: looks things up and assembles the bundle that the step is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from agent_runtime.errors import NeedsAttention
from agent_runtime.evidence import Bundle, Evidence, Shown
from agent_runtime.knowledge.bundle import assemble
from agent_runtime.nodes.lookup import look_up
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.tool import Tool

REQUEST = "request"
"""Source id of the run's own message, where its input has one."""


class ContextNode:
    """Runs the step's read tools on the run's input; the rest is arithmetic."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def __call__(self, state: State, runtime: Runtime[Segment]) -> State:
        segment, step = runtime.context, self._step
        with segment.telemetry.span(f"{step.name}.context", {"agent_runtime.node": "context"}):
            earlier = segment.passages(state.get("bundle", []))
            found = [] if earlier else _handed_in(segment)
            looked = [
                await look_up(segment, step, tool, arguments, _name(tool, arguments))
                for tool, arguments in [(t, bind(t, segment.run.input)) for t in step.context.tools]
            ]
            found += [passage for result in looked for passage in result.shown]
            bundle = assemble(earlier, found, step.context_budget)

            hashes = segment.keep(bundle.shown)

            def record(session: Session) -> None:
                for result in looked:
                    result.record(session)
                self._announce(session, state, bundle, hashes, segment)

            segment.post(record)
        shown = extend(state.get("shown", []), hashes)
        return {"step": step.name, "shown": shown, "bundle": hashes, "route": "reasoning"}

    def _announce(
        self, session: Session, state: State, bundle: Bundle, hashes: list[str], segment: Segment
    ) -> None:
        visit = state.get("visits", {}).get(self._step.name, 0) + 1
        left_out = [passage.model_dump() for passage in bundle.left_out]
        session.events.append(
            "bundle.assembled",
            segment.run.id,
            **segment.event_body(self._step, visit),
            shown=hashes,
            left_out=left_out,
            tokens=bundle.tokens,
            budget=bundle.budget,
        )
        reason = (
            f"{len(bundle.shown)} passages, {bundle.tokens} of {bundle.budget} tokens,"
            f" {len(bundle.left_out)} left out."
        )
        sources = dict.fromkeys(passage.source for passage in bundle.shown)
        evidence = tuple(Evidence(source=source, quote="") for source in sources)
        segment.emit(
            session,
            segment.envelope(
                self._step, "context", visit=visit, status="ok", reason=reason, evidence=evidence
            ),
        )


def _name(tool: Tool, arguments: dict[str, Any]) -> str:
    return ":".join([tool.name, *map(str, arguments.values())])[:200].strip()


def extend(shown: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """Everything shown in the run, with these as the newest."""
    new = set(hashes)
    return [*(name for name in shown if name not in new), *hashes]


def bind(tool: Tool, inputs: dict[str, Any]) -> dict[str, Any]:
    """A context tool's arguments from the run's input: by declared binding, else by name."""
    declared = dict(tool.bindings)
    bound = {}
    for name, field in tool.arguments.model_fields.items():
        source = declared.get(name, name)
        if source in inputs:
            bound[name] = inputs[source]
        elif field.is_required():
            raise NeedsAttention(f"{tool.name} needs {name!r}, which the run's input doesn't have.")
    return bound


def _handed_in(segment: Segment) -> list[Shown]:
    """The run's own message and the documents that came with its start."""
    now = segment.clock.now()
    documents = segment.read().runs.documents(segment.run.id)
    message = segment.run.input.get("message")
    texts = [(REQUEST, message, "")] if isinstance(message, str) else []
    texts += [(document.source, document.text, document.version) for document in documents]
    return [
        Shown(source=source, text=text, version=version, origin="document", retrieved_at=now)
        for source, text, version in texts
    ]

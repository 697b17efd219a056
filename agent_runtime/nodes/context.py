"""The context node: looks things up and assembles the bundle that the step is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langgraph.runtime import Runtime

from agent_runtime.errors import NeedsAttention
from agent_runtime.evidence import Bundle, Evidence, Shown
from agent_runtime.knowledge.bundle import assemble, content_of
from agent_runtime.nodes.check import cross_checked
from agent_runtime.nodes.lookup import LookUpResult, look_up
from agent_runtime.redact import Redactor
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
        if step.context.minimise.names and segment.read().pseudonyms.key() is None:
            await segment.write(lambda session: session.pseudonyms.make_key())
        redactor = segment.redactor(step)
        with segment.telemetry.span(f"{step.name}.context", {"agent_runtime.node": "context"}):
            looked = [
                await look_up(segment, step, tool, arguments, _name(tool, arguments, redactor))
                for tool, arguments in [(t, bind(t, segment.run.input)) for t in step.context.tools]
            ]
            bundle = self._bundle(segment, state, looked, redactor)
            visit = _visit(step, state)
            bundle = await cross_checked(segment, step, visit, bundle)
            hashes = segment.keep(bundle.shown)
            record_bundle = recording(segment, step, visit, bundle, hashes)

            def record(session: Session) -> None:
                for result in looked:
                    result.record(session)
                record_bundle(session)
                self._announce(session, segment, visit, bundle)

            segment.post(record)
        shown = extend(state.get("shown", []), hashes)
        return {"step": step.name, "shown": shown, "bundle": hashes, "route": "reasoning"}

    def _bundle(
        self, segment: Segment, state: State, looked: Sequence[LookUpResult], redactor: Redactor
    ) -> Bundle:
        """What was handed in, found now, and shown to this step before. What other steps were
        shown stays theirs; what documents said was looked up anew, since they may be gone."""
        own = state.get("step", self._step.name) == self._step.name
        before = segment.passages(state.get("bundle", [])) if own else []
        found = [] if before else _handed_in(segment, redactor)
        found += [passage for result in looked for passage in result.shown]
        return assemble(
            [passage for passage in before if not passage.document],
            found,
            self._step.context_budget,
            left_out=[passage for result in looked for passage in result.left_out],
            warnings=[warning for result in looked for warning in result.warnings],
        )

    def _announce(self, session: Session, segment: Segment, visit: int, bundle: Bundle) -> None:
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


def recording(
    segment: Segment, step: Step, visit: int, bundle: Bundle, hashes: Sequence[str]
) -> Callable[[Session], None]:
    """What keeps a bundle under its digest, and tells what was shown, left out and why."""
    content, left_out = content_of(bundle), [passage.model_dump() for passage in bundle.left_out]

    def record(session: Session) -> None:
        session.recordings.put(content)
        session.events.append(
            "bundle.assembled",
            segment.run.id,
            **segment.event_body(step, visit),
            shown=hashes,
            left_out=left_out,
            warnings=list(bundle.warnings),
            digest=content.hash,
            tokens=bundle.tokens,
            budget=bundle.budget,
        )

    return record


def _visit(step: Step, state: State) -> int:
    """The number of the visit that is being made."""
    return state.get("visits", {}).get(step.name, 0) + 1


def _name(tool: Tool, arguments: dict[str, Any], redactor: Redactor) -> str:
    """A source id that tells what was looked up, as far as the step may know."""
    told = arguments if redactor.declared.input is None else {}
    return redactor.text(":".join([tool.name, *map(str, told.values())]))[:200].strip()


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


def _handed_in(segment: Segment, redactor: Redactor) -> list[Shown]:
    """The run's own message and the documents that came with its start."""
    documents = segment.read().runs.documents(segment.run.id)
    message, start = redactor.input(segment.run.input).get("message"), segment.run.created_at
    texts = [(REQUEST, message, "")] if isinstance(message, str) else []
    texts += [(document.source, document.text, document.version) for document in documents]
    return [
        Shown(
            source=redactor.text(source),
            text=redactor.text(text),
            version=version,
            origin="document",
            retrieved_at=start,
        )
        for source, text, version in texts
    ]

"""OpenTelemetry: one trace per run across pauses and processes, and structured logs.

Spans follow the GenAI conventions where they have a name; approvals and policy, for which there
is none, use the `agent_runtime.` namespace. Attributes are ids, names and counts; content only
where the settings say so (`content.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import cached_property
from socket import gethostname
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)

from agent_runtime.run import Run
from agent_runtime.telemetry.content import Capture
from agent_runtime.telemetry.export import RUN, TENANT, Received, exporting
from agent_runtime.telemetry.log import JsonLines, configure_logging, log
from agent_runtime.telemetry.meter import Meter, Source
from agent_runtime.telemetry.place import PlannedIds, place_of, request_place, root_of
from agent_runtime.telemetry.whole import Whole

__all__ = ["Capture", "JsonLines", "Span", "Telemetry", "configure_logging", "log"]

Attributes = Mapping[str, str | int | float | bool]

_OFF = nullcontext(INVALID_SPAN)
"""What stands in the place of every span where nothing is exported."""

CLOSE = 2.0
"""Seconds that the end of a program may wait for what is not exported yet."""


class _Process(Resource):
    """What spans come from. It never changes, and is hashed for every span that is exported."""

    @classmethod
    def here(cls) -> _Process:
        """This process, with what the environment says of it."""
        ours = {
            "service.name": "agent-runtime",
            "service.instance.id": f"{gethostname()}:{os.getpid()}",
        }
        whole = Resource.create(ours)
        return cls(whole.attributes, whole.schema_url)

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class Telemetry:
    """Makes spans. Without an OTLP endpoint in the environment nothing is exported.

    `capture`: what content spans may carry. Nothing here raises or waits for an exporter.
    """

    def __init__(self, *processors: SpanProcessor, capture: Capture | None = None) -> None:
        self._ids = PlannedIds()
        self._resource = _Process.here()
        # Every run is traced whole, whatever the environment says: its spans come from several
        # processes, and its root is owed. The decision costs nothing where it is always the same.
        self._provider = TracerProvider(ALWAYS_ON, self._resource, id_generator=self._ids)
        self.received = Received()
        processors = processors or exporting(self.received)
        self.exports = bool(processors)
        for processor in processors:
            self._provider.add_span_processor(Whole(processor))
        self._tracer = self._provider.get_tracer("agent_runtime")
        self._capture = capture or Capture()
        self._meter = Meter(self._resource)

    def measure(self, source: Source) -> None:
        """Export the figures that `source` gives, from time to time, where there is an endpoint."""
        self._meter.observe(source)

    def new_trace(self) -> str:
        """Plan a run's trace: `<trace id>-<root span id>` in hex, stored with the run."""
        ids = RandomIdGenerator()
        return f"{ids.generate_trace_id():032x}-{ids.generate_span_id():016x}"

    def segment(self, run: Run) -> AbstractContextManager[Span]:
        """The span of one segment of a run, under the run's root."""
        if not self.exports:
            return _OFF
        attributes = _run_attributes(run) | {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": run.workflow,
            "agent_runtime.epoch": run.epoch,
        }
        return self._span(f"invoke_agent {run.workflow}", SpanKind.INTERNAL, attributes, run)

    def span(
        self, name: str, attributes: Attributes, *, client: bool = False
    ) -> AbstractContextManager[Span]:
        """A span under the present one; an error marks it with its type, not its text."""
        if not self.exports:
            return _OFF
        return self._span(name, SpanKind.CLIENT if client else SpanKind.INTERNAL, attributes, None)

    def show(self, span: Span, **content: Callable[[], Any]) -> None:
        """Put content on a span, redacted, where content is captured at all: only then is it
        asked for."""
        if self._capture.on and span.is_recording():
            self._capture.put(span, content)

    def asked(self, run: Run, approval_id: str, rules: Sequence[str]) -> None:
        """Mark where people were asked, under the present span: answers link to it."""
        if not self.exports:
            return
        with self._ids.at(request_place(run, approval_id)):
            span = self._tracer.start_span(
                "agent_runtime.approval_request",
                attributes={
                    "agent_runtime.approval.id": approval_id,
                    "agent_runtime.rules": tuple(rules),
                },
            )
        span.end()

    def answered(self, run: Run, approval_id: str, kind: str, status: str) -> None:
        """Export the span of one person's answer, linked to what it answers."""
        if not self.exports:
            return
        span = self._tracer.start_span(
            "agent_runtime.decision",
            context=place_of(run).context,
            links=[Link(request_place(run, approval_id).span)],
            attributes={
                "agent_runtime.approval.id": approval_id,
                "agent_runtime.decision.kind": kind,
                "agent_runtime.approval.status": status,
            },
        )
        span.end()

    def waited(
        self, run: Run, approval_id: str, status: str, since: datetime, to: datetime
    ) -> None:
        """Export the span of an approval's wait."""
        if not self.exports:
            return
        span = self._tracer.start_span(
            "agent_runtime.approval_wait",
            context=place_of(run).context,
            links=[Link(request_place(run, approval_id).span)],
            start_time=_nanoseconds(since),
            attributes={
                "agent_runtime.approval.id": approval_id,
                "agent_runtime.approval.status": status,
            },
        )
        span.end(_nanoseconds(to))

    def ended(self, run: Run) -> None:
        """Export the run's root span, from its start to now."""
        if not self.exports:
            return
        with self._ids.at(place_of(run)):
            root = self._tracer.start_span(
                f"invoke_workflow {run.workflow}",
                context=root_of(),
                start_time=_nanoseconds(run.created_at),
                attributes=_run_attributes(run) | {"agent_runtime.run.state": run.state},
            )
        root.end(_nanoseconds(run.updated_at))

    def flush(self) -> None:
        """Export what waits, for a moment."""
        self._provider.force_flush(int(CLOSE * 1000))

    def close(self) -> None:
        """Export what waits, for a moment; what an endpoint does not take by then is given up."""
        self.flush()
        self._provider.shutdown()
        self._meter.close(CLOSE)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Attributes, run: Run | None
    ) -> Iterator[Span]:
        # What `start_as_current_span` does, without its two layers of context managers.
        parent = None if run is None else place_of(run).context
        span = self._tracer.start_span(name, context=parent, kind=kind, attributes=attributes)
        token = attach(set_span_in_context(span))
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            detach(token)
            span.end()


def _run_attributes(run: Run) -> dict[str, str | int]:
    return {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": run.workflow,
        RUN: run.id,
        "agent_runtime.workflow.version": run.version,
        TENANT: run.tenant,
    }


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000

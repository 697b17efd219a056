"""OpenTelemetry: one trace per run across pauses and processes, and structured logs.

Spans follow the GenAI conventions where they have a name; approvals and policy, for which there
is none, use the `agent_runtime.` namespace. Attributes are ids, names and counts, never content.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from agent_runtime.run import Run

Attributes = Mapping[str, str | int | float | bool]

logger = logging.getLogger("agent_runtime")


class _PlannedIds(RandomIdGenerator):
    """Random ids, but a run's root span takes the id that was planned at its start: its children
    name it as parent in other processes long before it ends and is exported."""

    planned: tuple[int, int] | None = None

    def generate_span_id(self) -> int:
        return self.planned[1] if self.planned else super().generate_span_id()

    def generate_trace_id(self) -> int:
        return self.planned[0] if self.planned else super().generate_trace_id()


class Telemetry:
    """Makes spans. Without an OTLP endpoint in the environment nothing is exported."""

    def __init__(self, *processors: SpanProcessor) -> None:
        self._ids = _PlannedIds()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "agent-runtime"}), id_generator=self._ids
        )
        processors = processors or _from_environment()
        self._exports = bool(processors)
        for processor in processors:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("agent_runtime")

    def new_trace(self) -> str:
        """Plan a run's trace: `<trace id>-<root span id>` in hex, stored with the run."""
        trace, span = (
            RandomIdGenerator().generate_trace_id(),
            RandomIdGenerator().generate_span_id(),
        )
        return f"{trace:032x}-{span:016x}"

    @contextmanager
    def segment(self, run: Run) -> Iterator[Span]:
        """The span of one segment of a run, under the run's root."""
        attributes = _run_attributes(run) | {"agent_runtime.epoch": run.epoch}
        with self._span(f"invoke_agent {run.workflow}", SpanKind.INTERNAL, attributes, run) as span:
            yield span

    @contextmanager
    def span(self, name: str, attributes: Attributes, *, client: bool = False) -> Iterator[Span]:
        """A span under the present one; an error marks it with its type, not its text."""
        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        with self._span(name, kind, attributes, None) as span:
            yield span

    def ended(self, run: Run) -> None:
        """Export the run's root span, from its start to now."""
        if not self._exports:
            return
        trace, span = (int(part, 16) for part in run.trace.split("-"))
        self._ids.planned = (trace, span)
        try:
            root = self._tracer.start_span(
                f"invoke_workflow {run.workflow}",
                context=set_span_in_context(NonRecordingSpan(SpanContext(0, 0, is_remote=False))),
                start_time=_nanoseconds(run.created_at),
                attributes=_run_attributes(run) | {"agent_runtime.run.state": run.state},
            )
        finally:
            self._ids.planned = None
        root.end(_nanoseconds(run.updated_at))

    def waited(
        self, run: Run, approval_id: str, status: str, since: datetime, to: datetime
    ) -> None:
        """Export the span of an approval's wait."""
        if not self._exports:
            return
        span = self._tracer.start_span(
            "agent_runtime.approval_wait",
            context=_remote(run),
            start_time=_nanoseconds(since),
            attributes={
                "agent_runtime.approval.id": approval_id,
                "agent_runtime.approval.status": status,
            },
        )
        span.end(_nanoseconds(to))

    def close(self) -> None:
        """Export what waits."""
        self._provider.shutdown()

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Attributes, run: Run | None
    ) -> Iterator[Span]:
        if not self._exports:
            yield INVALID_SPAN
            return
        with self._tracer.start_as_current_span(
            name,
            context=None if run is None else _remote(run),
            kind=kind,
            attributes=dict(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise


def log(message: str, run: Run | None = None, **fields: str | int) -> None:
    """One structured line about a run: ids and counts only."""
    ids = {} if run is None else {"run_id": run.id, "trace_id": run.trace.split("-")[0]}
    logger.info(message, extra={"fields": {**ids, **fields}})


class JsonLines(logging.Formatter):
    """Each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": self.formatTime(record), "level": record.levelname}
        return json.dumps({**line, "message": record.getMessage(), **getattr(record, "fields", {})})


def configure_logging(level: str) -> None:
    """Send our lines to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


def _from_environment() -> tuple[SpanProcessor, ...]:
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not any(os.environ.get(name) for name in names):
        return ()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return (BatchSpanProcessor(OTLPSpanExporter()),)


def _run_attributes(run: Run) -> dict[str, str | int]:
    return {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": run.workflow,
        "gen_ai.conversation.id": run.id,
        "agent_runtime.workflow.version": run.version,
    }


def _remote(run: Run) -> OtelContext:
    trace, span = (int(part, 16) for part in run.trace.split("-"))
    context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(context))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000

"""Exporters: OTLP over HTTP, where the environment names an endpoint.

An endpoint that is dead, slow or refuses costs runs nothing: spans wait in a queue of bounded
length, on a thread of its own, and are dropped when it is full. One warning says so.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from agent_runtime.telemetry.log import warn

TIMEOUT = 5
"""Seconds for one request, its retries included."""
QUEUE = 8_192
"""Spans that wait at most: some megabytes."""

DELAY = 1_000
"""Milliseconds that a span waits for others: what a killed process takes with it."""

RUN = "gen_ai.conversation.id"
TENANT = "agent_runtime.tenant"
"""The attributes by which a root names its run."""

_NOISY = "opentelemetry"
"""The library's own loggers tell each failure, again and again."""


def endpoint(kind: str) -> bool:
    """Whether the environment names an endpoint for `traces` or `metrics`."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{kind.upper()}_ENDPOINT")
    return any(os.environ.get(name) for name in names)


class Received:
    """The roots of runs that a receiver has acknowledged: told by the exporter's thread, taken by
    whoever notes it."""

    def __init__(self) -> None:
        self._runs: deque[tuple[str, str]] = deque(maxlen=QUEUE)
        self._told: Callable[[], object] | None = None

    def listen(self, told: Callable[[], object] | None) -> None:
        """Call this, on the exporter's thread, when there are some."""
        self._told = told

    def add(self, spans: Sequence[ReadableSpan]) -> None:
        """These were acknowledged."""
        before = len(self._runs)
        for span in spans:
            if span.parent is None and span.attributes and RUN in span.attributes:
                tenant, run_id = span.attributes[TENANT], span.attributes[RUN]
                self._runs.append((str(tenant), str(run_id)))
        if len(self._runs) > before and self._told is not None:
            with suppress(RuntimeError):  # its loop has ended
                self._told()

    def take(self) -> list[tuple[str, str]]:
        """Tenant and run of each since the last time."""
        return [self._runs.popleft() for _ in range(len(self._runs))]


def exporting(received: Received) -> tuple[SpanProcessor, ...]:
    """The processors that the environment asks for."""
    if not endpoint("traces"):
        return ()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    hush()
    batch = BatchSpanProcessor(
        Patient(OTLPSpanExporter(timeout=TIMEOUT), received),
        max_queue_size=QUEUE,
        schedule_delay_millis=float(os.environ.get("OTEL_BSP_SCHEDULE_DELAY", DELAY)),
        export_timeout_millis=TIMEOUT * 1000,
    )
    return (batch,)


def hush() -> None:
    """Let the library say nothing: what has to be said is said once, here."""
    logging.getLogger(_NOISY).setLevel(logging.CRITICAL)


class Patient(SpanExporter):
    """Exports as another does, and warns once while that fails."""

    def __init__(self, inner: SpanExporter, received: Received | None = None) -> None:
        self._inner = inner
        self._received = received
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand them on. Whatever the other raises is a failure of the export, and of nothing
        else."""
        try:
            result = self._inner.export(spans)
        except (OSError, ValueError, RuntimeError) as error:
            self._failed(type(error).__name__)
            return SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._failing = False
            if self._received is not None:
                self._received.add(spans)
        else:
            self._failed("refused or unreachable")
        return result

    def _failed(self, why: str) -> None:
        if not self._failing:
            self._failing = True
            warn("traces cannot be exported; runs go on without", endpoint="traces", why=why)

    def shutdown(self) -> None:
        """Close the other."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._inner.force_flush(timeout_millis)

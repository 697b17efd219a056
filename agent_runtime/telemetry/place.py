"""Places in a trace: ids that are known before, or without, the span that has them.

A run's root span is exported when the run ends, but its children name it as their parent long
before, in other processes. A question's span is named by answers that are given elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from agent_runtime.run import Run


@dataclass(frozen=True)
class Place:
    """One span's ids."""

    trace_id: int
    span_id: int

    @property
    def span(self) -> SpanContext:
        """As other spans name it."""
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(self.trace_id, self.span_id, is_remote=True, trace_flags=flags)

    @property
    def context(self) -> Context:
        """In which its children begin."""
        return set_span_in_context(NonRecordingSpan(self.span))


class PlannedIds(RandomIdGenerator):
    """Random ids, but those that are planned for the one span that is begun next."""

    def __init__(self) -> None:
        self._planned: Place | None = None

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """The span that is begun inside gets these ids. Nothing may be awaited meanwhile."""
        self._planned = place
        try:
            yield
        finally:
            self._planned = None

    def generate_span_id(self) -> int:
        return self._planned.span_id if self._planned else super().generate_span_id()

    def generate_trace_id(self) -> int:
        return self._planned.trace_id if self._planned else super().generate_trace_id()


def place_of(run: Run) -> Place:
    """A run's root, as it was planned at its start."""
    trace, span = (int(part, 16) for part in run.trace.split("-"))
    return Place(trace, span)


def request_place(run: Run, approval_id: str) -> Place:
    """Where people were asked this: the same in every process that knows the question's id."""
    digest = hashlib.sha256(approval_id.encode()).digest()
    return Place(place_of(run).trace_id, int.from_bytes(digest[:8]) or 1)


def root_of() -> Context:
    """The context of a span without a parent, whatever is current."""
    return set_span_in_context(NonRecordingSpan(SpanContext(0, 0, is_remote=False)))

"""Whole segments: spans are handed on when the span above them all has ended, that one first.

A process that is killed in the middle of a segment takes all of its spans with it. Had some been
exported before, they would name a parent that nobody ever hears of.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from agent_runtime.telemetry.log import warn

MOST = 2_000
"""Spans that are kept for one segment; what goes beyond is left out, and that is told."""


@dataclass
class _Kept:
    spans: list[ReadableSpan] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    left_out: int = 0


class Whole(SpanProcessor):
    """Keeps spans back until their top has ended, then hands them on, parents first."""

    def __init__(self, onward: SpanProcessor) -> None:
        self._onward = onward
        self._tops: dict[int, int] = {}
        """By span, the span above all."""
        self._kept: dict[int, _Kept] = {}
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Find out what it belongs to."""
        name, parent = span.context.span_id, span.parent
        with self._lock:
            local = parent is not None and not parent.is_remote
            top = self._tops.get(parent.span_id, name) if local and parent else name
            self._tops[name] = top
            self._kept.setdefault(top, _Kept()).ids.append(name)
        self._onward.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it, or hand it on with all that is below it."""
        name = span.context.span_id
        with self._lock:
            top = self._tops.get(name, name)
            kept = self._kept.get(top)
            if kept is not None and top != name:
                if len(kept.spans) < MOST:
                    kept.spans.append(span)
                else:
                    kept.left_out += 1
                return
            self._forget(top)
        self._onward.on_end(span)
        if kept is not None:
            if kept.left_out:
                warn("a segment had too many spans", left_out=kept.left_out)
            for one in sorted(kept.spans, key=lambda one: one.start_time or 0):
                self._onward.on_end(one)

    def _forget(self, top: int) -> None:
        kept = self._kept.pop(top, None)
        for name in kept.ids if kept is not None else ():
            self._tops.pop(name, None)

    def shutdown(self) -> None:
        """Export what waits."""
        self._onward.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """The same, and go on."""
        return self._onward.force_flush(timeout_millis)

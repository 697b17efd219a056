"""Metrics in Prometheus' text form: counts and durations, never an id or a name of a person.

Own, because a counter, a gauge and one histogram are all there is to it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from starlette.types import Scope

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the durations' buckets, in seconds."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
"""Names that get a label of their own: whoever asks could make up any number of others."""

Series = tuple[str, str, Sequence[tuple[dict[str, str], float]]]
"""A metric's name and kind, and its values, each with its labels."""


class Answered(Protocol):
    """Something that knows the status of an answer; 0: none was begun."""

    status: int


class Metrics:
    """What this process has answered. `streams`: live readers now."""

    def __init__(self) -> None:
        self.streams = 0
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0

    @contextmanager
    def measure(self, scope: Scope, answered: Answered) -> Iterator[None]:
        """Count one request under its route's path; unknown paths are one."""
        began = time.perf_counter()
        try:
            yield
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "unknown")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._answers[method, path, answered.status] += 1
            if path != "/v1/events/stream":
                self._observe(time.perf_counter() - began)

    def _observe(self, seconds: float) -> None:
        self._seconds += seconds
        self._buckets[next((bound for bound in BOUNDS if seconds <= bound), float("inf"))] += 1

    def text(self, more: Iterable[Series]) -> str:
        """Everything, with what the installation adds."""
        requests = [
            ({"method": method, "path": path, "status": str(status)}, float(count))
            for (method, path, status), count in sorted(self._answers.items())
        ]
        series: list[Series] = [
            ("agent_runtime_http_requests_total", "counter", requests),
            ("agent_runtime_event_streams", "gauge", [({}, self.streams)]),
            *more,
        ]
        lines = [line for one in series for line in _lines(one)]
        return "\n".join([*lines, *self._histogram(), ""])

    def _histogram(self) -> Iterator[str]:
        name, total = "agent_runtime_http_request_seconds", 0
        yield f"# TYPE {name} histogram"
        for bound in (*BOUNDS, float("inf")):
            total += self._buckets[bound]
            label = "+Inf" if bound == float("inf") else str(bound)
            yield f'{name}_bucket{{le="{label}"}} {total}'
        yield f"{name}_sum {self._seconds:.6f}"
        yield f"{name}_count {total}"


def _lines(series: Series) -> Iterator[str]:
    name, kind, values = series
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        inside = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        yield f"{name}{f'{{{inside}}}' if inside else ''} {value:g}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
